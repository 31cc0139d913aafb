package dev.rialto;

import java.time.Instant;

/** The state of a session's connection. It never lies: attached is said after the server's welcome, and taken back as soon as it is lost. */
public sealed interface Status {
  /** An attempt is under way. */
  record Connecting() implements Status {}

  /**
   * It is there.
   *
   * @param session its id, by which others see it
   * @param user the user, as the server understands the credentials
   * @param node the node that holds it
   * @param limits the bounds that hold for it
   * @param arrival how it came
   */
  record Attached(String session, String user, String node, Limits limits, Arrival arrival) implements Status {}

  /**
   * The next attempt comes later.
   *
   * @param until when
   * @param cause why the one before has ended
   */
  record Waiting(Instant until, RialtoException cause) implements Status {}

  /**
   * It is over, and does not come back by itself.
   *
   * @param code what closed it; {@code CLOSED} when this side did
   * @param reason the same for people
   */
  record Closed(String code, String reason) implements Status {}

  /** How a session came to its stream. */
  enum Arrival {
    /** It is the first. */
    FIRST,
    /** It goes on: nothing was missed. */
    RESUMED,
    /** Another one took the place of the one before. */
    AFRESH
  }
}
