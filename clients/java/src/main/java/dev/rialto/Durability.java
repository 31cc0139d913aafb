package dev.rialto;

/** How sure it is that something accepted survives. */
public enum Durability {
  /** A server of a later version has said something that this one does not know. */
  UNKNOWN,
  /** In the memory of the nodes alone. */
  MEMORY,
  /** On the disk of one node, synced. */
  FSYNC,
  /** On the disks of a majority. */
  REPLICATED,
  /** Stored outside of the node, and not known to be synced. */
  STORED;

  static Durability of(rialto.v1.Code.Durability durability) {
    return switch (durability) {
      case DURABILITY_MEMORY -> MEMORY;
      case DURABILITY_FSYNC -> FSYNC;
      case DURABILITY_REPLICATED -> REPLICATED;
      case DURABILITY_STORED -> STORED;
      case DURABILITY_UNSPECIFIED, UNRECOGNIZED -> UNKNOWN;
    };
  }
}
