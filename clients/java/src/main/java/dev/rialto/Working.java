package dev.rialto;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import rialto.v1.WorkerServiceOuterClass.ExtendRequest;
import rialto.v1.WorkerServiceOuterClass.ExtendResponse;
import rialto.v1.WorkerServiceOuterClass.Lease;
import rialto.v1.WorkerServiceOuterClass.LeaseOutcome;
import rialto.v1.WorkerServiceOuterClass.SettleRequest;
import rialto.v1.WorkerServiceOuterClass.SettleResponse;
import rialto.v1.WorkerServiceOuterClass.Settlement;

/** The jobs of a worker over all its streams: which it has, what became of them and is not confirmed, and what is to be said of them. Pure. */
final class Working {
  private static final int ITEMS_MAX = 1000;
  private static final int BYTES_MAX = 512 << 10;

  private enum Stage {
    /** It is worked on. */
    WORKING,
    /** Its outcome is to be said now. */
    NOW,
    /** Its outcome is to be said again, but not at once. */
    LATER,
    /** Its outcome is on its way. */
    SENT
  }

  /** One job. */
  static final class Entry {
    final String token;
    final Assignment assignment;
    private Stage stage = Stage.WORKING;
    private Settlement settlement;
    private News news = News.NONE;
    /** Somebody else has it, and nothing more is said of it. */
    private boolean lost;
    private boolean cancelled;
    private boolean paused;

    private Entry(String token, Assignment assignment) {
      this.token = token;
      this.assignment = assignment;
    }

    boolean isToEnd() {
      return cancelled || paused || lost;
    }
  }

  private record Sent(Entry entry, News news) {}

  private final ClientCore core;
  private final BiConsumer<RialtoException, Optional<Assignment>> trouble;
  private final Consumer<Entry> saysNews;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  /** Of these it is to be said that they go on, and how far they have come. */
  private final LinkedHashSet<Entry> due = new LinkedHashSet<>();
  private final Map<Integer, List<Entry>> settling = new HashMap<>();
  private final Map<Integer, List<Sent>> extending = new HashMap<>();
  private int requests;

  /** @param saysNews told, on any thread, when the work has said something of its job */
  Working(ClientCore core, BiConsumer<RialtoException, Optional<Assignment>> trouble, Consumer<Entry> saysNews) {
    this.core = core;
    this.trouble = trouble;
    this.saysNews = saysNews;
  }

  boolean isEmpty() {
    return entries.isEmpty();
  }

  /** Jobs that somebody else has, and that are still worked on here. */
  int lostCount() {
    return (int) entries.values().stream().filter(entry -> entry.lost).count();
  }

  /** Jobs have come. Those that are known are not begun again. */
  List<Entry> leased(List<Lease> leases) {
    List<Entry> fresh = new ArrayList<>();
    for (Lease lease : leases) {
      if (!entries.containsKey(lease.getToken())) {
        fresh.add(take(lease));
      }
    }
    return fresh;
  }

  private Entry take(Lease lease) {
    Entry[] made = new Entry[1];
    Assignment assignment = new Assignment(lease, core, news -> core.loop.execute(() -> said(made[0], news)));
    made[0] = new Entry(lease.getToken(), assignment);
    entries.put(lease.getToken(), made[0]);
    return made[0];
  }

  private void said(Entry entry, News news) {
    if (entries.get(entry.token) == entry && !entry.lost) {
      entry.news = news.over(entry.news);
      saysNews.accept(entry);
    }
  }

  /** The work is over. Of a lost job nothing is to be said. */
  void done(Entry entry, Settlement.Builder outcome) {
    if (entry.lost) {
      forget(entry);
      return;
    }
    entry.settlement = outcome.setToken(entry.token).build();
    entry.stage = Stage.NOW;
    if (Settlements.isTooLarge(entry.settlement)) {
      refused(entry, "the result is larger than " + Settlements.RESULT_MAX + " bytes");
    }
    // What was said last counts for the next attempt, so it goes first; one that is completed has none.
    if (entry.news.isEmpty() || entry.settlement.hasCompleted()) {
      due.remove(entry);
    } else {
      due.add(entry);
    }
  }

