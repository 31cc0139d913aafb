package dev.rialto.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.rialto.Enqueued;
import dev.rialto.Feed;
import dev.rialto.Job;
import dev.rialto.JobFilter;
import dev.rialto.JobQueue;
import dev.rialto.JobState;
import dev.rialto.Jobs;
import dev.rialto.NewJob;
import dev.rialto.Outcome;
import dev.rialto.PageOf;
import dev.rialto.RetryPolicy;
import dev.rialto.Schedule;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Queues of jobs: putting in, looking, steering. */
final class Queues {
  private Queues() {}

  static CompletableFuture<JsonElement> carryOut(People people, Command command) {
    Jobs jobs = people.client(command).jobs(command.text("namespace"), command.text("queue"));
    String id = command.text("job_id");
    return switch (command.verb()) {
      case "enqueue" -> Then.tell(enqueue(jobs, command), Queues::outcomes);
      case "get_job" -> Then.tell(jobs.get(id), Queues::job);
      case "wait_job" ->
          Then.tell(jobs.wait(id, command.has("timeout_ms") ? command.span("timeout_ms") : Duration.ofSeconds(10)), Queues::job);
      case "list_jobs" ->
          Then.tell(
              Keeping.all(page -> jobs.list(filter(command), page), PageOf.first(), Queues::listed, new JsonArray()),
              all -> Out.one("jobs", all));
      case "watch_jobs" -> Then.tell(watch(jobs, command), feed -> watched(feed, command.text("as")));
      case "cancel_job" -> Then.tell(jobs.cancel(id, command.text("reason")), Queues::job);
      case "pause_job" -> Then.tell(jobs.pauseJob(id), Queues::job);
      case "resume_job" -> Then.tell(jobs.resumeJob(id), Queues::job);
      case "redrive_jobs" -> Then.tell(jobs.redrive(command.texts("job_ids")), count -> Out.one("count", count));
      case "queue" -> Then.tell(jobs.queue(), Queues::queue);
      case "pause_queue" -> Then.tell(jobs.pause(), Queues::queue);
      case "resume_queue" -> Then.tell(jobs.resume(), Queues::queue);
      case "purge_queue" -> Then.tell(jobs.purge(), count -> Out.one("count", count));
      case "close_batch" -> Then.tell(jobs.closeBatch(id), Queues::job);
      case "put_schedule" -> Then.done(jobs.putSchedule(schedule(command)));
      case "delete_schedule" -> Then.done(jobs.deleteSchedule(command.text("schedule_id")));
      case "schedules" ->
          Then.tell(jobs.schedules(), all -> Out.one("schedules", all.stream().map(Schedule.Present::id).toList()));
      default -> throw new Refusal("not here: " + command.verb());
    };
  }

  private static Schedule schedule(Command command) {
    NewJob job = NewJob.of(Content.payload(command)).build();
    return Schedule.of(command.text("schedule_id"), command.text("cron"), job).in(command.text("time_zone"));
  }

  private static CompletableFuture<List<Outcome<Enqueued>>> enqueue(Jobs jobs, Command command) {
    List<CompletableFuture<NewJob>> made = command.tables("jobs").stream().map(item -> newJob(jobs, item)).toList();
    return CompletableFuture.allOf(made.toArray(CompletableFuture[]::new))
        .thenCompose(all -> jobs.enqueueAll(made.stream().map(CompletableFuture::join).toList()));
  }

  private static CompletableFuture<NewJob> newJob(Jobs jobs, Command item) {
    if (item.has("upload_bytes")) {
      return jobs.upload(pattern(item.count("upload_bytes"))).thenApply(uploaded -> filled(NewJob.of(uploaded), item));
    }
    return CompletableFuture.completedFuture(filled(NewJob.of(Content.payload(item)), item));
  }

  /** Bytes by which a reader sees whether they are right. */
  private static byte[] pattern(int count) {
    byte[] bytes = new byte[count];
    for (int index = 0; index < count; index++) {
      bytes[index] = (byte) (index % 251);
    }
    return bytes;
  }

