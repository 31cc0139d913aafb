package dev.rialto;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import rialto.v1.EventOuterClass.Emit;
import rialto.v1.EventOuterClass.ExpectReplies;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;

/** Commands of a session that somebody waits for. */
final class Sending {
  /** How long answers are waited for. */
  static final Duration ANSWERS_WITHIN = Duration.ofSeconds(5);
  /** Longest wait for answers. */
  private static final Duration ANSWERS_LONGEST = Duration.ofSeconds(60);
  /** How much longer than the server this side waits. */
  static final Duration SLACK = Duration.ofSeconds(5);

  private Sending() {}

  /** A command with one answer. */
  static <T> CompletableFuture<T> one(
      Life life, Command.Kind kind, ClientFrame.Builder wire, Duration within, Function<ServerFrame, T> made) {
    return one(life, kind, wire, within, made, Said.Outcome.NOTHING);
  }

  static <T> CompletableFuture<T> one(
      Life life, Command.Kind kind, ClientFrame.Builder wire, Duration within, Function<ServerFrame, T> made, Said.Outcome outcome) {
    Promise<T> promise = new Promise<>(life.callbacks);
    Said<T> said = new Said<>(kind, wire, promise, made, outcome);
    promise.onAbandoned(() -> life.abandon(said));
    life.submit(said, within == null ? life.deadline() : within);
    return promise;
  }

  static CompletableFuture<Accepted> emit(Life life, Emit.Builder emit, EmitOptions options) {
    Command.Kind kind = options.delivery == Delivery.VOLATILE ? Command.Kind.VOLATILE : Command.Kind.EMIT;
    ClientFrame.Builder wire = ClientFrame.newBuilder().setEmit(emit);
    return one(life, kind, wire, options.deadline, frame -> frame.hasAccepted() ? Accepted.of(frame.getAccepted()) : null);
  }

  /** An emit whose receivers are asked for answers. */
  static CompletableFuture<Replies> ask(Life life, Emit.Builder emit, EmitOptions options, Duration within) {
    Duration wait = answersWithin(within);
    emit.setExpectReplies(ExpectReplies.newBuilder().setTimeout(Times.span(wait)));
    Question question = new Question(life, ClientFrame.newBuilder().setEmit(emit), wait.plus(SLACK));
    life.submit(question, options.deadline == null ? life.deadline() : options.deadline);
    return question.taken();
  }

  static Duration answersWithin(Duration within) {
    return within.compareTo(ANSWERS_LONGEST) > 0 ? ANSWERS_LONGEST : within;
  }
}
