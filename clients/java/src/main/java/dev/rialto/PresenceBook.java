package dev.rialto;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import rialto.v1.Room.RoomState;

/** The members of one room, kept right by what the server tells. Pure, but for the view that others read. */
final class PresenceBook {
  /** Of larger rooms members are counted alone. */
  private static final int NAMED_MAX = 256;

  private final Map<String, Member> members = new LinkedHashMap<>();
  private boolean begun;
  private volatile PresenceView view = PresenceView.NOTHING;

  PresenceView view() {
    return view;
  }

  /** The room as a new member finds it. Returns what became different since the session was in it before, or null at first. */
  PresenceChange reset(RoomState state) {
    Map<String, Member> before = new LinkedHashMap<>(members);
    members.clear();
    state.getMembersList().stream().map(Member::of).forEach(member -> members.put(member.session(), member));
    List<Member> joined = members.values().stream().filter(member -> !member.equals(before.get(member.session()))).toList();
    List<Sender> left =
        before.values().stream()
            // Where nobody is named nobody is named as gone either.
            .filter(member -> !members.isEmpty() && !members.containsKey(member.session()))
            .map(member -> new Sender(member.session(), member.user()))
            .toList();
    show(state.getMemberCount(), state.getUserCount());
    boolean first = !begun;
    begun = true;
    return first || (joined.isEmpty() && left.isEmpty()) ? null : new PresenceChange(joined, left, view.memberCount(), view.userCount());
  }

  /** Members came or went. */
  PresenceChange apply(rialto.v1.Room.Presence presence) {
    List<Member> joined = presence.getJoinedList().stream().map(Member::of).toList();
    if (!joined.isEmpty() && joined.size() == presence.getMemberCount()) {
      members.clear();
    }
    List<Sender> left = new ArrayList<>();
    for (rialto.v1.EventOuterClass.Sender gone : presence.getLeftList()) {
      members.remove(gone.getSession());
      left.add(Sender.of(gone));
    }
    if (presence.getMemberCount() > NAMED_MAX && joined.isEmpty() && left.isEmpty()) {
      // Where members are counted names are not kept up.
      members.clear();
    }
    joined.forEach(member -> members.put(member.session(), member));
    show(presence.getMemberCount(), presence.getUserCount());
    return new PresenceChange(joined, left, presence.getMemberCount(), presence.getUserCount());
  }

  /** Whether names are missing that the server would give to one who joins again. */
  boolean hasHole() {
    return begun && !view.complete() && view.memberCount() <= NAMED_MAX;
  }

  /** The session is out of the room. */
  void clear() {
    members.clear();
    begun = false;
    view = PresenceView.NOTHING;
  }

  private void show(int memberCount, int userCount) {
    view = new PresenceView(Map.copyOf(members), memberCount, userCount, members.size() == memberCount);
  }
}
