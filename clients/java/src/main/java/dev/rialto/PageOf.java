package dev.rialto;

/**
 * Which page of a list.
 *
 * @param size at most so many entries; 0 for the server's default
 * @param token {@link Page#next} of the page before; empty for the first
 */
public record PageOf(int size, String token) {
  /** The first page, of the server's size. */
  public static PageOf first() {
    return new PageOf(0, "");
  }

  /** The page after this token. */
  public PageOf after(String next) {
    return new PageOf(size, next);
  }
}
