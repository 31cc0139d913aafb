package dev.rialto;

import java.util.concurrent.CompletableFuture;
import rialto.v1.EventOuterClass.Reply;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;

/** An answer to an event. It has ended well when it is on its way; what the server says of it is told as a report. */
final class Replying extends Command {
  private final Promise<Void> sent;

  private final Life life;
  /** The count of the session that was asked. */
  private final int asked;

  private Replying(Life life, Reply reply, int asked, Promise<Void> sent) {
    super(Kind.REPLY, ClientFrame.newBuilder().setReply(reply));
    this.life = life;
    this.asked = asked;
    this.sent = sent;
  }

  static CompletableFuture<Void> reply(Life life, Reply.Builder reply, int asked) {
    Promise<Void> sent = new Promise<>(life.callbacks);
    Replying replying = new Replying(life, reply.build(), asked, sent);
    sent.onAbandoned(() -> life.abandon(replying));
    life.submit(replying, life.deadline());
    return sent;
  }

  @Override
  RialtoException begins() {
    return asked == life.kept.session ? null : Failures.unavailable("the session that was asked is over");
  }

  @Override
  boolean isOver() {
    return sent.isDecided();
  }

  @Override
  void leaves() {
    unbound();
    sent.succeed(null);
  }

  @Override
  boolean answer(ServerFrame frame) {
    return true;
  }

  @Override
  void fail(RialtoException failure) {
    unbound();
    sent.fail(failure);
  }
}
