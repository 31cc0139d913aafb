package dev.rialto;

import java.util.Map;

/**
 * The state of a room, as far as this session was told.
 *
 * @param entries by key
 * @param epoch which life of the state revisions count in
 * @param complete whether it is whole; half a state is never shown
 */
public record StateView(Map<String, StateValue> entries, String epoch, boolean complete) {
  static final StateView NOTHING = new StateView(Map.of(), "", false);
}
