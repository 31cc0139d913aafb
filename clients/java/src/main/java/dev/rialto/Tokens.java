package dev.rialto;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** Where the tokens of a session or a client come from: nowhere, always the same, or the application. */
final class Tokens {
  static final Tokens NONE = new Tokens(null, null);

  private final Token fixed;
  private final TokenSource source;

  private Tokens(Token fixed, TokenSource source) {
    this.fixed = fixed;
    this.source = source;
  }

  static Tokens fixed(String token) {
    return new Tokens(Token.of(token), null);
  }

  static Tokens from(TokenSource source) {
    return new Tokens(null, source);
  }

  /** Whether there can be another token than the last one. */
  boolean isRenewable() {
    return source != null;
  }

  /** A token; null when there is none. The application is asked where its code may run. */
  CompletableFuture<Token> fetch(Callbacks callbacks) {
    if (source == null) {
      return checked(fixed);
    }
    CompletableFuture<Token> fetched = new CompletableFuture<>();
    callbacks.run(() -> ask(fetched));
    return fetched.thenCompose(Tokens::checked);
  }

  private void ask(CompletableFuture<Token> fetched) {
    try {
      source
          .token()
          .whenComplete(
              (token, thrown) -> {
                if (thrown != null) {
                  fetched.completeExceptionally(noToken(thrown));
                } else if (token == null) {
                  fetched.completeExceptionally(Failures.unavailable("no token: the source has given none"));
                } else {
                  fetched.complete(token);
                }
              });
    } catch (RuntimeException thrown) {
      fetched.completeExceptionally(noToken(thrown));
    }
  }

  private static RialtoException noToken(Throwable thrown) {
    Throwable cause = thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
    return Failures.unavailable("no token: " + (cause.getMessage() == null ? cause : cause.getMessage()));
  }

  private static CompletableFuture<Token> checked(Token token) {
    return token == null || token.isCarriable()
        ? CompletableFuture.completedFuture(token)
        : CompletableFuture.failedFuture(Failures.invalid("the token holds characters that no token has"));
  }
}
