package dev.rialto.driver;

import com.google.gson.JsonObject;
import dev.rialto.Accepted;
import dev.rialto.Delivery;
import dev.rialto.EmitOptions;
import dev.rialto.Event;
import dev.rialto.Payload;
import dev.rialto.Target;
import java.util.Base64;
import java.util.Locale;
import java.util.OptionalLong;

/** Payloads, targets, events and answers between JSON and the client. */
final class Content {
  private Content() {}

  static Payload payload(Command command) {
    Payload payload;
    if (command.has("text")) {
      payload = Payload.text(command.text("text"));
    } else if (command.has("base64")) {
      payload = Payload.bytes(Base64.getDecoder().decode(command.text("base64")));
    } else if (command.has("json")) {
      payload = Payload.json(command.value("json").toString());
    } else {
      payload = Payload.empty();
    }
    return command.has("content_type") ? payload.of(command.text("content_type")) : payload;
  }

  static void put(JsonObject told, Payload payload) {
    if (payload.isText()) {
      told.addProperty("text", payload.text());
    } else if (!payload.isEmpty()) {
      told.addProperty("base64", Base64.getEncoder().encodeToString(payload.bytes()));
    }
    if (!payload.contentType().isEmpty()) {
      told.addProperty("content_type", payload.contentType());
    }
  }

  static Target target(Command command) {
    return command.has("target") ? wide(command.of(command.table("target"))) : Target.room(command.text("room"));
  }

  private static Target wide(Command table) {
    if (table.flag("everyone")) {
      return Target.everyone();
    }
    if (table.has("any_of")) {
      return Target.anyOf(table.text("any_of"));
    }
    return Target.rooms(table.texts("rooms")).andUsers(table.texts("users")).andSessions(table.texts("sessions"));
  }

  static EmitOptions options(Command command) {
    EmitOptions.Builder options = EmitOptions.builder();
    command.textsByKey("headers").forEach(options::header);
    command.ifText("key", options::key);
    command.ifText("idempotency_key", options::idempotencyKey);
    command.ifText("delivery", word -> options.delivery(Delivery.valueOf(word.toUpperCase(Locale.ROOT))));
    command.ifFlag("include_sender", options::includeSender);
    command.texts("except_rooms").forEach(options::exceptRoom);
    command.texts("except_sessions").forEach(options::exceptSession);
    command.ifFlag("local", options::local);
    command.ifSpan("deadline_ms", options::deadline);
    return options.build();
  }

  static JsonObject event(Event event) {
    JsonObject told = new JsonObject();
    told.addProperty("name", event.name());
    told.addProperty("namespace", event.namespace());
    Out.put(told, "rooms", event.rooms());
    told.addProperty("user", event.user());
    told.addProperty("session", event.sender());
    told.addProperty("id", event.id());
    told.addProperty("key", event.key());
    putOffset(told, "offset", event.offset());
    told.addProperty("epoch", event.epoch());
    told.addProperty("asks", event.wantsReply());
    Out.put(told, "headers", event.headers());
    put(told, event.payload());
    return told;
  }

  static JsonObject accepted(Accepted accepted) {
    JsonObject told = new JsonObject();
    told.addProperty("event_id", accepted.eventId());
    told.addProperty("recipients", accepted.recipients());
    putOffset(told, "offset", accepted.offset());
    told.addProperty("epoch", accepted.epoch());
    told.addProperty("duplicate", accepted.duplicate());
    told.addProperty("durability", accepted.durability().name().toLowerCase(Locale.ROOT));
    return told;
  }

  static void putOffset(JsonObject told, String key, OptionalLong offset) {
    offset.ifPresent(present -> told.addProperty(key, present));
  }
}
