package dev.rialto.driver;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.rialto.RialtoException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The driver of the Java client: commands come as lines of JSON, answers and reports go out as such. What the lines mean is in
 * tests/conformance/README.md. Commands are begun one after the other, on the thread that reads; none waits for the end of another.
 */
public final class Main {
  private final Map<Long, CompletableFuture<?>> underWay = new ConcurrentHashMap<>();
  private final People people = new People();

  private Main() {}

  public static void main(String[] arguments) throws IOException {
    new Main().read();
    // Sessions that are still there have threads of their own.
    System.exit(0);
  }

  private void read() throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      Command command = Command.read(line);
      if (command == null) {
        System.err.println("no command: " + line);
      } else if (command.verb().equals("cancel")) {
        cancel(command);
      } else {
        begin(command);
      }
    }
  }

  private void begin(Command command) {
    CompletableFuture<JsonElement> outcome = carryOut(command);
    underWay.put(command.id(), outcome);
    outcome.whenComplete(
        (done, thrown) -> {
          underWay.remove(command.id());
          Out.answer(command.id(), done, thrown);
        });
  }

  private void cancel(Command command) {
    CompletableFuture<?> other = underWay.get(command.number("command", 0));
    if (other != null) {
      other.cancel(false);
    }
    Out.answer(command.id(), new JsonObject(), null);
  }

  private CompletableFuture<JsonElement> carryOut(Command command) {
    try {
      return switch (command.verb()) {
        case "connect", "close", "session", "ping", "refresh", "retry_now", "clear_buffer" -> Sessions.carryOut(people, command);
        case "enter", "leave", "join", "part", "room", "listen", "let_go", "reply", "emit", "ask" -> Rooms.carryOut(people, command);
        case "history", "presence", "who", "watch_presence", "get_state", "all_state", "set_state", "remove_state", "watch_state" ->
            Keeping.carryOut(people, command);
        case "call", "client", "publish", "publish_batch", "rooms", "disconnect" -> Plain.carryOut(people, command);
        case "work", "stop_work", "finish", "progress", "checkpoint", "read_payload" -> Workers.carryOut(people, command);
        default -> Queues.carryOut(people, command);
      };
    } catch (RialtoException failure) {
      return CompletableFuture.failedFuture(failure);
    } catch (RuntimeException broken) {
      return CompletableFuture.failedFuture(new Refusal(broken.toString()));
    }
  }
}