  /** What is to be said of jobs that are over, or null. */
  SettleRequest settlements() {
    SettleRequest.Builder request = SettleRequest.newBuilder();
    List<Entry> sent = new ArrayList<>();
    int bytes = 0;
    for (Entry entry : entries.values()) {
      if (entry.stage != Stage.NOW || due.contains(entry)) {
        continue;
      }
      int size = entry.settlement.getSerializedSize();
      if (sent.size() == ITEMS_MAX || (!sent.isEmpty() && bytes + size > BYTES_MAX)) {
        break;
      }
      bytes += size;
      entry.stage = Stage.SENT;
      sent.add(entry);
      request.addItems(entry.settlement);
    }
    if (sent.isEmpty()) {
      return null;
    }
    settling.put(++requests, sent);
    return request.setRequestId(requests).build();
  }

  /** What became of that. True when some of it is to be said again later. */
  boolean settled(SettleResponse response) {
    List<Entry> sent = settling.remove(response.getRequestId());
    boolean later = false;
    for (int index = 0; sent != null && index < sent.size(); index++) {
      Entry entry = sent.get(index);
      if (entry.stage == Stage.SENT) {
        confirmed(entry, outcome(response.getOutcomesList(), index));
        later |= entry.stage == Stage.LATER;
      }
    }
    return later;
  }

  private static LeaseOutcome outcome(List<LeaseOutcome> outcomes, int index) {
    return index < outcomes.size() ? outcomes.get(index) : LeaseOutcome.LEASE_OUTCOME_TEMPORARY;
  }

  private void confirmed(Entry entry, LeaseOutcome outcome) {
    switch (outcome) {
      case LEASE_OUTCOME_OK -> forget(entry);
      case LEASE_OUTCOME_INVALID -> refused(entry, "the server takes no such outcome of the work");
      case LEASE_OUTCOME_LEASE_LOST, LEASE_OUTCOME_NOT_FOUND -> {
        forget(entry);
        tell(Failures.leaseLost("what became of " + entry.assignment.id() + " was said too late: somebody else has it, or it has ended"), entry);
      }
      default -> entry.stage = Stage.LATER;
    }
  }

  /** The server takes no such outcome, and would not the next time. */
  private void refused(Entry entry, String reason) {
    tell(RialtoException.draft(ErrorKind.INVALID, entry.assignment.id() + ": " + reason).code(Settlements.REFUSED).done(), entry);
    if (entry.settlement.getFailed().getCode().equals(Settlements.REFUSED)) {
      forget(entry);
      return;
    }
    entry.settlement = Settlements.failed(Settlements.REFUSED, reason, true, null).setToken(entry.token).build();
    entry.stage = Stage.NOW;
  }

  /** It is time to say of each job that it goes on, and to say again what was to be said later. */
  void tick() {
    entries.values().stream().filter(entry -> entry.stage != Stage.SENT && !entry.lost).forEach(due::add);
    again();
  }

  /** It is time to say again what was to be said later. */
  void again() {
    for (Entry entry : entries.values()) {
      if (entry.stage == Stage.LATER) {
        entry.stage = Stage.NOW;
        if (!entry.news.isEmpty() && !entry.settlement.hasCompleted()) {
          due.add(entry);
        }
      }
    }
  }

  /** It is time to say what jobs have said of themselves. */
  void news() {
    entries.values().stream().filter(entry -> !entry.news.isEmpty() && entry.stage == Stage.WORKING && !entry.lost).forEach(due::add);
  }

  /** Which leases are to go on, and what their jobs have said; or null. */
  ExtendRequest extensions() {
    ExtendRequest.Builder request = ExtendRequest.newBuilder();
    List<Sent> sent = new ArrayList<>();
    int bytes = 0;
    for (Entry entry : List.copyOf(due)) {
      rialto.v1.WorkerServiceOuterClass.Extension extension = entry.news.extension(entry.token);
      int size = extension.getSerializedSize();
      if (sent.size() == ITEMS_MAX || (!sent.isEmpty() && bytes + size > BYTES_MAX)) {
        break;
      }
      bytes += size;
      due.remove(entry);
      sent.add(new Sent(entry, entry.news));
      entry.news = News.NONE;
      request.addItems(extension);
    }
    if (sent.isEmpty()) {
      return null;
    }
    extending.put(++requests, sent);
    return request.setRequestId(requests).build();
  }

