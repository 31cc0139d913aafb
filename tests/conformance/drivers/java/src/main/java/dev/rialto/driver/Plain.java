package dev.rialto.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.rialto.Accepted;
import dev.rialto.Callee;
import dev.rialto.Client;
import dev.rialto.Directory;
import dev.rialto.Outcome;
import dev.rialto.PageOf;
import dev.rialto.Publication;
import dev.rialto.Reply;
import dev.rialto.Target;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Clients without a session: publishing, calling, looking inside. */
final class Plain {
  private Plain() {}

  static CompletableFuture<JsonElement> carryOut(People people, Command command) {
    return switch (command.verb()) {
      case "client" -> {
        Client before = people.clients.put(command.by(), client(command));
        yield before == null ? Then.now() : Then.done(before.closeAsync());
      }
      case "call" -> Then.tell(call(people, command), Plain::answer);
      case "publish" -> Then.tell(people.client(command).publish(publication(command)), Content::accepted);
      case "publish_batch" ->
          Then.tell(
              people.client(command).publishBatch(command.tables("items").stream().map(Plain::publication).toList()), Plain::outcomes);
      case "rooms" -> rooms(people.client(command).directory(), command);
      default -> disconnect(people.client(command).directory(), command);
    };
  }

  private static Client client(Command command) {
    Client.Builder builder = Client.builder(command.text("url"));
    command.ifText("token", builder::token);
    command.ifSpan("deadline_ms", builder::deadline);
    return builder.build();
  }

  private static Publication publication(Command command) {
    return new Publication(
        command.text("namespace"), Content.target(command), command.text("event"), Content.payload(command), Content.options(command));
  }

  private static JsonElement outcomes(List<Outcome<Accepted>> outcomes) {
    JsonArray told = new JsonArray();
    for (Outcome<Accepted> outcome : outcomes) {
      told.add(
          outcome
              .taken()
              .map(Content::accepted)
              .orElseGet(() -> Out.one("refused", outcome.refusal().orElseThrow().code())));
    }
    return Out.one("outcomes", told);
  }

  private static CompletableFuture<Reply> call(People people, Command command) {
    Callee callee = command.has("session") ? Callee.session(command.text("session")) : Callee.anyOf(command.text("any_of"));
    Duration within = command.has("timeout_ms") ? command.span("timeout_ms") : Duration.ofSeconds(5);
    String namespace = command.text("namespace");
    return people.sessions.containsKey(command.by())
        ? people.session(command).namespace(namespace).call(callee, command.text("event"), Content.payload(command), within)
        : people.client(command).call(namespace, callee, command.text("event"), Content.payload(command), within);
  }

  private static JsonElement answer(Reply reply) {
    JsonObject told = new JsonObject();
    Content.put(told, reply.payload());
    return told;
  }

  private static CompletableFuture<JsonElement> rooms(Directory directory, Command command) {
    return Then.tell(
        Keeping.all(
            page -> directory.rooms(command.text("namespace"), command.text("prefix"), page), PageOf.first(), Plain::room, new JsonArray()),
        all -> Out.one("rooms", all));
  }

  private static JsonElement room(Directory.RoomEntry room) {
    JsonObject told = Out.one("name", room.name());
    told.addProperty("members", room.memberCount());
    return told;
  }

  private static CompletableFuture<JsonElement> disconnect(Directory directory, Command command) {
    Target target = Target.user(command.text("user"));
    return Then.tell(
        directory.disconnectMembers(command.text("namespace"), target, command.text("reason"), Directory.Next.STAY_AWAY),
        changed -> Out.one("count", changed.count()));
  }
}
