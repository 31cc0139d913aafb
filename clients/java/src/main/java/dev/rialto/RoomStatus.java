package dev.rialto;

/** Where a session stands to a room. */
public enum RoomStatus {
  /** It is not in it. */
  OUT,
  /** It has asked to be in it. */
  JOINING,
  /** It is in it. */
  IN,
  /** It was in it, and the connection is being taken up again. */
  RECOVERING
}
