package dev.rialto;

import java.util.concurrent.CompletionStage;

/** Where tokens come from: asked for each connection, and again before a token ends. */
@FunctionalInterface
public interface TokenSource {
  /** A token that is good now. One that fails has the attempt fail for which it was asked. */
  CompletionStage<Token> token();
}
