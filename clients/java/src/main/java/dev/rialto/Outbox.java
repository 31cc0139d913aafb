package dev.rialto;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;
import rialto.v1.Room.Join;
import rialto.v1.Session.Ping;

/**
 * Commands on their way out: those that wait to be sent, bounded by the offline buffer while there is no stream, and those that were sent
 * and not answered. Knows what goes again when the session goes on, and when another one takes its place. Pure.
 */
final class Outbox {
  static final int FRAMES_PER_MESSAGE = 256;
  static final int BYTES_PER_MESSAGE = 64 << 10;
  private static final int UNDER_WAY_MAX = 256;
  private static final int UNDER_WAY_BYTES_MAX = 1 << 20;
  /** After so many replies, which nothing answers, the server is asked for a sign. */
  private static final int REPLIES_WITHOUT_SIGN = 64;
  private static final int UNANSWERED_MEMBERSHIPS_MAX = 1024;
  private static final int REFS_SPARE = 65_536;
  /** Servers know a key for five minutes; what is older is not said again. */
  private static final long KEY_KNOWN_NANOS = TimeUnit.MINUTES.toNanos(4);

  private final OfflineBuffer bounds;
  /** The client's own, and what is said to another session again: before all that waits. */
  private final ArrayDeque<Command> first = new ArrayDeque<>();
  private final ArrayDeque<Command> waiting = new ArrayDeque<>();
  private long waitingBytes;
  /** Sent under these refs before, to go again under them. */
  private final ArrayDeque<Command> again = new ArrayDeque<>();
  private final TreeMap<Integer, Command> pending = new TreeMap<>(Integer::compareUnsigned);
  private int underWay;
  private long underWayBytes;
  private int repliesWithoutSign;
  private int lastRef;

  Outbox(OfflineBuffer bounds) {
    this.bounds = bounds;
  }

  /** Appends a command; while there is no stream the bounds hold. Returns why it does not fit, or null. */
  RialtoException add(Command command, boolean attached) {
    if (!attached && !makeRoom(command)) {
      return Failures.unsent("FULL", "too many commands wait for the connection");
    }
    waiting.add(command);
    waitingBytes += command.bytes;
    return null;
  }

  private boolean makeRoom(Command command) {
    while (!fits(command)) {
      Command oldest = bounds.overflow() == OfflineBuffer.Overflow.DROP_OLDEST && bounds.countMax() > 0 ? oldestEmit() : null;
      if (oldest == null) {
        return false;
      }
      remove(oldest);
      oldest.fail(Failures.unsent("MADE_ROOM", "newer commands took its place"));
    }
    return true;
  }

  private boolean fits(Command command) {
    if (waiting.isEmpty()) {
      return bounds.countMax() > 0;
    }
    return waiting.size() < bounds.countMax() && waitingBytes + command.bytes <= bounds.bytesMax();
  }

  private Command oldestEmit() {
    return waiting.stream().filter(command -> command.kind.isEmit()).findFirst().orElse(null);
  }

  private boolean remove(Command command) {
    boolean was = waiting.remove(command);
    if (was) {
      waitingBytes -= command.bytes;
    }
    return was;
  }

  /** Puts commands of the client's own before all that waits. */
  void addFirst(Collection<? extends Command> commands) {
    first.addAll(commands);
  }

  /** Gives a command up. True when it was never sent, and will not be. */
  boolean drop(Command command) {
    command.abandoned = true;
    if (remove(command) || first.remove(command)) {
      return !command.left;
    }
    if (command.kind != Command.Kind.MEMBERSHIP) {
      settle(command);
    }
    forgetOldMemberships();
    return false;
  }

  /** Late answers about membership change where the session is, so they are waited for, but not without bound. */
  private void forgetOldMemberships() {
    long given = pending.values().stream().filter(command -> command.abandoned).count();
    Iterator<Command> oldest = List.copyOf(pending.values()).iterator();
    while (given > UNANSWERED_MEMBERSHIPS_MAX && oldest.hasNext()) {
      Command command = oldest.next();
      if (command.abandoned) {
        settle(command);
        given--;
      }
    }
  }