  private static NewJob filled(NewJob.Builder job, Command item) {
    item.ifText("job_id", job::id);
    item.ifText("type", job::type);
    item.ifText("fairness_key", key -> job.fairness(key, 1));
    item.ifText("ordering_key", job::orderingKey);
    item.ifText("unique_key", job::uniqueKey);
    item.ifText("batch", job::batch);
    item.ifText("notify_room", room -> job.notifyRoom(room));
    item.textsByKey("attributes").forEach(job::attribute);
    item.ifSpan("delay_ms", job::delay);
    item.ifSpan("ttl_ms", job::ttl);
    item.ifFlag("completes_batch", job::completesBatch);
    job.priority(item.count("priority"));
    job.retry(new RetryPolicy(item.count("attempts_max"), item.span("backoff_ms"), item.span("backoff_ms")));
    item.tables("then").forEach(next -> job.then(filled(NewJob.of(Content.payload(next)), next)));
    return job.build();
  }

  private static JsonElement outcomes(List<Outcome<Enqueued>> outcomes) {
    JsonArray told = new JsonArray();
    for (Outcome<Enqueued> outcome : outcomes) {
      told.add(
          outcome.taken().map(Queues::enqueued).orElseGet(() -> Out.one("refused", outcome.refusal().orElseThrow().code())));
    }
    return Out.one("jobs", told);
  }

  private static JsonObject enqueued(Enqueued enqueued) {
    JsonObject told = Out.one("job_id", enqueued.id());
    told.addProperty("duplicate", enqueued.duplicate());
    return told;
  }

  private static String word(JobState state) {
    return state.name().toLowerCase(Locale.ROOT);
  }

  private static JsonElement job(Job job) {
    JsonObject told = Out.one("job_id", job.id());
    told.addProperty("state", word(job.state()));
    told.addProperty("ended", job.ended());
    told.addProperty("attempt", job.attempt());
    job.result().ifPresent(result -> told.addProperty("result", result.text()));
    job.error().ifPresent(error -> told.addProperty("error", error.message()));
    job.progress()
        .ifPresent(
            progress -> {
              JsonObject at = Out.one("done", progress.done());
              at.addProperty("total", progress.total());
              at.addProperty("message", progress.message());
              told.add("progress", at);
            });
    return told;
  }

  private static JsonElement listed(Job job) {
    JsonObject told = Out.one("job_id", job.id());
    told.addProperty("state", word(job.state()));
    return told;
  }

  private static JsonElement queue(JobQueue queue) {
    JsonObject told = Out.one("paused", queue.paused());
    told.addProperty("waiting", queue.counts().waiting());
    told.addProperty("running", queue.counts().running());
    told.addProperty("dead", queue.counts().dead());
    return told;
  }

  private static JobFilter filter(Command command) {
    JobFilter filter = JobFilter.all().type(command.text("type"));
    JobState[] states =
        command.texts("states").stream().map(word -> JobState.valueOf(word.toUpperCase(Locale.ROOT))).toArray(JobState[]::new);
    filter = filter.states(states);
    for (Map.Entry<String, String> attribute : command.textsByKey("attributes").entrySet()) {
      filter = filter.attribute(attribute.getKey(), attribute.getValue());
    }
    return filter;
  }

  private static CompletableFuture<Feed<Job>> watch(Jobs jobs, Command command) {
    return command.has("job_ids") ? jobs.watch(command.texts("job_ids")) : jobs.watchAll();
  }

  private static JsonElement watched(Feed<Job> feed, String as) {
    Reading.all(
        feed,
        job -> Out.tell(as, "job", job(job)),
        thrown -> {
          if (thrown == null) {
            Out.tell(as, "ended", true);
          } else {
            Out.tell(as, "failed", Out.failure(thrown));
          }
        });
    return new JsonObject();
  }
}
