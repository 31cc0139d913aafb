package dev.rialto.driver;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import dev.rialto.Advice;
import dev.rialto.RialtoException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Locale;
import java.util.concurrent.CompletionException;

/** Lines that go out. */
final class Out {
  private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().serializeNulls().create();
  private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

  private Out() {}

  /** The answer to a command. */
  static void answer(long id, JsonElement done, Throwable thrown) {
    JsonObject line = new JsonObject();
    line.addProperty("id", id);
    if (thrown == null) {
      line.add("done", done);
    } else {
      line.add("failed", failure(thrown));
    }
    say(line);
  }

  /** A report about somebody. */
  static void tell(String by, String kind, JsonElement what) {
    JsonObject line = new JsonObject();
    line.addProperty("by", by);
    line.add(kind, what);
    say(line);
  }

  static void tell(String by, String kind, String what) {
    tell(by, kind, new JsonPrimitive(what));
  }

  static void tell(String by, String kind, boolean what) {
    tell(by, kind, new JsonPrimitive(what));
  }

  private static synchronized void say(JsonObject line) {
    OUT.println(GSON.toJson(line));
  }

  /** How a command fails, as drivers write it. */
  static JsonObject failure(Throwable thrown) {
    JsonObject told = new JsonObject();
    Throwable cause = thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
    if (cause instanceof Refusal) {
      told.addProperty("kind", "other");
      told.addProperty("reason", cause.getMessage());
      return told;
    }
    RialtoException failure = RialtoException.of(cause);
    told.addProperty("kind", failure.kind().name().toLowerCase(Locale.ROOT));
    told.addProperty("code", failure.code());
    told.addProperty("reason", failure.reason());
    told.addProperty("may_have_happened", failure.mayHaveHappened());
    if (failure.advice() != Advice.UNKNOWN) {
      told.addProperty("advice", failure.advice().name().toLowerCase(Locale.ROOT).replace('_', '-'));
    }
    if (!failure.after().isZero()) {
      told.addProperty("after_ms", failure.after().toMillis());
    }
    if (!failure.limit().isEmpty()) {
      told.addProperty("limit", failure.limit());
    }
    return told;
  }

  static JsonElement list(Collection<?> items) {
    return GSON.toJsonTree(items);
  }

  static JsonObject one(String key, Object value) {
    JsonObject told = new JsonObject();
    told.add(key, GSON.toJsonTree(value));
    return told;
  }

  static void put(JsonObject told, String key, Object value) {
    told.add(key, GSON.toJsonTree(value));
  }
}