  /** Gives up all emits that were never sent; says how many. */
  int clearEmits() {
    List<Command> emits = waiting.stream().filter(command -> command.kind.isEmit()).toList();
    for (Command emit : emits) {
      remove(emit);
      emit.fail(Failures.unsent("CLEARED", "the offline buffer was cleared"));
    }
    return emits.size();
  }

  /**
   * The next frames that go out.
   *
   * @param begins whether commands may go that were never sent
   */
  List<ClientFrame> take(long now, Pace pace, boolean begins) {
    List<ClientFrame> frames = new ArrayList<>();
    int bytes = 0;
    while (frames.size() < FRAMES_PER_MESSAGE) {
      ArrayDeque<Command> source = !again.isEmpty() ? again : !first.isEmpty() ? first : begins ? waiting : null;
      Command next = source == null ? null : source.peek();
      if (next == null || (!frames.isEmpty() && bytes + next.bytes > BYTES_PER_MESSAGE)) {
        break;
      }
      if ((source == waiting && isFull(next)) || (next.kind.isEmit() && !pace.take(now))) {
        break;
      }
      source.poll();
      waitingBytes -= source == waiting ? next.bytes : 0;
      bytes += next.bytes;
      frames.add(frame(next, now));
    }
    return frames;
  }

  /** Whether what goes next is an emit, which may have to wait for its turn. */
  boolean paced() {
    ArrayDeque<Command> source = !again.isEmpty() ? again : !first.isEmpty() ? first : waiting;
    return !source.isEmpty() && source.peek().kind.isEmit() && !(source == waiting && isFull(source.peek()));
  }

  private boolean isFull(Command next) {
    if (next.kind == Command.Kind.BYE || underWay == 0) {
      return false;
    }
    return underWay >= UNDER_WAY_MAX || underWayBytes + next.bytes > UNDER_WAY_BYTES_MAX;
  }

  private ClientFrame frame(Command command, long now) {
    if (!command.left) {
      command.left = true;
      command.leftAt = now;
    }
    if (command.kind == Command.Kind.BYE) {
      return command.wire;
    }
    if (command.ref == 0) {
      command.ref = ++lastRef;
      pending.put(command.ref, command);
      underWay++;
      underWayBytes += command.bytes;
      if (command.kind == Command.Kind.REPLY && ++repliesWithoutSign % REPLIES_WITHOUT_SIGN == 0) {
        first.add(new Sign());
      }
    }
    command.leaves();
    return command.wire.toBuilder().setRef(command.ref).build();
  }

  /** Whether a join that was said, or is to be, fulfils a condition. */
  boolean joins(Predicate<Join> condition) {
    return Stream.of(pending.values(), first, waiting)
        .flatMap(Collection::stream)
        .anyMatch(command -> command.wire.hasJoin() && condition.test(command.wire.getJoin()));
  }

  /** The command that an answer is for, or null. */
  Command find(int ref) {
    return pending.get(ref);
  }

  /** Hands an answer to its command. */
  void answer(ServerFrame frame) {
    settleReplies(frame.getRef());
    Command command = pending.get(frame.getRef());
    if (command == null) {
      return;
    }
    if (command.answer(frame)) {
      settle(command);
    } else if (!command.taken) {
      command.taken = true;
      underWay--;
      underWayBytes -= command.bytes;
    }
  }

  /** The server has taken all replies before this number. */
  private void settleReplies(int before) {
    List<Command> taken = pending.headMap(before, false).values().stream().filter(command -> command.kind == Command.Kind.REPLY).toList();
    taken.forEach(this::settle);
    if (!taken.isEmpty()) {
      repliesWithoutSign = 0;
    }
  }

  private void settle(Command command) {
    if (command.ref == 0 || !pending.remove(command.ref, command)) {
      return;
    }
    again.remove(command);
    if (!command.taken) {
      underWay--;
      underWayBytes -= command.bytes;
    }
  }

