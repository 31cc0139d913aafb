package dev.rialto;

import java.util.Map;

/**
 * Who is in a room, as far as this session was told.
 *
 * @param members by session; not all in rooms of more than 256
 * @param memberCount how many members there are
 * @param userCount how many users that are
 * @param complete whether all members are named
 */
public record PresenceView(Map<String, Member> members, int memberCount, int userCount, boolean complete) {
  static final PresenceView NOTHING = new PresenceView(Map.of(), 0, 0, false);
}
