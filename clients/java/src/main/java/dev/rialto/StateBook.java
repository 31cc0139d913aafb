package dev.rialto;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import rialto.v1.State.StateChanges;
import rialto.v1.State.StateEntry;

/** The keyed state of one room, kept right by what the server tells. Half a state is never shown. Pure, but for the view that others read. */
final class StateBook {
  private Map<String, StateValue> entries = new LinkedHashMap<>();
  private String epoch = "";
  private boolean complete;
  /** What is told since the server began anew, until it is complete. */
  private Map<String, StateValue> anew;
  private String anewEpoch = "";
  private volatile StateView view = StateView.NOTHING;

  StateView view() {
    return view;
  }

  /** All that is known, for one who watches from now on; null while nothing is. */
  StateChange known() {
    return complete ? new StateChange(List.copyOf(entries.values()), true) : null;
  }

  /** The server has told the state, or a change. Returns what became different, or null when nothing did. */
  StateChange apply(StateChanges changes) {
    if (changes.getReset() || (anew == null ? !epoch.equals(changes.getEpoch()) : !anewEpoch.equals(changes.getEpoch()))) {
      anew = new LinkedHashMap<>();
      anewEpoch = changes.getEpoch();
    }
    return anew == null ? change(changes) : gather(changes);
  }

  private StateChange gather(StateChanges changes) {
    changes.getEntriesList().forEach(entry -> put(anew, entry));
    if (!changes.getComplete()) {
      return null;
    }
    Map<String, StateValue> before = entries;
    boolean first = !complete;
    boolean sameLife = epoch.equals(anewEpoch);
    entries = anew;
    epoch = anewEpoch;
    complete = true;
    anew = null;
    show();
    return first ? known() : difference(before, sameLife);
  }

  private StateChange difference(Map<String, StateValue> before, boolean sameLife) {
    List<StateValue> told = new ArrayList<>();
    for (StateValue gone : before.values()) {
      if (!entries.containsKey(gone.key())) {
        told.add(StateValue.gone(gone.key(), gone.revision()));
      }
    }
    for (StateValue now : entries.values()) {
      StateValue was = before.get(now.key());
      boolean same = was != null && (sameLife ? was.revision() == now.revision() : was.value().equals(now.value()));
      if (!same) {
        told.add(now);
      }
    }
    return told.isEmpty() ? null : new StateChange(List.copyOf(told), false);
  }

  private StateChange change(StateChanges changes) {
    List<StateValue> told = new ArrayList<>();
    for (StateEntry entry : changes.getEntriesList()) {
      StateValue was = entries.get(entry.getKey());
      if (was == null || entry.getRevision() > was.revision()) {
        put(entries, entry);
        told.add(StateValue.of(entry));
      }
    }
    complete |= changes.getComplete();
    show();
    return told.isEmpty() ? null : new StateChange(List.copyOf(told), false);
  }

  private static void put(Map<String, StateValue> entries, StateEntry entry) {
    StateValue value = StateValue.of(entry);
    if (value.value().isPresent()) {
      entries.put(value.key(), value);
    } else {
      entries.remove(value.key());
    }
  }

  /** The session is out of the room. */
  void clear() {
    entries = new LinkedHashMap<>();
    epoch = "";
    complete = false;
    anew = null;
    view = StateView.NOTHING;
  }

  private void show() {
    view = new StateView(Map.copyOf(entries), epoch, complete);
  }
}
