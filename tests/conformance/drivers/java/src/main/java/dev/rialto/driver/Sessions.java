package dev.rialto.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import dev.rialto.OfflineBuffer;
import dev.rialto.Report;
import dev.rialto.Session;
import dev.rialto.Status;
import dev.rialto.Token;
import dev.rialto.TokenSource;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/** Sessions: how they begin and end, and what they tell about themselves. */
final class Sessions {
  private Sessions() {}

  static CompletableFuture<JsonElement> carryOut(People people, Command command) {
    if (command.verb().equals("connect")) {
      return Then.tell(connecting(command).open(), session -> connected(people, command, session));
    }
    Session session = people.session(command);
    return switch (command.verb()) {
      case "close" -> Then.done(session.closeAsync());
      case "ping" -> Then.done(session.ping());
      case "refresh" -> Then.done(session.refresh(command.text("token")));
      case "retry_now" -> {
        session.retryNow();
        yield Then.now();
      }
      case "clear_buffer" -> Then.tell(session.clearOfflineBuffer(), count -> Out.one("count", count));
      default -> CompletableFuture.completedFuture(present(session));
    };
  }

  private static JsonObject present(Session session) {
    JsonObject told = Out.one("session", session.id());
    told.addProperty("status", word(session.status()));
    return told;
  }

  private static Session.Builder connecting(Command command) {
    Session.Builder connecting = Session.connect(command.text("url"));
    command.ifText("user", connecting::user);
    command.ifText("token", connecting::token);
    if (command.has("tokens")) {
      connecting.token(tokens(command));
    }
    command.textsByKey("attributes").forEach(connecting::attribute);
    command.ifSpan("deadline_ms", connecting::deadline);
    command.ifSpan("connect_timeout_ms", connecting::connectTimeout);
    command.ifFlag("wait", connecting::waitForServer);
    if (command.has("events_waiting")) {
      connecting.eventsWaiting(command.count("events_waiting"));
    }
    if (command.has("offline")) {
      connecting.offlineBuffer(offline(command.of(command.table("offline"))));
    }
    return connecting;
  }

  private static OfflineBuffer offline(Command table) {
    OfflineBuffer usual = OfflineBuffer.defaults();
    boolean drops = table.text("overflow").equals("drop-oldest");
    return new OfflineBuffer(
        (int) table.number("count", usual.countMax()),
        table.number("bytes", usual.bytesMax()),
        table.span("age_ms"),
        drops ? OfflineBuffer.Overflow.DROP_OLDEST : OfflineBuffer.Overflow.REFUSE);
  }

  /** A source that gives out one answer after the other, the last one for ever. */
  private static TokenSource tokens(Command command) {
    JsonArray answers = command.list("tokens");
    AtomicInteger asked = new AtomicInteger();
    return () -> {
      int now = asked.incrementAndGet();
      Out.tell(command.by(), "token_asked", new JsonPrimitive(now));
      return token(answers.get(Math.min(now, answers.size()) - 1));
    };
  }

  private static CompletableFuture<Token> token(JsonElement answer) {
    if (answer.isJsonPrimitive()) {
      return CompletableFuture.completedFuture(Token.of(answer.getAsString()));
    }
    JsonObject table = answer.getAsJsonObject();
    if (!table.has("text")) {
      return CompletableFuture.failedFuture(new IllegalStateException("no token today"));
    }
    String text = table.get("text").getAsString();
    return CompletableFuture.completedFuture(
        table.has("expires_in_ms") ? Token.of(text, Duration.ofMillis(table.get("expires_in_ms").getAsLong())) : Token.of(text));
  }

  private static JsonElement connected(People people, Command command, Session session) {
    session.onStatus(status -> tell(command.by(), status));
    session.onReport(report -> tell(command.by(), report));
    people.sessions.put(command.by(), session);
    JsonObject told = Out.one("session", session.id());
    if (session.status() instanceof Status.Attached attached) {
      told.addProperty("user", attached.user());
    }
    return told;
  }

  private static String word(Status status) {
    return status.getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  private static void tell(String by, Status status) {
    Out.tell(by, "status", word(status));
    if (status instanceof Status.Closed closed) {
      Out.tell(by, "closed", Out.one("code", closed.code()));
    }
  }

  private static void tell(String by, Report report) {
    if (report instanceof Report.Reconnected reconnected) {
      Out.tell(by, "reconnected", Out.one("resumed", reconnected.resumed()));
    } else if (report instanceof Report.Missed missed) {
      JsonObject told = Out.one("namespace", missed.namespace());
      Out.put(told, "rooms", missed.rooms());
      told.addProperty("count", missed.count());
      Content.putOffset(told, "from_offset", missed.fromOffset());
      Content.putOffset(told, "to_offset", missed.toOffset());
      Out.tell(by, "missed", told);
    } else if (report instanceof Report.RejoinRefused refused) {
      JsonObject told = Out.one("namespace", refused.namespace());
      told.addProperty("room", refused.room());
      told.addProperty("code", refused.refusal().code());
      Out.tell(by, "rejoin_refused", told);
    } else if (report instanceof Report.Joined joined) {
      JsonObject told = Out.one("namespace", joined.namespace());
      Out.put(told, "rooms", joined.rooms());
      Out.tell(by, "joined", told);
    } else if (report instanceof Report.Parted parted) {
      JsonObject told = Out.one("namespace", parted.namespace());
      Out.put(told, "rooms", parted.rooms());
      Out.tell(by, "parted", told);
    } else if (report instanceof Report.Draining) {
      Out.tell(by, "draining", true);
    } else if (report instanceof Report.TokenUnavailable) {
      Out.tell(by, "token_unavailable", true);
    } else if (report instanceof Report.Refused refused) {
      Out.tell(by, "refused", Out.one("code", refused.refusal().code()));
    }
  }
}
