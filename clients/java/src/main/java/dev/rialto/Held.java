package dev.rialto;

import rialto.v1.Session.Resume;
import rialto.v1.Session.Welcome;

/** The thread of a session through its streams: who it is, which frame was handed on last, and what of that the server knows. Pure. */
final class Held {
  private static final int SEEN_AFTER_FRAMES = 64;

  private String id = "";
  private String secret = "";
  private boolean lasts;
  private int handed;
  private int told;

  /** Whether the next greeting takes it up. */
  boolean isHeld() {
    return lasts;
  }

  String id() {
    return id;
  }

  Resume resume() {
    return Resume.newBuilder().setSessionId(id).setSessionSecret(secret).setSeq(handed).setAfresh(true).build();
  }

  /** A session is there. False when another one than the held one was resumed, which nobody has asked for. */
  boolean welcomed(Welcome welcome) {
    if (welcome.getResumed() && !(lasts && welcome.getSessionId().equals(id))) {
      return false;
    }
    if (!welcome.getResumed()) {
      handed = 0;
    }
    told = handed;
    id = welcome.getSessionId();
    secret = welcome.getSessionSecret();
    lasts = !Times.span(welcome.getResumeWindow()).isZero();
    return true;
  }

  /** What a frame's number says. */
  enum Turn {
    NEXT,
    BEFORE,
    GAP
  }

  Turn turn(int seq) {
    if (seq == handed + 1) {
      return Turn.NEXT;
    }
    return Integer.compareUnsigned(seq, handed + 1) < 0 ? Turn.BEFORE : Turn.GAP;
  }

  void handedOn(int seq) {
    handed = seq;
  }

  /** How many frames were handed on that the server was not told of. */
  int untold() {
    return handed - told;
  }

  boolean isDue() {
    return untold() >= SEEN_AFTER_FRAMES;
  }

  /** The number to tell. */
  int tell() {
    told = handed;
    return handed;
  }

  /** It does not go on. */
  void giveUp() {
    lasts = false;
  }
}
