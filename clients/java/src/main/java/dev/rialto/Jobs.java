package dev.rialto;

import io.grpc.MethodDescriptor;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.LongConsumer;
import rialto.v1.JobOuterClass.QueueSettings;
import rialto.v1.JobServiceGrpc;
import rialto.v1.JobServiceOuterClass.CancelJobRequest;
import rialto.v1.JobServiceOuterClass.CloseBatchRequest;
import rialto.v1.JobServiceOuterClass.DeleteScheduleRequest;
import rialto.v1.JobServiceOuterClass.EnqueueOutcome;
import rialto.v1.JobServiceOuterClass.EnqueueRequest;
import rialto.v1.JobServiceOuterClass.EnqueueResponse;
import rialto.v1.JobServiceOuterClass.GetJobRequest;
import rialto.v1.JobServiceOuterClass.GetQueueRequest;
import rialto.v1.JobServiceOuterClass.ListQueuesRequest;
import rialto.v1.JobServiceOuterClass.ListSchedulesRequest;
import rialto.v1.JobServiceOuterClass.PauseJobRequest;
import rialto.v1.JobServiceOuterClass.PauseQueueRequest;
import rialto.v1.JobServiceOuterClass.PurgeQueueRequest;
import rialto.v1.JobServiceOuterClass.PutScheduleRequest;
import rialto.v1.JobServiceOuterClass.RedriveJobsRequest;
import rialto.v1.JobServiceOuterClass.ResumeJobRequest;
import rialto.v1.JobServiceOuterClass.ResumeQueueRequest;
import rialto.v1.JobServiceOuterClass.SetQueueRequest;

/** One queue of jobs: handing work over, and looking what becomes of it. Sends nothing by itself; two of the same names mean the same. */
public final class Jobs {
  private static final int WATCHED_MAX = 64;
  private static final Duration WAIT = Duration.ofSeconds(60);

  private final ClientCore core;
  private final String namespace;
  private final String queue;

  Jobs(ClientCore core, String namespace, String queue) {
    this.core = core;
    this.namespace = namespace;
    this.queue = queue;
  }

  private <Q, R, T> CompletableFuture<T> ask(MethodDescriptor<Q, R> method, Q request, Function<R, T> made) {
    return core.call(method, request, null, made);
  }

  /** Puts a job in. Said again while nobody answers; the job has a name, so it is put in once. Fails with its refusal. */
  public CompletableFuture<Enqueued> enqueue(NewJob job) {
    return Linked.map(enqueueAll(List.of(job)), Jobs::only);
  }

  private static Enqueued only(List<Outcome<Enqueued>> outcomes) {
    if (outcomes.isEmpty()) {
      throw Failures.other("the answer to an enqueue is none");
    }
    return outcomes.get(0).get();
  }

  /** Puts up to 1,000 jobs in, and gives an outcome for each, in their order. */
  public CompletableFuture<List<Outcome<Enqueued>>> enqueueAll(List<NewJob> jobs) {
    EnqueueRequest.Builder request = EnqueueRequest.newBuilder().setNamespace(namespace).setQueue(queue);
    try {
      jobs.forEach(job -> request.addJobs(job.named()));
    } catch (RialtoException invalid) {
      return CompletableFuture.failedFuture(invalid);
    }
    EnqueueRequest said = request.build();
    return Repeating.until(
        core, core.deadline(), left -> core.call(JobServiceGrpc.getEnqueueMethod(), said, left, Jobs::outcomes));
  }

  private static List<Outcome<Enqueued>> outcomes(EnqueueResponse response) {
    List<Outcome<Enqueued>> told = new ArrayList<>();
    for (EnqueueOutcome outcome : response.getOutcomesList()) {
      told.add(
          outcome.hasEnqueued()
              ? Outcome.taken(
                  new Enqueued(
                      outcome.getEnqueued().getJobId(), outcome.getEnqueued().getDuplicate(), Durability.of(response.getDurability())))
              : Outcome.refused(Failures.of(outcome.getRefused())));
    }
    return List.copyOf(told);
  }

  /** Uploads bytes that are too large for a message. */
  public CompletableFuture<Uploaded> upload(byte[] bytes) {
    return upload(new ByteArrayInputStream(bytes), stored -> {});
  }

