package dev.rialto;

import java.util.List;

/**
 * Members came or went.
 *
 * @param joined who came, whose attributes changed, or who is away or back; empty in rooms of more than 256 members
 * @param left who went; empty in rooms of more than 256 members
 * @param memberCount how many members the room has now
 * @param userCount how many users that are
 */
public record PresenceChange(List<Member> joined, List<Sender> left, int memberCount, int userCount) {}