  /** What became of that. True when some of it is to be said again later. */
  boolean extended(ExtendResponse response) {
    List<Sent> sent = extending.remove(response.getRequestId());
    boolean later = false;
    for (int index = 0; sent != null && index < sent.size(); index++) {
      prolonged(sent.get(index), outcome(response.getOutcomesList(), index));
      later |= sent.get(index).entry().stage == Stage.LATER;
    }
    cancel(response.getCancellingList());
    pause(response.getPausingList());
    return later;
  }

  private void prolonged(Sent sent, LeaseOutcome outcome) {
    Entry entry = sent.entry();
    switch (outcome) {
      case LEASE_OUTCOME_OK -> {}
      case LEASE_OUTCOME_LEASE_LOST, LEASE_OUTCOME_NOT_FOUND -> {
        // Of one that is over the answer to its outcome decides.
        if (entry.stage == Stage.WORKING) {
          lose(entry);
        }
      }
      case LEASE_OUTCOME_INVALID -> {
        tell(
            RialtoException.draft(ErrorKind.INVALID, "the server takes no such progress or checkpoint of " + entry.assignment.id()).done(),
            entry);
        if (!sent.news().isEmpty() && entry.stage == Stage.WORKING) {
          due.add(entry);
        }
      }
      default -> {
        entry.news = entry.news.over(sent.news());
        if (entry.stage == Stage.NOW && !sent.news().isEmpty()) {
          // It is over, and what it has left still goes first.
          entry.stage = Stage.LATER;
        }
      }
    }
  }

  /** Somebody wants jobs cancelled. */
  void cancel(List<String> tokens) {
    for (String token : tokens) {
      Entry entry = entries.get(token);
      if (entry != null && !entry.cancelled) {
        entry.cancelled = true;
        entry.assignment.cancel(RialtoException.draft(ErrorKind.CANCELLED, "somebody wants the job cancelled").done());
      }
    }
  }

  /** Somebody wants jobs paused. Cancelling counts more. */
  void pause(List<String> tokens) {
    for (String token : tokens) {
      Entry entry = entries.get(token);
      if (entry != null && !entry.paused && !entry.cancelled) {
        entry.paused = true;
        entry.assignment.pause();
      }
    }
  }

  /** The stream is lost: what was not answered is said again over the next one, unless there is something newer. */
  void disconnected() {
    for (List<Entry> sent : settling.values()) {
      sent.stream().filter(entry -> entry.stage == Stage.SENT).forEach(entry -> entry.stage = Stage.NOW);
    }
    for (List<Sent> sent : extending.values()) {
      sent.forEach(one -> one.entry().news = one.entry().news.over(one.news()));
    }
    settling.clear();
    extending.clear();
  }

  /** Another stream is there. When the server does not know the session, the leases of jobs that are worked on are over. */
  void reconnected(boolean resumed) {
    if (!resumed) {
      List.copyOf(entries.values()).stream().filter(entry -> entry.stage == Stage.WORKING).forEach(this::lose);
    }
    tick();
  }

  /** The worker gives all of it up. */
  void abandon(RialtoException why) {
    entries.values().forEach(entry -> entry.assignment.cancel(why));
  }

  private void lose(Entry entry) {
    if (entry.lost) {
      return;
    }
    entry.lost = true;
    due.remove(entry);
    RialtoException why = Failures.leaseLost("the lease of " + entry.assignment.id() + " is over: somebody else has the job, or it has ended");
    entry.assignment.cancel(why);
    tell(why, entry);
  }

  private void forget(Entry entry) {
    entries.remove(entry.token, entry);
    due.remove(entry);
  }

  private void tell(RialtoException failure, Entry entry) {
    trouble.accept(failure, Optional.of(entry.assignment));
  }
}
