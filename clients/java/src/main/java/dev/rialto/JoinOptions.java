package dev.rialto;

/** How a room is joined. What is not set is not wanted. */
public final class JoinOptions {
  static final JoinOptions NONE = builder().build();

  final int newest;
  final boolean presence;
  final boolean state;
  final boolean delta;
  final RoomPosition recover;

  private JoinOptions(Builder builder) {
    this.newest = builder.newest;
    this.presence = builder.presence;
    this.state = builder.state;
    this.delta = builder.delta;
    this.recover = builder.recover;
  }

  /** Begins with nothing wanted. */
  public static Builder builder() {
    return new Builder();
  }

  /** The newest so many events of the history come first; at most 300. */
  public static JoinOptions newest(int events) {
    return builder().newest(events).build();
  }

  /** Gathers options. */
  public static final class Builder {
    private int newest;
    private boolean presence;
    private boolean state;
    private boolean delta;
    private RoomPosition recover;

    private Builder() {}

    /** The newest so many events of the history come first; at most 300. */
    public Builder newest(int events) {
      this.newest = events;
      return this;
    }

    /** Who is there, and who comes and goes: {@link Presence#current()} and {@link Presence#changes()}. */
    public Builder presence() {
      this.presence = true;
      return this;
    }

    /** The keyed state, and its changes: {@link State#current()} and {@link State#watch()}. */
    public Builder state() {
      this.state = true;
      return this;
    }

    /** Payloads may travel as the difference to the one before. They are whole when they are heard. */
    public Builder delta() {
      this.delta = true;
      return this;
    }

    /** Goes on after a {@linkplain Room#position position} that another session had; what came since comes first. */
    public Builder recover(RoomPosition position) {
      this.recover = position;
      return this;
    }

    public JoinOptions build() {
      return new JoinOptions(this);
    }
  }
}
