package dev.rialto;

import java.util.Map;

/**
 * A session in a room.
 *
 * @param session its id
 * @param user its user; empty when none is known
 * @param attributes what it says of itself
 * @param away its stream is lost, and it may come back
 */
public record Member(String session, String user, Map<String, String> attributes, boolean away) {
  static Member of(rialto.v1.Room.Member member) {
    return new Member(member.getWho().getSession(), member.getWho().getUser(), Map.copyOf(member.getAttributesMap()), member.getAway());
  }
}
