package dev.rialto;

import java.util.List;

/**
 * One page of a list.
 *
 * @param items what is on it
 * @param next where the next page goes on; empty on the last one
 * @param total how many there are on all pages, where the server says so
 * @param nodesMissing nodes that did not answer: what is with them is not counted
 */
public record Page<T>(List<T> items, String next, int total, List<String> nodesMissing) {}
