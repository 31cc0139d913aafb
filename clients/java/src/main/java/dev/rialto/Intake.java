package dev.rialto;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import rialto.v1.EventOuterClass.Event;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;
import rialto.v1.Room.Enter;
import rialto.v1.Room.Join;
import rialto.v1.Room.Joined;
import rialto.v1.Room.Presence;
import rialto.v1.Room.RoomState;
import rialto.v1.Session.Missed;
import rialto.v1.State.StateChanges;

/** What each frame of the server means to a session. Lives on the loop. */
final class Intake {
  private final Life life;
  private final Kept kept;
  private final Conversation conversation;

  Intake(Life life, Conversation conversation) {
    this.life = life;
    this.kept = life.kept;
    this.conversation = conversation;
  }

  /** Takes one frame. Kinds that this version does not know are passed over. */
  void take(ServerFrame frame) {
    switch (frame.getFrameCase()) {
      case EVENT -> event(frame.getEvent());
      case PRESENCE -> presence(frame.getPresence());
      case STATE_CHANGES -> state(frame.getStateChanges());
      case MISSED -> missed(frame.getMissed());
      case DRAIN -> conversation.drain(frame.getDrain());
      case CLOSE -> conversation.end(new Ending.Closed(frame.getClose()));
      case PING, WELCOME, FRAME_NOT_SET -> {}
      default -> answer(frame);
    }
  }

  private void event(Event event) {
    Event whole = event;
    boolean unmade = false;
    try {
      if (event.hasDelta() || kept.seats.takesDeltas(event)) {
        whole = kept.deltas.restore(event);
      }
    } catch (Deltas.Unmade cannot) {
      unmade = true;
    }
    Seats.Place place = kept.seats.heard(event);
    if (!place.isNew()) {
      return;
    }
    if (unmade) {
      unmade(event);
    } else {
      int asked = kept.session;
      kept.audience.tell(whole, place.past(), reply -> Replying.reply(life, reply, asked));
    }
  }

  /** A payload that is not to be had: it is told, and the rooms are joined again, after which each key begins with a whole value. */
  private void unmade(Event event) {
    OptionalLong offset = event.hasOffset() ? OptionalLong.of(event.getOffset()) : OptionalLong.empty();
    List<String> rooms = List.copyOf(event.getRoomsList());
    kept.reports.tell(new Report.Missed(event.getNamespace(), rooms, 1, offset, offset, event.getEpoch(), Report.MissedCause.DELTA));
    for (String room : rooms) {
      Seat seat = kept.seats.find(event.getNamespace(), room);
      if (seat != null && seat.member && seat.wishes.delta()) {
        joinAgain(seat);
      }
    }
  }

  private void joinAgain(Seat seat) {
    if (!seat.refilling) {
      seat.refilling = true;
      say(new Rejoin(Seats.again(seat), true));
    }
  }

  private void presence(Presence presence) {
    Seat seat = kept.seats.find(presence.getNamespace(), presence.getRoom());
    if (seat == null) {
      return;
    }
    PresenceChange change = seat.presence.apply(presence);
    seat.presenceFeeds.forEach(feed -> kept.audience.give(feed, change));
    // One that names nobody is said where names are too long to be told: another join would tell no more.
    boolean names = presence.getJoinedCount() + presence.getLeftCount() > 0;
    if (names && seat.member && seat.wishes.presence() && seat.presence.hasHole()) {
      joinAgain(seat);
    }
  }

  private void state(StateChanges changes) {
    Seat seat = kept.seats.find(changes.getNamespace(), changes.getRoom());
    StateChange change = seat == null ? null : seat.state.apply(changes);
    if (change != null) {
      seat.stateFeeds.forEach(feed -> kept.audience.give(feed, change));
    }
  }

  private void missed(Missed missed) {
    kept.seats.missed(missed);
    kept.reports.tell(
        new Report.Missed(
            missed.getNamespace(),
            List.copyOf(missed.getRoomsList()),
            missed.getCount(),
            missed.hasFromOffset() ? OptionalLong.of(missed.getFromOffset()) : OptionalLong.empty(),
            missed.hasToOffset() ? OptionalLong.of(missed.getToOffset()) : OptionalLong.empty(),
            missed.getEpoch(),
            Report.MissedCause.SAID));
  }

  private void answer(ServerFrame frame) {
    if (frame.getRef() == 0) {
      unasked(frame);
      return;
    }
    Command command = kept.outbox.find(frame.getRef());
    if (command != null) {
      means(command, frame);
    }
    kept.outbox.answer(frame);
  }

