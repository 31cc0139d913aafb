package dev.rialto;

/**
 * A key was set or removed.
 *
 * @param revision that it has by that; revisions of a room rise by one with each change
 * @param epoch which life of the state revisions count in
 * @param durability what it survives
 */
public record StateSet(long revision, String epoch, Durability durability) {
  static StateSet of(rialto.v1.State.StateSet set) {
    return new StateSet(set.getRevision(), set.getEpoch(), Durability.of(set.getDurability()));
  }
}
