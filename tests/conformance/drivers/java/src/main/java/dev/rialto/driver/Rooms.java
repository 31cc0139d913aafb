package dev.rialto.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.rialto.Event;
import dev.rialto.Feed;
import dev.rialto.JoinOptions;
import dev.rialto.Joined;
import dev.rialto.Namespace;
import dev.rialto.Replies;
import dev.rialto.Reply;
import dev.rialto.Room;
import dev.rialto.RoomPosition;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;

/** Namespaces and rooms: being there, saying, hearing, asking, answering. */
final class Rooms {
  private Rooms() {}

  static CompletableFuture<JsonElement> carryOut(People people, Command command) {
    return switch (command.verb()) {
      case "let_go" -> {
        people.reader(command).go.complete(null);
        yield Then.now();
      }
      case "reply" -> reply(people.reader(command), command);
      case "listen" -> listen(people, command);
      default -> inNamespace(people.session(command).namespace(command.text("namespace")), command);
    };
  }

  private static CompletableFuture<JsonElement> inNamespace(Namespace namespace, Command command) {
    Room room = namespace.room(command.text("room"));
    return switch (command.verb()) {
      case "enter" -> Then.done(namespace.enter());
      case "leave" -> Then.done(namespace.leave());
      case "join" -> Then.tell(room.join(wishes(command, room)), Rooms::joined);
      case "part" -> Then.tell(room.part(), parted -> Out.one("parted", parted));
      case "room" -> CompletableFuture.completedFuture(standing(room));
      case "ask" -> ask(namespace, command);
      default ->
          Then.tell(
              namespace.emitTo(Content.target(command), command.text("event"), Content.payload(command), Content.options(command)),
              Content::accepted);
    };
  }

  private static JoinOptions wishes(Command command, Room room) {
    JoinOptions.Builder wishes = JoinOptions.builder().newest(command.count("newest"));
    command.ifFlag("presence", wishes::presence);
    command.ifFlag("state", wishes::state);
    command.ifFlag("delta", wishes::delta);
    if (command.has("recover")) {
      Command after = command.of(command.table("recover"));
      wishes.recover(new RoomPosition(room.name(), after.text("epoch"), after.number("offset", 0)));
    }
    return wishes.build();
  }

  private static JsonElement standing(Room room) {
    JsonObject told = Out.one("status", room.status().name().toLowerCase(Locale.ROOT));
    room.position()
        .ifPresent(
            at -> {
              told.addProperty("epoch", at.epoch());
              told.addProperty("offset", at.offset());
            });
    return told;
  }

  private static JsonElement joined(Joined joined) {
    JsonObject told = Out.one("epoch", joined.epoch());
    Content.putOffset(told, "offset", joined.offset());
    return told;
  }

  private static CompletableFuture<JsonElement> ask(Namespace namespace, Command command) {
    Duration within = command.has("timeout_ms") ? command.span("timeout_ms") : Duration.ofSeconds(5);
    CompletableFuture<Replies> asked =
        namespace.emitToWithReplies(
            Content.target(command), command.text("event"), Content.payload(command), within, Content.options(command));
    return Then.tell(asked.thenCompose(Replies::all), Rooms::answers);
  }

  private static JsonElement answers(Replies.Answers answers) {
    JsonArray replies = new JsonArray();
    for (Reply reply : answers.replies()) {
      JsonObject told = Out.one("user", reply.from().user());
      if (reply.error().isPresent()) {
        told.addProperty("error", reply.error().orElseThrow());
      } else {
        Content.put(told, reply.payload());
      }
      replies.add(told);
    }
    JsonObject told = new JsonObject();
    told.add("replies", replies);
    told.addProperty("answered", answers.summary().answered());
    Out.put(told, "missing", answers.summary().missing().stream().map(missing -> missing.from().user()).toList());
    told.addProperty("timed_out", answers.summary().timedOut());
    return told;
  }

  private static CompletableFuture<JsonElement> listen(People people, Command command) {
    Namespace namespace = people.session(command).namespace(command.text("namespace"));
    String room = command.text("room");
    String event = command.text("event");
    People.Reader reader = new People.Reader();
    people.readers.put(command.text("as"), reader);
    if (event.isEmpty()) {
      read(command, room.isEmpty() ? namespace.events() : namespace.room(room).events(), reader);
    } else if (room.isEmpty()) {
      namespace.on(event, heard -> hear(command, heard, reader));
    } else {
      namespace.room(room).on(event, heard -> hear(command, heard, reader));
    }
    return Then.now();
  }

  private static void read(Command command, Feed<Event> events, People.Reader reader) {
    if (!command.flag("hold")) {
      reader.go.complete(null);
    }
    reader.go.thenRun(
        () -> Reading.all(events, heard -> hear(command, heard, reader), thrown -> Out.tell(command.text("as"), "ended", true)));
  }

  private static void hear(Command command, Event heard, People.Reader reader) {
    reader.last = heard;
    Out.tell(command.text("as"), "event", Content.event(heard));
    if (!heard.wantsReply()) {
      return;
    }
    if (command.has("reply")) {
      heard.reply(command.text("reply"));
    } else if (command.has("reply_error")) {
      heard.replyError(command.text("reply_error"));
    }
  }

  private static CompletableFuture<JsonElement> reply(People.Reader reader, Command command) {
    if (reader.last == null) {
      throw new Refusal("nothing was heard");
    }
    return Then.done(command.has("error") ? reader.last.replyError(command.text("error")) : reader.last.reply(Content.payload(command)));
  }
}
