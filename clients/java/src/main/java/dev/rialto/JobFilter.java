package dev.rialto;

import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import rialto.v1.JobServiceOuterClass.ListJobsRequest;

/** Which jobs are listed. What is not said does not matter. Immutable: each method gives another one. */
public final class JobFilter {
  private final ListJobsRequest request;

  private JobFilter(ListJobsRequest request) {
    this.request = request;
  }

  /** All jobs. */
  public static JobFilter all() {
    return new JobFilter(ListJobsRequest.getDefaultInstance());
  }

  /** In these states. */
  public JobFilter states(JobState... states) {
    List<rialto.v1.JobOuterClass.JobState> wanted = new ArrayList<>();
    List.of(states).forEach(state -> wanted.add(state.wire()));
    return new JobFilter(request.toBuilder().clearStates().addAllStates(wanted).build());
  }

  /** Of this type. */
  public JobFilter type(String kind) {
    return new JobFilter(request.toBuilder().setType(kind).build());
  }

  /** With this attribute too. */
  public JobFilter attribute(String name, String value) {
    Map<String, String> wanted = new LinkedHashMap<>(request.getAttributesMap());
    wanted.put(name, value);
    return new JobFilter(request.toBuilder().putAllAttributes(wanted).build());
  }

  /** Of this batch. */
  public JobFilter batch(String id) {
    return new JobFilter(request.toBuilder().setBatchId(id).build());
  }

  /** Put in at this time or later. */
  public JobFilter from(Instant time) {
    return new JobFilter(request.toBuilder().setEnqueuedFrom(Times.at(time)).build());
  }

  /** Put in before this time. */
  public JobFilter before(Instant time) {
    return new JobFilter(request.toBuilder().setEnqueuedBefore(Times.at(time)).build());
  }

  ListJobsRequest.Builder wire() {
    return request.toBuilder();
  }
}