  /** What an answer changes, whether somebody still waits for it or not. */
  private void means(Command command, ServerFrame frame) {
    ClientFrame asked = command.wire;
    if (frame.hasJoined() && asked.hasJoin()) {
      boolean wants = command.kind == Command.Kind.MEMBERSHIP;
      here(kept.seats.joined(asked.getJoin(), frame.getJoined(), wants), frame.getJoined());
    } else if (frame.hasParted() && asked.hasPart()) {
      kept.seats.parted(asked.getPart().getNamespace(), asked.getPart().getRoomsList());
    } else if (frame.hasEntered() && asked.hasEnter()) {
      kept.seats.entered(asked.getEnter().getNamespace());
    } else if (frame.hasLeft() && asked.hasLeave()) {
      kept.seats.left(asked.getLeave().getNamespace());
    } else if (frame.hasAccepted() && asked.hasEmit()) {
      kept.seats.accepted(asked.getEmit(), frame.getAccepted());
    } else if (frame.hasRefreshed() && asked.hasRefresh()) {
      life.token(asked.getRefresh().getToken());
      boolean ends = frame.getRefreshed().hasExpiresIn();
      conversation.renewal().lasts(ends ? Optional.of(Times.span(frame.getRefreshed().getExpiresIn())) : Optional.empty());
    } else if (frame.hasRefused() && command.kind == Command.Kind.REPLY) {
      kept.reports.tell(new Report.Refused(Failures.of(frame.getRefused())));
    }
  }

  /** The session is in these rooms. */
  private void here(List<Seat> seats, Joined joined) {
    for (int index = 0; index < seats.size(); index++) {
      Seat seat = seats.get(index);
      seat.refilling = false;
      if (seat.wishes.presence()) {
        PresenceChange change = seat.presence.reset(joined.getRooms(index));
        if (change != null) {
          seat.presenceFeeds.forEach(feed -> kept.audience.give(feed, change));
        }
      }
    }
  }

  /** What answers the greeting, or what somebody else has done. */
  private void unasked(ServerFrame frame) {
    Join greeted = kept.greeted.peek();
    if (greeted != null && frame.hasJoined() && answers(frame.getJoined(), greeted)) {
      kept.greeted.poll();
      here(kept.seats.joined(greeted, frame.getJoined(), false), frame.getJoined());
      tellRejoined(greeted, frame.getJoined());
    } else if (greeted != null && frame.hasRefused()) {
      kept.greeted.poll();
      refused(greeted, Failures.of(frame.getRefused()));
    } else if (frame.hasJoined()) {
      byOthers(frame.getJoined());
    } else if (frame.hasParted()) {
      kept.seats.parted(frame.getParted().getNamespace(), frame.getParted().getRoomsList());
      kept.reports.tell(new Report.Parted(frame.getParted().getNamespace(), List.copyOf(frame.getParted().getRoomsList())));
    } else if (frame.hasLeft()) {
      kept.seats.left(frame.getLeft().getNamespace());
      kept.reports.tell(new Report.Parted(frame.getLeft().getNamespace(), List.copyOf(frame.getLeft().getRoomsList())));
    } else if (frame.hasRefused()) {
      kept.reports.tell(new Report.Refused(Failures.of(frame.getRefused())));
    }
  }

  private static boolean answers(Joined joined, Join join) {
    return joined.getNamespace().equals(join.getNamespace())
        && joined.getRoomsList().stream().map(RoomState::getRoom).toList().equals(List.copyOf(join.getRoomsList()));
  }

  private void byOthers(Joined joined) {
    joined.getRoomsList().forEach(state -> kept.seats.joinedByOthers(joined.getNamespace(), state));
    kept.reports.tell(new Report.Joined(joined.getNamespace(), joined.getRoomsList().stream().map(RoomState::getRoom).toList()));
  }

  /** The session goes on: what was to be asked for later, and the stream has ended before, is asked for now. */
  void resumed() {
    kept.seats.resumed();
    List.copyOf(kept.seats.all()).stream().filter(seat -> !isAskedFor(seat)).forEach(this::sayIfWanted);
    List.copyOf(kept.enteringLater).forEach(namespace -> say(new Reenter(namespace)));
  }

  private boolean isAskedFor(Seat seat) {
    return kept.greeted.stream().anyMatch(join -> isOf(join, seat)) || kept.outbox.joins(join -> isOf(join, seat));
  }

  private static boolean isOf(Join join, Seat seat) {
    return join.getNamespace().equals(seat.key.namespace()) && join.getRoomsList().contains(seat.key.room());
  }

  /** Another session has begun: everything that the greeting did not say is said to it, before all that waits. */
  void afresh(String before, List<Join> greeting, long now) {
    kept.session++;
    kept.enteringLater.clear();
    kept.greeted.clear();
    kept.greeted.addAll(greeting);
    kept.deltas.forget();
    kept.seats.afresh(before);
    List<Join> joins = kept.seats.joins();
    List<Command> own = new ArrayList<>();
    kept.seats.bareNamespaces().forEach(namespace -> own.add(new Reenter(namespace)));
    joins.stream().filter(join -> !kept.greeted.contains(join)).forEach(join -> own.add(new Rejoin(join, false)));
    kept.outbox.afresh(now, own);
  }

