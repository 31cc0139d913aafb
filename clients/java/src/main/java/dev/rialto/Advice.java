package dev.rialto;

/** Whether the same may go well another time. */
public enum Advice {
  /** It will be refused again. */
  NEVER,
  /** It may go well after {@link RialtoException#after()}. */
  LATER,
  /** It may go well once something else has changed: a right, a setting, a membership. */
  AFTER_CHANGE,
  /** Nobody has said. */
  UNKNOWN
}
