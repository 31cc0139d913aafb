package dev.rialto;

import java.util.ArrayList;
import java.util.List;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;

/** One command of a session, and what becomes of it. */
abstract class Command {
  /** What sort of command it is, which says when it goes again. */
  enum Kind {
    EMIT,
    VOLATILE,
    QUESTION,
    SET_STATE,
    /** Enter, leave, join, part. */
    MEMBERSHIP,
    /** A join or an enter of the client's own, by which a new session gets to where the one before was. */
    REJOIN,
    REPLY,
    PING,
    REFRESH,
    BYE;

    boolean isEmit() {
      return this == EMIT || this == VOLATILE || this == QUESTION;
    }
  }

  final Kind kind;
  /** Without its ref. */
  final ClientFrame wire;
  final int bytes;
  /** Its number in the session; 0 before it leaves. */
  int ref;
  /** When it left for the first time, by {@link System#nanoTime}. */
  long leftAt;
  boolean left;
  /** The server has taken it: of a question, whose answers are still to come. */
  boolean taken;
  /** Nobody waits for its answer any more. */
  boolean abandoned;
  private final List<Loop.Timer> timers = new ArrayList<>(1);

  Command(Kind kind, ClientFrame.Builder wire) {
    this.kind = kind;
    this.wire = wire.build();
    this.bytes = this.wire.getSerializedSize();
  }

  /** Whether it takes effect once although it is said to another session again. */
  boolean isKeyed() {
    return wire.hasEmit() && !wire.getEmit().getIdempotencyKey().isEmpty();
  }

  /** Something ends it unless it is over before. */
  final void bound(Loop.Timer timer) {
    timers.add(timer);
  }

  /** It needs no bounds any more. */
  final void unbound() {
    timers.forEach(Loop.Timer::cancel);
    timers.clear();
  }

  /** Whether its caller knows how it has ended. */
  boolean isOver() {
    return false;
  }

  /** It is begun, on the loop. Returns why it cannot be, or null. */
  RialtoException begins() {
    return null;
  }

  /** It is on its way. */
  void leaves() {}

  /** Takes an answer; true when it was the last. */
  abstract boolean answer(ServerFrame frame);

  /** No answer will come. */
  abstract void fail(RialtoException failure);
}
