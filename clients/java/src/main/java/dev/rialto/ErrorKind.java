package dev.rialto;

/** What sort of failure it is, which says what to do about it. */
public enum ErrorKind {
  /** The server answered no. */
  REFUSED,
  /** The session, or the client, is over. */
  CLOSED,
  /** The server was not reached, or the session not attached in time: nothing was sent. */
  UNAVAILABLE,
  /** It waited for the connection and was given up; the code is {@code FULL}, {@code MADE_ROOM}, {@code CLEARED} or {@code TOO_OLD}. */
  UNSENT,
  /** No answer came in time. */
  TIMED_OUT,
  /** The connection or the session was lost after it was sent. */
  UNKNOWN_OUTCOME,
  /** It makes no sense, and was not sent. */
  INVALID,
  /** The caller gave up. */
  CANCELLED,
  /** Of the job of a worker: somebody else may have it. */
  LEASE_LOST,
  /** Anything else: a proxy, a broken answer, a source that cannot be read. */
  OTHER
}
