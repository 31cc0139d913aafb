package dev.rialto.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import dev.rialto.Event;
import dev.rialto.History;
import dev.rialto.Member;
import dev.rialto.Page;
import dev.rialto.PageOf;
import dev.rialto.Pages;
import dev.rialto.Presence;
import dev.rialto.PresenceChange;
import dev.rialto.PresenceView;
import dev.rialto.Sender;
import dev.rialto.SetOptions;
import dev.rialto.State;
import dev.rialto.StateChange;
import dev.rialto.StateSet;
import dev.rialto.StateValue;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** What rooms keep: histories, presence, keyed state; of a session or of a client without one. */
final class Keeping {
  private Keeping() {}

  static CompletableFuture<JsonElement> carryOut(People people, Command command) {
    return switch (command.verb()) {
      case "history" -> history(people, command);
      case "presence" -> presence(presenceOf(people, command), command.text("of"));
      case "who" -> CompletableFuture.completedFuture(present(presenceOf(people, command).current()));
      case "watch_presence" -> watchPresence(presenceOf(people, command), command.text("as"));
      case "watch_state" -> watchState(stateOf(people, command), command.text("as"));
      case "get_state" -> Then.tell(stateOf(people, command).get(command.text("key")), Keeping::found);
      case "all_state" -> Then.tell(allState(stateOf(people, command), PageOf.first(), new JsonObject()), all -> Out.one("entries", all));
      default -> Then.tell(set(stateOf(people, command), command), set -> Out.one("revision", set.revision()));
    };
  }

  private static boolean isSession(People people, Command command) {
    return people.sessions.containsKey(command.by());
  }

  private static Presence presenceOf(People people, Command command) {
    String namespace = command.text("namespace");
    return isSession(people, command)
        ? people.session(command).namespace(namespace).room(command.text("room")).presence()
        : people.client(command).presence(namespace, command.text("room"));
  }

  private static State stateOf(People people, Command command) {
    String namespace = command.text("namespace");
    return isSession(people, command)
        ? people.session(command).namespace(namespace).room(command.text("room")).state()
        : people.client(command).state(namespace, command.text("room"));
  }

  private static CompletableFuture<JsonElement> history(People people, Command command) {
    String namespace = command.text("namespace");
    History history =
        isSession(people, command)
            ? people.session(command).namespace(namespace).room(command.text("room")).history()
            : people.client(command).history(namespace, command.text("room"));
    if (command.has("newest")) {
      return Then.tell(history.newest(command.count("newest")), events -> Out.one("events", told(events)));
    }
    history = command.has("from") ? history.from(command.number("from", 0)) : history;
    history = command.has("before") ? history.before(command.number("before", 0)) : history;
    history = command.has("since_ms") ? history.since(Instant.ofEpochMilli(command.number("since_ms", 0))) : history;
    history = command.has("page_size") ? history.pageSize(command.count("page_size")) : history;
    return Then.tell(gather(history.pages(), new JsonArray(), 0), all -> all);
  }

  private static JsonArray told(List<Event> events) {
    JsonArray told = new JsonArray();
    events.forEach(event -> told.add(Content.event(event)));
    return told;
  }

  private static CompletableFuture<JsonObject> gather(Pages<History.Part> pages, JsonArray events, int count) {
    return pages
        .next()
        .thenCompose(
            page -> {
              if (page.isEmpty()) {
                JsonObject all = Out.one("events", events);
                all.addProperty("pages", count);
                return CompletableFuture.completedFuture(all);
              }
              events.addAll(told(page.orElseThrow().events()));
              return gather(pages, events, count + 1);
            });
  }

