package dev.rialto;

/** A listener that was set. Closing it ends it; what it is being told meanwhile is still told. */
public interface Listening extends AutoCloseable {
  @Override
  void close();
}
