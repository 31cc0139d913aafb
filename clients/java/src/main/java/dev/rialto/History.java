package dev.rialto;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import rialto.v1.RoomServiceGrpc;
import rialto.v1.RoomServiceOuterClass.GetHistoryRequest;
import rialto.v1.RoomServiceOuterClass.GetHistoryResponse;

/**
 * What a room keeps, seen from one end: backward from the newest event, unless told otherwise. Immutable: each method gives another one. It
 * fails with {@code FORBIDDEN} without the right for it, and with {@code POSITION_GONE} for a place that is not held.
 */
public final class History {
  private static final int PAGE_MAX = 300;

  private final Caller caller;
  private final GetHistoryRequest request;
  private final boolean twoStarts;

  History(Caller caller, String namespace, String room) {
    this(caller, GetHistoryRequest.newBuilder().setNamespace(namespace).setRoom(room), false);
  }

  private History(Caller caller, GetHistoryRequest.Builder request, boolean twoStarts) {
    this.caller = caller;
    this.request = request.build();
    this.twoStarts = twoStarts;
  }

  /**
   * Some events, in the order in which they happened.
   *
   * @param events by rising offset
   * @param next where the next page goes on; empty when there is none in this direction
   * @param epoch which life of the history offsets count in; empty when there never was an event
   * @param firstOffset the oldest event that is kept
   * @param nextOffset the one that the next event will have
   */
  public record Part(List<Event> events, String next, String epoch, long firstOffset, long nextOffset) {
    static Part of(GetHistoryResponse response) {
      List<Event> events = response.getEventsList().stream().map(event -> new Event(event, true, Event.Answering.NONE)).toList();
      return new Part(events, response.getNextPageToken(), response.getEpoch(), response.getFirstOffset(), response.getNextOffset());
    }
  }

  private History start(GetHistoryRequest.Builder changed) {
    boolean second = request.getStartCase() != GetHistoryRequest.StartCase.START_NOT_SET;
    return new History(caller, changed, twoStarts || second);
  }

  private History with(GetHistoryRequest.Builder changed) {
    return new History(caller, changed, twoStarts);
  }

  /** Begins with this event and goes forward; 0 begins with the oldest that is kept. */
  public History from(long offset) {
    return start(request.toBuilder().setFromOffset(offset));
  }

  /** Begins with the event before this one and goes backward. */
  public History before(long offset) {
    return start(request.toBuilder().setBeforeOffset(offset));
  }

  /** Begins with the first event taken at this time or later, by the node's clock, and goes forward. */
  public History since(Instant time) {
    return start(request.toBuilder().setSince(Times.at(time)));
  }

  /** Goes forward to this event and not beyond it. */
  public History to(long offset) {
    return with(request.toBuilder().setToOffset(offset));
  }

  /** Which life of the history offsets count in; another one than the present is refused. */
  public History epoch(String life) {
    return with(request.toBuilder().setEpoch(life));
  }

  /** At most so many events a page. Default 50, at most 300. */
  public History pageSize(int events) {
    return with(request.toBuilder().setPageSize(events));
  }

  /** Goes on behind the page that had this as its {@link Part#next}. */
  public History after(String token) {
    return with(request.toBuilder().setPageToken(token));
  }

  /** One page. */
  public CompletableFuture<Part> page() {
    return page(null);
  }

  /** One page, within this time. */
  public CompletableFuture<Part> page(Duration within) {
    if (twoStarts) {
      return CompletableFuture.failedFuture(Failures.invalid("a history has one start"));
    }
    return caller.call(RoomServiceGrpc.getGetHistoryMethod(), request, within, Part::of);
  }

  /** All pages in this direction, each asked for when it is wanted; ends with the first that fails. */
  public Pages<Part> pages() {
    return new Pages<>(token -> after(token).page(), Part::next);
  }

  /** The newest so many events, or all that there are, over as many pages as it takes, in the order in which they happened. */
  public CompletableFuture<List<Event>> newest(int events) {
    if (request.getStartCase() != GetHistoryRequest.StartCase.START_NOT_SET) {
      return CompletableFuture.failedFuture(Failures.invalid("a history has one start"));
    }
    if (events <= 0) {
      return CompletableFuture.completedFuture(List.of());
    }
    return newest(pageSize(Math.min(events, PAGE_MAX)).pages(), List.of(), events);
  }

  private static CompletableFuture<List<Event>> newest(Pages<Part> pages, List<Event> known, int wanted) {
    return pages
        .next()
        .thenCompose(
            page -> {
              List<Event> all = new ArrayList<>(page.map(Part::events).orElse(List.of()));
              all.addAll(known);
              if (page.isPresent() && all.size() < wanted) {
                return newest(pages, all, wanted);
              }
              return CompletableFuture.completedFuture(List.copyOf(all.subList(Math.max(0, all.size() - wanted), all.size())));
            });
  }
}