  /** Joins of the greeting that nobody has answered are said once more. */
  void sayGreetedAgain() {
    List<Join> unanswered = List.copyOf(kept.greeted);
    kept.greeted.clear();
    unanswered.forEach(join -> say(new Rejoin(join, false)));
  }

  /** A new session is where the one before was. Where nothing says what came between, something may be missing. */
  private void tellRejoined(Join asked, Joined joined) {
    for (RoomState state : joined.getRoomsList()) {
      boolean recovers = asked.getRecoverList().stream().anyMatch(place -> place.getRoom().equals(state.getRoom()));
      if (!recovers || state.getRecovery() == rialto.v1.Room.Recovery.RECOVERY_UNSPECIFIED) {
        kept.reports.tell(
            new Report.Missed(
                joined.getNamespace(),
                List.of(state.getRoom()),
                0,
                OptionalLong.empty(),
                OptionalLong.empty(),
                state.getEpoch(),
                Report.MissedCause.AFRESH));
      }
    }
    kept.reports.tell(new Report.Rejoined(joined.getNamespace(), joined.getRoomsList().stream().map(dev.rialto.Joined::of).toList()));
  }

  /** A join that is refused is tried room by room; of one room, later if the server says so, and else not any more. */
  private void refused(Join join, RialtoException refusal) {
    if (join.getRoomsCount() > 1) {
      join.getRoomsList().forEach(room -> say(new Rejoin(alone(join, room), false)));
      return;
    }
    Seat seat = kept.seats.find(join.getNamespace(), join.getRooms(0));
    if (seat == null || !seat.wanted) {
      return;
    }
    if (refusal.advice() == Advice.LATER) {
      seat.later = conversation.timers().after(refusal.after(), () -> sayIfWanted(seat));
      return;
    }
    kept.seats.parted(join.getNamespace(), join.getRoomsList());
    kept.reports.tell(new Report.RejoinRefused(join.getNamespace(), join.getRooms(0), refusal));
  }

  private void sayIfWanted(Seat seat) {
    if (seat.wanted && !seat.member) {
      String room = seat.key.room();
      kept.seats.joins().stream()
          .filter(join -> isOf(join, seat))
          .findFirst()
          .ifPresent(join -> say(new Rejoin(alone(join, room), false)));
    }
  }

  private static Join alone(Join join, String room) {
    return join.toBuilder()
        .clearRooms()
        .addRooms(room)
        .clearRecover()
        .addAllRecover(join.getRecoverList().stream().filter(place -> place.getRoom().equals(room)).toList())
        .build();
  }

  private void say(Command command) {
    kept.outbox.addFirst(List.of(command));
    conversation.plan();
  }

  /** A join of the client's own. */
  private final class Rejoin extends Command {
    private final Join join;
    /** The session is in the room: what is not known of it is asked for. */
    private final boolean fills;

    Rejoin(Join join, boolean fills) {
      super(Kind.REJOIN, ClientFrame.newBuilder().setJoin(join));
      this.join = join;
      this.fills = fills;
    }

    @Override
    boolean answer(ServerFrame frame) {
      for (String room : join.getRoomsList()) {
        kept.seats.of(join.getNamespace(), room).refilling = false;
      }
      if (frame.hasJoined() && !fills) {
        tellRejoined(join, frame.getJoined());
      } else if (frame.hasRefused() && !fills) {
        refused(join, Failures.of(frame.getRefused()));
      }
      return true;
    }

    @Override
    void fail(RialtoException failure) {}
  }

  /** An enter of the client's own. */
  private final class Reenter extends Command {
    private final String namespace;

    Reenter(String namespace) {
      super(Kind.REJOIN, ClientFrame.newBuilder().setEnter(Enter.newBuilder().setNamespace(namespace)));
      this.namespace = namespace;
    }

    @Override
    boolean answer(ServerFrame frame) {
      kept.enteringLater.remove(namespace);
      if (frame.hasRefused()) {
        refused(Failures.of(frame.getRefused()));
      }
      return true;
    }

    private void refused(RialtoException refusal) {
      if (refusal.advice() == Advice.LATER) {
        kept.enteringLater.add(namespace);
        conversation.timers().after(refusal.after(), () -> say(new Reenter(namespace)));
        return;
      }
      kept.seats.left(namespace);
      kept.reports.tell(new Report.RejoinRefused(namespace, "", refusal));
    }

    @Override
    void fail(RialtoException failure) {}
  }
}