  /**
   * Uploads what a source has until its end, for {@link NewJob#of(Uploaded)}. Four chunks are under way at once, and no more of the source is
   * held. The source is closed at the end, and read where code of the application may run.
   *
   * @param told hears how many bytes are stored
   * @return fails with {@code INVALID} for an empty source, with {@code PAYLOAD_TOO_LARGE} for one that is larger than the server takes
   */
  public CompletableFuture<Uploaded> upload(InputStream source, LongConsumer told) {
    return new Uploading(core, namespace, queue, source, told).begin();
  }

  /** Reads what was uploaded for this queue, from a byte on. It goes on where it was when the connection is lost. */
  public Feed<byte[]> read(Uploaded uploaded, long offset) {
    return Reading.begin(core, namespace, queue, uploaded, offset);
  }

  /** One job, with its payload unless it has ended well. */
  public CompletableFuture<Job> get(String id) {
    GetJobRequest request = GetJobRequest.newBuilder().setNamespace(namespace).setQueue(queue).setJobId(id).build();
    return ask(JobServiceGrpc.getGetJobMethod(), request, found -> new Job(found.getJob()));
  }

  /** A job once it has ended, within 60 s. */
  public CompletableFuture<Job> wait(String id) {
    return wait(id, WAIT);
  }

  /** A job once it has ended, in whatever way; fails as {@code TIMED_OUT} when it has not within this time. Goes on over lost connections. */
  public CompletableFuture<Job> wait(String id, Duration within) {
    return new JobWait(core, namespace, queue, id, within).begin();
  }

  /** These jobs, at most 64, as they are and then each change, until all have ended. Of none it ends at once. */
  public CompletableFuture<Feed<Job>> watch(List<String> ids) {
    List<String> named = ids.stream().distinct().toList();
    if (named.size() > WATCHED_MAX) {
      return CompletableFuture.failedFuture(Failures.invalid("at most " + WATCHED_MAX + " jobs are watched at once"));
    }
    return new JobWatch(core, namespace, queue, named).begin();
  }

  /** All jobs of the queue that are put in or change, for ever. After a lost connection a job may come again; {@code LIMIT_REACHED} ends it. */
  public CompletableFuture<Feed<Job>> watchAll() {
    return new JobWatch(core, namespace, queue, null).begin();
  }

  /** Jobs, the last one put in first. */
  public CompletableFuture<Page<Job>> list(JobFilter filter, PageOf page) {
    return ask(
        JobServiceGrpc.getListJobsMethod(),
        filter.wire().setNamespace(namespace).setQueue(queue).setPageSize(page.size()).setPageToken(page.token()).build(),
        found -> new Page<>(found.getJobsList().stream().map(Job::new).toList(), found.getNextPageToken(), 0, List.of()));
  }

  /** All pages of such a list. */
  public Pages<Page<Job>> list(JobFilter filter) {
    return new Pages<>(token -> list(filter, new PageOf(0, token)), Page::next);
  }

  /** Ends a job that waits, and asks the worker of one that runs to end it. The reason, at most 4 KiB, is for people. */
  public CompletableFuture<Job> cancel(String id, String reason) {
    CancelJobRequest request =
        CancelJobRequest.newBuilder().setNamespace(namespace).setQueue(queue).setJobId(id).setReason(reason).build();
    return ask(JobServiceGrpc.getCancelJobMethod(), request, done -> new Job(done.getJob()));
  }

  /** Pauses a job that waits, and asks the worker of one that runs to give it back. */
  public CompletableFuture<Job> pauseJob(String id) {
    PauseJobRequest request = PauseJobRequest.newBuilder().setNamespace(namespace).setQueue(queue).setJobId(id).build();
    return ask(JobServiceGrpc.getPauseJobMethod(), request, done -> new Job(done.getJob()));
  }

  /** Has a paused job go on. */
  public CompletableFuture<Job> resumeJob(String id) {
    ResumeJobRequest request = ResumeJobRequest.newBuilder().setNamespace(namespace).setQueue(queue).setJobId(id).build();
    return ask(JobServiceGrpc.getResumeJobMethod(), request, done -> new Job(done.getJob()));
  }

  /** Gives these dead jobs, at most 1,000, all their attempts again; says how many. Of none it redrives none. */
  public CompletableFuture<Integer> redrive(List<String> ids) {
    return ids.isEmpty() ? CompletableFuture.completedFuture(0) : redriveNamed(ids);
  }

  /** Gives all dead jobs of the queue all their attempts again; says how many. */
  public CompletableFuture<Integer> redriveAll() {
    return redriveNamed(List.of());
  }

