package dev.rialto;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A token and, if it is known, how long it is good for. Its text is in no log: {@link #toString} does not say it. */
public final class Token {
  private static final Pattern EXP = Pattern.compile("\"exp\"\\s*:\\s*(\\d{1,15})(?:\\.\\d+)?\\s*[,}]");

  private final String text;
  private final Duration expiresIn;

  private Token(String text, Duration expiresIn) {
    this.text = Objects.requireNonNull(text, "text");
    this.expiresIn = expiresIn;
  }

  /** A token; when it is a JWT its end is read from it. */
  public static Token of(String text) {
    return new Token(text, null);
  }

  /** A token that is good for so long from now on. */
  public static Token of(String text, Duration expiresIn) {
    return new Token(text, Objects.requireNonNull(expiresIn, "expiresIn"));
  }

  String text() {
    return text;
  }

  /** How long it is good for from now on, as it was said or as a JWT has it. */
  Optional<Duration> life(Instant now) {
    return expiresIn == null ? expiryOf(text).map(end -> Duration.between(now, end)) : Optional.of(expiresIn);
  }

  /** The {@code exp} of a JWT. Nothing else is looked at, and nothing verified: that is the server's to do. */
  private static Optional<Instant> expiryOf(String token) {
    String[] parts = token.split("\\.", -1);
    if (parts.length != 3) {
      return Optional.empty();
    }
    try {
      Matcher exp = EXP.matcher(new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8));
      return exp.find() ? Optional.of(Instant.ofEpochSecond(Long.parseLong(exp.group(1)))) : Optional.empty();
    } catch (IllegalArgumentException noJwt) {
      return Optional.empty();
    }
  }

  /** Whether metadata can carry it. */
  boolean isCarriable() {
    return text.chars().allMatch(character -> character >= 0x20 && character < 0x7f);
  }

  @Override
  public String toString() {
    return "Token[…]";
  }
}
