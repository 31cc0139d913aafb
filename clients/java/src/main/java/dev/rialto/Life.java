package dev.rialto;

import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Session.Bye;

/**
 * The life of a session through all its streams: connecting, attached, waiting, closed. Lives on the loop; what it does on a stream stands in
 * {@link Conversation}, what outlives one in {@link Kept}.
 */
final class Life implements Caller {
  private static final Duration BYE_WITHIN = Duration.ofSeconds(2);
  /** A larger command would cost the session. */
  private static final int COMMAND_MAX = (1 << 20) + (60 << 10);

  final Loop loop;
  final Callbacks callbacks;
  final SessionSettings settings;
  final Kept kept;
  private final Wire wire;
  private final Backoff backoff = new Backoff(Backoff.LONGEST, () -> ThreadLocalRandom.current().nextDouble());
  private final List<Feed<Status>> statusFeeds = new ArrayList<>();
  private final List<Runnable> whenAttached = new ArrayList<>();
  /** Calls beside the stream that are under way. */
  private final Set<BesideCall<?, ?, ?>> calls = new LinkedHashSet<>();
  private final Promise<Void> opened;
  private final Promise<Void> ended;
  private volatile Status status = new Status.Connecting();
  /** Why it is over, or is about to be. */
  private volatile RialtoException over;
  private Conversation conversation;
  private Loop.Timer wait = Loop.Timer.NONE;
  private RialtoException lostBy;
  private long attachedAt;
  private boolean everAttached;
  private boolean tokenTurnedDown;
  private String token = "";

  Life(Loop loop, Callbacks callbacks, SessionSettings settings, Wire wire) {
    this.loop = loop;
    this.callbacks = callbacks;
    this.settings = settings;
    this.wire = wire;
    this.kept = new Kept(settings);
    this.opened = new Promise<Void>(callbacks).onAbandoned(this::close);
    this.ended = new Promise<>(callbacks);
  }

  /** Begins; ends with the first welcome, or with what went wrong. */
  CompletableFuture<Void> open() {
    loop.execute(this::connect);
    return opened;
  }

  Status status() {
    return status;
  }

  @Override
  public Duration deadline() {
    return settings.deadline();
  }

  Wire wire() {
    return wire;
  }

  private void connect() {
    wait.cancel();
    if (over != null) {
      return;
    }
    become(new Status.Connecting());
    conversation = new Conversation(this);
    conversation.begin();
  }

  /** The session is there. */
  void attached(Status.Attached now, String before) {
    attachedAt = System.nanoTime();
    become(now);
    if (everAttached) {
      kept.reports.tell(new Report.Reconnected(before, now.session(), now.arrival() == Status.Arrival.RESUMED, lostBy));
    }
    everAttached = true;
    opened.succeed(null);
    List<Runnable> waited = List.copyOf(whenAttached);
    whenAttached.clear();
    waited.forEach(Runnable::run);
  }

  /** A stream has ended, or was not begun. */
  void ended(Ending ending, boolean welcomed, boolean resuming) {
    conversation = null;
    boolean settled = welcomed && System.nanoTime() - attachedAt >= Times.nanos(Backoff.SETTLED);
    if (settled) {
      backoff.reset();
      tokenTurnedDown = false;
    }
    boolean tokenMayHelp = settings.tokens().isRenewable() && !tokenTurnedDown;
    Ending.Step step = ending.next(new Ending.Setting(welcomed, resuming, tokenMayHelp));
    tokenTurnedDown |= step.newToken();
    if (step.giveUp()) {
      kept.held.giveUp();
    }
    lostBy = step.cause();
    if (over != null) {
      finish(over);
    } else if (step.stay()) {
      finish(step.cause());
    } else if (!everAttached && !settings.waitForServer() && !step.newToken()) {
      finish(step.cause());
    } else {
      comeBack(step);
    }
  }

  private void comeBack(Ending.Step step) {
    kept.detached();
    Duration pause = step.atOnce() ? step.notBefore() : backoff.next(step.notBefore());
    become(new Status.Waiting(Instant.now().plus(pause), step.cause()));
    wait = loop.after(pause, this::connect);
  }

  /** Begins the next attempt at once, when one is waited for. */
  void retryNow() {
    loop.execute(
        () -> {
          if (status instanceof Status.Waiting) {
            connect();
          }
        });
  }

  /** Says what is still to be said, and goodbye. Does not block. */
  CompletableFuture<Void> close() {
    loop.execute(this::part);
    return ended;
  }

  private void part() {
    if (over != null) {
      return;
    }
    over = Failures.closedHere();
    if (conversation == null || !conversation.isWelcomed()) {
      finish(over);
      return;
    }
    kept.outbox.add(new Goodbye(), true);
    conversation.plan();
    loop.after(BYE_WITHIN, () -> finish(over));
  }

