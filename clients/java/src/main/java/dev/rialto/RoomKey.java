package dev.rialto;

/** A room of a namespace. */
record RoomKey(String namespace, String room) {}
