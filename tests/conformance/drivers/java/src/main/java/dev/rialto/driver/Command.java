package dev.rialto.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** One command as it comes in, and its arguments by their kinds. */
record Command(long id, String by, String verb, JsonObject arguments) {
  /** Reads a line; null when it is no command. */
  static Command read(String line) {
    try {
      JsonObject all = JsonParser.parseString(line).getAsJsonObject();
      return new Command(all.get("id").getAsLong(), all.get("by").getAsString(), all.get("do").getAsString(), all);
    } catch (JsonParseException | IllegalStateException | NullPointerException broken) {
      return null;
    }
  }

  /** The same command with a table of it as its arguments. */
  Command of(JsonObject table) {
    return new Command(id, by, verb, table);
  }

  boolean has(String key) {
    return arguments.has(key) && !arguments.get(key).isJsonNull();
  }

  JsonElement value(String key) {
    return arguments.get(key);
  }

  /** A text; empty when it is absent. */
  String text(String key) {
    return has(key) ? arguments.get(key).getAsString() : "";
  }

  long number(String key, long otherwise) {
    return has(key) ? arguments.get(key).getAsLong() : otherwise;
  }

  int count(String key) {
    return (int) number(key, 0);
  }

  /** A span of time, given in milliseconds; null when it is absent. */
  Duration span(String key) {
    return has(key) ? Duration.ofMillis(number(key, 0)) : null;
  }

  boolean flag(String key) {
    return has(key) && arguments.get(key).getAsBoolean();
  }

  /** Has something set by a text, if it is there. */
  void ifText(String key, Consumer<String> set) {
    if (has(key)) {
      set.accept(text(key));
    }
  }

  void ifSpan(String key, Consumer<Duration> set) {
    if (has(key)) {
      set.accept(span(key));
    }
  }

  void ifFlag(String key, Runnable set) {
    if (flag(key)) {
      set.run();
    }
  }

  /** A table; empty when it is absent. */
  JsonObject table(String key) {
    return has(key) ? arguments.getAsJsonObject(key) : new JsonObject();
  }

  Map<String, String> textsByKey(String key) {
    Map<String, String> texts = new LinkedHashMap<>();
    table(key).entrySet().forEach(entry -> texts.put(entry.getKey(), entry.getValue().getAsString()));
    return texts;
  }

  /** A list; empty when it is absent. */
  JsonArray list(String key) {
    return has(key) ? arguments.getAsJsonArray(key) : new JsonArray();
  }

  List<String> texts(String key) {
    List<String> texts = new ArrayList<>();
    list(key).forEach(item -> texts.add(item.getAsString()));
    return texts;
  }

  /** The tables of a list, each as a command. */
  List<Command> tables(String key) {
    List<Command> tables = new ArrayList<>();
    list(key).forEach(item -> tables.add(of(item.getAsJsonObject())));
    return tables;
  }
}
