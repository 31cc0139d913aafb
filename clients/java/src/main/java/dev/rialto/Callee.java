package dev.rialto;

/** Whom a call asks: one session, or any one member of a room. */
public final class Callee {
  final String session;
  final String anyOf;

  private Callee(String session, String anyOf) {
    this.session = session;
    this.anyOf = anyOf;
  }

  /** This session. */
  public static Callee session(String session) {
    return new Callee(session, null);
  }

  /** Any one member of this room, chosen at random. */
  public static Callee anyOf(String room) {
    return new Callee(null, room);
  }

  Target target() {
    return session == null ? Target.anyOf(anyOf) : Target.session(session);
  }
}
