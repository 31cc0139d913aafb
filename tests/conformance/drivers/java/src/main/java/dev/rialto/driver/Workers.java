package dev.rialto.driver;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.rialto.Assignment;
import dev.rialto.ErrorKind;
import dev.rialto.Feed;
import dev.rialto.Payload;
import dev.rialto.WorkException;
import dev.rialto.Worker;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;

/** Workers, whose jobs run until they are told how to end. */
final class Workers {
  /** Jobs are begun, and told of, in the order in which they come. */
  private static final Executor IN_ORDER = Reading.THREAD;

  private Workers() {}

  /** A worker that runs, and what it works on, by name. */
  record Shift(Worker worker, Map<String, Running> running) {}

  /** A job, and how it is to end. */
  record Running(Assignment job, CompletableFuture<Payload> end) {}

  static CompletableFuture<JsonElement> carryOut(People people, Command command) {
    if (command.verb().equals("work")) {
      work(people, command);
      return Then.now();
    }
    Shift shift = people.shift(command);
    String id = command.text("job_id");
    if (command.verb().equals("stop_work")) {
      return Then.done(shift.worker().stop());
    }
    Running running = shift.running().get(id);
    if (running == null) {
      throw new Refusal(id + " is not worked on");
    }
    switch (command.verb()) {
      case "progress" -> running.job().progress(command.number("at", 0), command.number("total", 0), command.text("message"));
      case "checkpoint" -> running.job().checkpoint(command.text("text").getBytes(StandardCharsets.UTF_8));
      case "read_payload" -> {
        return read(running.job().read(command.number("offset", 0)), command.number("offset", 0));
      }
      default -> finish(shift, id, command);
    }
    return Then.now();
  }

  private static void finish(Shift shift, String id, Command command) {
    Running running = shift.running().remove(id);
    if (command.has("fail")) {
      Command fail = command.of(command.table("fail"));
      running
          .end()
          .completeExceptionally(
              new WorkException.Failed("", fail.text("message"), fail.flag("permanent"), fail.span("retry_after_ms"), null));
    } else if (command.has("release")) {
      Duration delay = command.of(command.table("release")).span("delay_ms");
      running.end().completeExceptionally(new WorkException.Released(delay == null ? Duration.ZERO : delay));
    } else if (command.has("discard")) {
      running.end().completeExceptionally(new WorkException.Discarded(command.of(command.table("discard")).text("reason")));
    } else {
      running.end().complete(Payload.text(command.text("result")));
    }
  }

  private static void work(People people, Command command) {
    String as = command.text("as");
    Worker.Builder builder = people.client(command).worker(as);
    for (Command queue : command.tables("queues")) {
      builder.queue(command.text("namespace"), queue.text("queue"), queue.count("concurrency"), queue.count("weight"));
    }
    builder.concurrency((int) command.number("concurrency", 1));
    command.ifSpan("lease_ms", builder::lease);
    command.ifFlag("signals", builder::signals);
    builder.executor(IN_ORDER);
    Map<String, Running> running = new ConcurrentHashMap<>();
    Worker worker = builder.build();
    people.shifts.put(as, new Shift(worker, running));
    worker
        .runAsync(job -> one(as, running, job))
        .whenComplete(
            (done, thrown) -> {
              if (thrown != null) {
                Out.tell(as, "failed", Out.failure(thrown));
              }
              Out.tell(as, "stopped", true);
            });
  }

  /** Works on a job until somebody says how it ends. */
  private static CompletableFuture<Payload> one(String as, Map<String, Running> running, Assignment job) {
    CompletableFuture<Payload> end = new CompletableFuture<>();
    running.put(job.id(), new Running(job, end));
    Out.tell(as, "begun", begun(job));
    job.toPause().thenRun(() -> Out.tell(as, "pausing", job.id()));
    job.cancelled().thenAccept(why -> Out.tell(as, why.kind() == ErrorKind.LEASE_LOST ? "lease_lost" : "cancelling", job.id()));
    return end;
  }

  private static JsonObject begun(Assignment job) {
    JsonObject told = Out.one("job_id", job.id());
    told.addProperty("queue", job.queue());
    told.addProperty("type", job.type());
    told.addProperty("attempt", job.attempt());
    told.addProperty("checkpoint", new String(job.lastCheckpoint(), StandardCharsets.UTF_8));
    job.previousResult().ifPresent(result -> told.addProperty("previous_result", result.text()));
    if (job.uploaded().isEmpty()) {
      Content.put(told, job.payload());
    }
    return told;
  }

  /** How far a payload was read, and whether each byte was right. */
  private static final class Reader {
    private final long from;
    private long at;
    private boolean right = true;

    Reader(long from) {
      this.from = from;
      this.at = from;
    }

    void take(byte[] piece) {
      for (byte each : piece) {
        right &= each == (byte) (at++ % 251);
      }
    }

    JsonElement told() {
      JsonObject told = Out.one("bytes", at - from);
      told.addProperty("right", right);
      return told;
    }
  }

  private static CompletableFuture<JsonElement> read(Feed<byte[]> payload, long offset) {
    CompletableFuture<JsonElement> outcome = new CompletableFuture<>();
    Reader reader = new Reader(offset);
    Reading.all(
        payload,
        reader::take,
        thrown -> {
          if (thrown == null) {
            outcome.complete(reader.told());
          } else {
            outcome.completeExceptionally(thrown);
          }
        });
    return outcome;
  }
}
