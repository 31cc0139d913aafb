package dev.rialto;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import rialto.v1.EventOuterClass.RepliesDone;

/** Answers to an emit that asks, in the order of their arrival, and at their end the summary. An error is an answer like another. */
public final class Replies {
  private final Accepted accepted;
  private final Feed<Reply> feed;
  private final CompletableFuture<Summary> summary;

  Replies(Accepted accepted, Feed<Reply> feed, CompletableFuture<Summary> summary) {
    this.accepted = accepted;
    this.feed = feed;
    this.summary = summary;
  }

  /**
   * How the asking has ended.
   *
   * @param answered how many receivers have answered
   * @param missing those that have not; at most 256 are named
   * @param missingCount how many those are
   * @param timedOut the time has ended the wait
   * @param nodesMissing nodes that did not say in the end how it went
   */
  public record Summary(int answered, List<Missing> missing, int missingCount, boolean timedOut, List<String> nodesMissing) {
    static Summary of(RepliesDone done) {
      return new Summary(
          done.getAnswered(),
          done.getMissing2List().stream().map(missing -> new Missing(Sender.of(missing.getFrom()), missing.getLeft())).toList(),
          done.getMissingCount3(),
          done.getTimedOut(),
          List.copyOf(done.getNodesMissingList()));
    }
  }

  /**
   * Who has not answered.
   *
   * @param from who
   * @param left it left before; else the time was up
   */
  public record Missing(Sender from, boolean left) {}

  /** All answers and the summary. */
  public record Answers(List<Reply> replies, Summary summary) {}

  /** How the event was taken. */
  public Accepted accepted() {
    return accepted;
  }

  /** The answers as they come. Who reads them slowly, or not at all, holds nobody up. */
  public Feed<Reply> answers() {
    return feed;
  }

  /** How it has ended; fails with what has ended the answers before their end. */
  public CompletableFuture<Summary> summary() {
    return summary;
  }

  /** Waits for the end, and gives everything that was not read before. */
  public CompletableFuture<Answers> all() {
    return all(new ArrayList<>());
  }

  private CompletableFuture<Answers> all(List<Reply> known) {
    return feed.next()
        .thenCompose(
            reply -> {
              if (reply.isEmpty()) {
                return summary.thenApply(end -> new Answers(List.copyOf(known), end));
              }
              known.add(reply.orElseThrow());
              return all(known);
            });
  }
}
