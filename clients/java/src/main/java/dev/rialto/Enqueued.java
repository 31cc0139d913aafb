package dev.rialto;

/**
 * A job was taken.
 *
 * @param id its name in the queue
 * @param duplicate it, or one with its unique key, was there before
 * @param durability what it survives
 */
public record Enqueued(String id, boolean duplicate, Durability durability) {}
