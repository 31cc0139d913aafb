package dev.rialto;

import java.util.List;

/**
 * Keys of a state that are there, or became different.
 *
 * @param entries the keys; those that are gone have no value
 * @param whole these are all keys that there are
 */
public record StateChange(List<StateValue> entries, boolean whole) {}
