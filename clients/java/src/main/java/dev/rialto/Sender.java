package dev.rialto;

/**
 * Who has said or done something.
 *
 * @param session the session; empty when it was done without one
 * @param user the user; empty when none is known
 */
public record Sender(String session, String user) {
  static Sender of(rialto.v1.EventOuterClass.Sender sender) {
    return new Sender(sender.getSession(), sender.getUser());
  }
}