  /** No command waits for an answer, and no question is open. */
  boolean isQuiet() {
    return pending.values().stream().allMatch(command -> command.kind == Command.Kind.REPLY || command.abandoned);
  }

  boolean isEmpty() {
    return first.isEmpty() && waiting.isEmpty() && again.isEmpty();
  }

  boolean isUsedUp() {
    return Integer.compareUnsigned(lastRef, -1 - REFS_SPARE) >= 0;
  }

  /** The stream is gone: from now on the bounds hold, and what is beyond them gives way as if it were said now. */
  void detached() {
    List<Command> all = List.copyOf(waiting);
    waiting.clear();
    waitingBytes = 0;
    for (Command command : all) {
      if (command.kind == Command.Kind.BYE) {
        continue;
      }
      if (command.kind == Command.Kind.VOLATILE) {
        command.fail(Failures.unavailable("the connection was lost before it was sent"));
        continue;
      }
      RialtoException full = add(command, false);
      if (full != null) {
        command.fail(full);
      }
    }
  }

  /** The session goes on: what it has not taken goes again under its number, in its order. */
  void resumed(int takenUpTo) {
    again.clear();
    settleReplies(takenUpTo);
    Command last = pending.get(takenUpTo);
    if (last != null && last.kind == Command.Kind.REPLY) {
      settle(last);
    }
    for (Command command : List.copyOf(pending.tailMap(takenUpTo, false).values())) {
      if (command.kind == Command.Kind.VOLATILE || command.kind == Command.Kind.REFRESH) {
        settle(command);
        command.fail(Failures.unavailable("the connection was lost before the server took it"));
      } else if (command.abandoned && command.kind != Command.Kind.MEMBERSHIP) {
        settle(command);
      } else {
        again.add(command);
      }
    }
  }

  /** Another session has begun: numbers begin anew, the client's own commands go, and what does no harm is said again. */
  void afresh(long now, Collection<? extends Command> own) {
    again.clear();
    List<Command> sent = new ArrayList<>(pending.values());
    // Said to the session before this one, which was lost before they could leave again.
    sent.addAll(first);
    first.clear();
    pending.clear();
    underWay = 0;
    underWayBytes = 0;
    repliesWithoutSign = 0;
    lastRef = 0;
    first.addAll(own);
    for (Command command : sent) {
      if (goesToAnother(command, now)) {
        command.ref = 0;
        first.add(command);
      } else if (command.kind != Command.Kind.REJOIN) {
        command.fail(Failures.unknownOutcome("the session was lost before its answer"));
      }
    }
    List<Command> replies = waiting.stream().filter(command -> command.kind == Command.Kind.REPLY).toList();
    for (Command reply : replies) {
      remove(reply);
      reply.fail(Failures.unavailable("the session that was asked is over"));
    }
  }

  private static boolean goesToAnother(Command command, long now) {
    if (command.abandoned || command.taken) {
      return false;
    }
    return switch (command.kind) {
      case MEMBERSHIP, PING -> true;
      case EMIT, QUESTION -> command.isKeyed() && now - command.leftAt < KEY_KNOWN_NANOS;
      case VOLATILE, SET_STATE, REJOIN, REPLY, REFRESH, BYE -> false;
    };
  }

  /** Nothing will ever be sent again. */
  void close(RialtoException closed) {
    List<Command> sent = List.copyOf(pending.values());
    List<Command> unsent = new ArrayList<>(first);
    unsent.addAll(waiting);
    pending.clear();
    again.clear();
    first.clear();
    waiting.clear();
    waitingBytes = 0;
    sent.forEach(command -> command.fail(Failures.closedUnder(closed)));
    unsent.forEach(command -> command.fail(command.left ? Failures.closedUnder(closed) : closed));
  }

  /** Asks the server for a sign, so that replies before it are known to be taken. */
  private static final class Sign extends Command {
    Sign() {
      super(Kind.PING, ClientFrame.newBuilder().setPing(Ping.getDefaultInstance()));
    }

    @Override
    boolean answer(ServerFrame frame) {
      return true;
    }

    @Override
    void fail(RialtoException failure) {}
  }
}