  private static CompletableFuture<JsonElement> presence(Presence presence, String of) {
    return switch (of) {
      case "counts" ->
          Then.tell(
              presence.counts(),
              counts -> {
                JsonObject told = Out.one("sessions", counts.members());
                told.addProperty("users", counts.users());
                return told;
              });
      case "users" ->
          Then.tell(
              all(presence::users, PageOf.first(), user -> new JsonPrimitive(user.user()), new JsonArray()), users -> Out.one("users", users));
      default ->
          Then.tell(all(presence::members, PageOf.first(), Keeping::member, new JsonArray()), members -> Out.one("members", members));
    };
  }

  /** The items of all pages. */
  static <T> CompletableFuture<JsonArray> all(
      Function<PageOf, CompletableFuture<Page<T>>> pages, PageOf first, Function<T, JsonElement> told, JsonArray known) {
    return pages
        .apply(first)
        .thenCompose(
            page -> {
              page.items().forEach(item -> known.add(told.apply(item)));
              return page.next().isEmpty() ? CompletableFuture.completedFuture(known) : all(pages, first.after(page.next()), told, known);
            });
  }

  private static JsonElement member(Member member) {
    JsonObject told = Out.one("session", member.session());
    told.addProperty("user", member.user());
    Out.put(told, "attributes", member.attributes());
    told.addProperty("away", member.away());
    return told;
  }

  private static JsonElement present(PresenceView view) {
    JsonObject told = Out.one("users", view.members().values().stream().map(Member::user).sorted().toList());
    told.addProperty("count", view.memberCount());
    told.addProperty("complete", view.complete());
    return told;
  }

  private static CompletableFuture<JsonElement> watchPresence(Presence presence, String as) {
    Reading.all(presence.changes(), change -> tell(as, change), thrown -> Out.tell(as, "ended", true));
    return Then.now();
  }

  private static void tell(String as, PresenceChange change) {
    JsonObject told = new JsonObject();
    Out.put(told, "joined", change.joined().stream().filter(member -> !member.away()).map(Member::user).toList());
    Out.put(told, "away", change.joined().stream().filter(Member::away).map(Member::user).toList());
    Out.put(told, "left", change.left().stream().map(Sender::user).toList());
    told.addProperty("count", change.memberCount());
    Out.tell(as, "presence", told);
  }

  private static CompletableFuture<JsonElement> watchState(State state, String as) {
    Reading.all(state.watch(), change -> tell(as, change), thrown -> Out.tell(as, "ended", true));
    return Then.now();
  }

  private static void tell(String as, StateChange change) {
    JsonObject entries = new JsonObject();
    change.entries().forEach(entry -> entries.add(entry.key(), text(entry)));
    JsonObject told = Out.one("entries", entries);
    told.addProperty("whole", change.whole());
    Out.tell(as, "state", told);
  }

  private static JsonElement text(StateValue entry) {
    return entry.value().<JsonElement>map(value -> new JsonPrimitive(value.text())).orElse(JsonNull.INSTANCE);
  }

  private static JsonElement found(Optional<StateValue> entry) {
    JsonObject told = Out.one("found", entry.isPresent());
    entry.ifPresent(
        there -> {
          told.addProperty("revision", there.revision());
          there.value().ifPresent(value -> Content.put(told, value));
        });
    return told;
  }

  private static CompletableFuture<JsonObject> allState(State state, PageOf of, JsonObject known) {
    return state
        .page(of)
        .thenCompose(
            page -> {
              page.items().forEach(entry -> known.add(entry.key(), text(entry)));
              return page.next().isEmpty() ? CompletableFuture.completedFuture(known) : allState(state, of.after(page.next()), known);
            });
  }

  private static CompletableFuture<StateSet> set(State state, Command command) {
    SetOptions options = SetOptions.always();
    options = command.has("if_revision") ? options.ifRevision(command.number("if_revision", 0)) : options;
    options = command.flag("if_absent") ? options.ifAbsent() : options;
    options = command.has("expires_in_ms") ? options.expiresIn(command.span("expires_in_ms")) : options;
    return command.verb().equals("remove_state")
        ? state.remove(command.text("key"), options)
        : state.set(command.text("key"), Content.payload(command), options);
  }
}