  private CompletableFuture<Integer> redriveNamed(List<String> ids) {
    RedriveJobsRequest request = RedriveJobsRequest.newBuilder().setNamespace(namespace).setQueue(queue).addAllJobIds(ids).build();
    return ask(JobServiceGrpc.getRedriveJobsMethod(), request, done -> done.getRedrivenCount());
  }

  /** Puts no more jobs into a batch; gives the job that completes it. */
  public CompletableFuture<Job> closeBatch(String id) {
    CloseBatchRequest request = CloseBatchRequest.newBuilder().setNamespace(namespace).setQueue(queue).setBatchId(id).build();
    return ask(JobServiceGrpc.getCloseBatchMethod(), request, done -> new Job(done.getJob()));
  }

  /** The queue as it is now. */
  public CompletableFuture<JobQueue> queue() {
    GetQueueRequest request = GetQueueRequest.newBuilder().setNamespace(namespace).setQueue(queue).build();
    return ask(JobServiceGrpc.getGetQueueMethod(), request, found -> JobQueue.of(found.getQueue()));
  }

  /** The queues of the namespace, by name. */
  public CompletableFuture<Page<JobQueue>> queues(PageOf page) {
    ListQueuesRequest request =
        ListQueuesRequest.newBuilder().setNamespace(namespace).setPageSize(page.size()).setPageToken(page.token()).build();
    return ask(
        JobServiceGrpc.getListQueuesMethod(),
        request,
        found -> new Page<>(found.getQueuesList().stream().map(JobQueue::of).toList(), found.getNextPageToken(), 0, List.of()));
  }

  /** Sets what holds in the queue, as the contract has it; what is not set has its default. */
  public CompletableFuture<JobQueue> set(QueueSettings settings) {
    SetQueueRequest request = SetQueueRequest.newBuilder().setNamespace(namespace).setQueue(queue).setSettings(settings).build();
    return ask(JobServiceGrpc.getSetQueueMethod(), request, done -> JobQueue.of(done.getQueue()));
  }

  /** Begins no more jobs; what runs goes on. */
  public CompletableFuture<JobQueue> pause() {
    PauseQueueRequest request = PauseQueueRequest.newBuilder().setNamespace(namespace).setQueue(queue).build();
    return ask(JobServiceGrpc.getPauseQueueMethod(), request, done -> JobQueue.of(done.getQueue()));
  }

  /** Begins jobs again. */
  public CompletableFuture<JobQueue> resume() {
    ResumeQueueRequest request = ResumeQueueRequest.newBuilder().setNamespace(namespace).setQueue(queue).build();
    return ask(JobServiceGrpc.getResumeQueueMethod(), request, done -> JobQueue.of(done.getQueue()));
  }

  /** Cancels all jobs that are not running; says how many. */
  public CompletableFuture<Integer> purge() {
    PurgeQueueRequest request = PurgeQueueRequest.newBuilder().setNamespace(namespace).setQueue(queue).build();
    return ask(JobServiceGrpc.getPurgeQueueMethod(), request, done -> done.getCancelledCount());
  }

  /** Makes a schedule, or changes the one of that name. Times before now are not made up for. */
  public CompletableFuture<Schedule.Present> putSchedule(Schedule schedule) {
    PutScheduleRequest request =
        PutScheduleRequest.newBuilder().setNamespace(namespace).setQueue(queue).setSchedule(schedule.wire()).build();
    return ask(JobServiceGrpc.getPutScheduleMethod(), request, done -> Schedule.Present.of(done.getSchedule()));
  }

  /** Ends a schedule. The jobs that it has put in stay. */
  public CompletableFuture<Void> deleteSchedule(String id) {
    DeleteScheduleRequest request =
        DeleteScheduleRequest.newBuilder().setNamespace(namespace).setQueue(queue).setScheduleId(id).build();
    return ask(JobServiceGrpc.getDeleteScheduleMethod(), request, done -> null);
  }

  /** The schedules of the queue, by name. */
  public CompletableFuture<List<Schedule.Present>> schedules() {
    ListSchedulesRequest request = ListSchedulesRequest.newBuilder().setNamespace(namespace).setQueue(queue).build();
    return ask(
        JobServiceGrpc.getListSchedulesMethod(), request, found -> found.getSchedulesList().stream().map(Schedule.Present::of).toList());
  }
}
