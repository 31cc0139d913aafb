package dev.rialto;

import java.util.List;

/**
 * Whom an event reaches: the members of rooms, sessions and users, each session once; or everyone who has entered the namespace; or any
 * one member of a room. Immutable: each method gives another target.
 */
public final class Target {
  private final rialto.v1.EventOuterClass.Target wire;

  private Target(rialto.v1.EventOuterClass.Target.Builder wire) {
    this.wire = wire.build();
  }

  private static rialto.v1.EventOuterClass.Target.Builder begin() {
    return rialto.v1.EventOuterClass.Target.newBuilder();
  }

  /** The members of a room. */
  public static Target room(String room) {
    return new Target(begin().addRooms(room));
  }

  /** The members of these rooms, at most 64. */
  public static Target rooms(List<String> rooms) {
    return new Target(begin().addAllRooms(rooms));
  }

  /** All sessions of a user that have entered the namespace. */
  public static Target user(String user) {
    return new Target(begin().addUsers(user));
  }

  /** One session. */
  public static Target session(String session) {
    return new Target(begin().addSessions(session));
  }

  /** Everyone who has entered the namespace. */
  public static Target everyone() {
    return new Target(begin().setEveryone(true));
  }

  /** Any one member of a room, chosen at random. */
  public static Target anyOf(String room) {
    return new Target(begin().setAnyOf(room));
  }

  /** These users too. */
  public Target andUsers(List<String> users) {
    return new Target(wire.toBuilder().addAllUsers(users));
  }

  /** These sessions too. */
  public Target andSessions(List<String> sessions) {
    return new Target(wire.toBuilder().addAllSessions(sessions));
  }

  rialto.v1.EventOuterClass.Target wire() {
    return wire;
  }
}