  private void finish(RialtoException why) {
    if (ended.isDecided()) {
      return;
    }
    wait.cancel();
    if (conversation != null) {
      conversation.cancel();
      conversation = null;
    }
    String code = why.code().isEmpty() ? why.kind().name() : why.code();
    over = why.kind() == ErrorKind.CLOSED ? why : Failures.closed(code, why.reason());
    kept.close(over);
    become(new Status.Closed(code, why.reason()));
    statusFeeds.forEach(feed -> feed.end(null));
    kept.reports.end();
    List<Runnable> waited = List.copyOf(whenAttached);
    whenAttached.clear();
    waited.forEach(Runnable::run);
    List.copyOf(calls).forEach(BesideCall::closed);
    opened.fail(why);
    ended.succeed(null);
    wire.close();
    loop.end();
    callbacks.end();
  }

  private void become(Status now) {
    status = now;
    statusFeeds.forEach(feed -> feed.offer(now));
  }

  /** Tells each status from now on. */
  void follow(Feed<Status> feed) {
    onLoop(() -> statusFeeds.add(feed), () -> feed.end(null));
    feed.whenClosed(() -> loop.execute(() -> statusFeeds.remove(feed)));
  }

  /** Runs work on the loop; what is given instead when the session is over. */
  void onLoop(Runnable work, Runnable instead) {
    Runnable either =
        () -> {
          if (ended.isDecided()) {
            instead.run();
          } else {
            work.run();
          }
        };
    if (!loop.offer(either)) {
      instead.run();
    }
  }

  boolean isAttached() {
    return status instanceof Status.Attached && over == null;
  }

  boolean isClosing() {
    return over != null;
  }

  /** Why it is over; null while it is not. */
  RialtoException over() {
    return over;
  }

  String token() {
    return token;
  }

  /** The server has taken this token. */
  void token(String taken) {
    token = taken;
  }

  /** Begins a command, from any thread, in the order of these calls. */
  void submit(Command command, Duration within) {
    if (command.bytes > COMMAND_MAX) {
      command.fail(Failures.refused("PAYLOAD_TOO_LARGE", "the command has " + command.bytes + " bytes, more than " + COMMAND_MAX));
      return;
    }
    RialtoException closed = over;
    if (closed != null || !loop.offer(() -> begin(command, within))) {
      command.fail(closed == null ? Failures.closedHere() : closed);
    }
  }

  private void begin(Command command, Duration within) {
    RialtoException refused = over;
    if (refused == null && command.kind == Command.Kind.VOLATILE && !isAttached()) {
      refused = Failures.unavailable("there is no connection, and a volatile emit does not wait for one");
    }
    refused = refused == null ? command.begins() : refused;
    refused = refused == null ? kept.outbox.add(command, isAttached()) : refused;
    if (refused != null) {
      command.fail(refused);
      return;
    }
    if (command.wire.hasEmit()) {
      kept.seats.said(command.wire.getEmit());
    }
    bound(command, within);
    plan();
  }

  private void bound(Command command, Duration within) {
    Duration age = settings.offline().ageMax();
    if (age != null && age.compareTo(within) < 0) {
      command.bound(loop.after(age, () -> tooOld(command)));
    }
    command.bound(loop.after(within, () -> tooLate(command)));
  }

  private void tooOld(Command command) {
    if (!command.left && !command.isOver()) {
      kept.outbox.drop(command);
      command.fail(Failures.unsent("TOO_OLD", "it has waited too long for the connection"));
    }
  }

  private void tooLate(Command command) {
    if (command.isOver()) {
      return;
    }
    boolean unsent = kept.outbox.drop(command);
    command.fail(unsent ? Failures.unavailable("the session was not attached in time") : Failures.timedOut("no answer came in time"));
    plan();
  }

  /** The caller of a command has given up. */
  void abandon(Command command) {
    loop.execute(
        () -> {
          kept.outbox.drop(command);
          command.fail(RialtoException.draft(ErrorKind.CANCELLED, "the caller gave up").sent(command.left).done());
          plan();
        });
  }

  /** There may be something to send. */
  void plan() {
    if (conversation != null) {
      conversation.plan();
    }
  }

  /** There is room again in something that was full. */
  void roomMade() {
    loop.execute(
        () -> {
          if (conversation != null) {
            conversation.goOn();
          } else {
            kept.audience.handOver();
          }
        });
  }

  @Override
  public <Q, R, T> CompletableFuture<T> call(MethodDescriptor<Q, R> method, Q request, Duration within, Function<R, T> made) {
    BesideCall<Q, R, T> call = new BesideCall<>(this, method, request, within == null ? settings.deadline() : within, made);
    onLoop(call::begin, () -> call.fail(over));
    return call.promise();
  }

  /** Runs work on the loop once the session is attached, or over. */
  void whenAttached(Runnable work) {
    if (isAttached()) {
      work.run();
    } else {
      whenAttached.add(work);
    }
  }

  void hold(BesideCall<?, ?, ?> call) {
    calls.add(call);
  }

  void letGo(BesideCall<?, ?, ?> call) {
    calls.remove(call);
  }

  void notWhenAttached(Runnable work) {
    whenAttached.remove(work);
  }

  /** The last command. */
  private static final class Goodbye extends Command {
    Goodbye() {
      super(Kind.BYE, ClientFrame.newBuilder().setBye(Bye.getDefaultInstance()));
    }

    @Override
    boolean answer(rialto.v1.Frame.ServerFrame frame) {
      return true;
    }

    @Override
    void fail(RialtoException failure) {}
  }
}
