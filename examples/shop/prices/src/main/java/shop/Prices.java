package shop;

import dev.rialto.Event;
import dev.rialto.RialtoException;
import dev.rialto.Room;
import dev.rialto.Session;
import dev.rialto.Status;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** A price service of the shop: says what an article costs, in cents, to whoever asks in the room {@code prices}. */
public final class Prices {
  private static final Map<String, Integer> CENTS = Map.of("coffee", 350, "tea", 280, "cake", 420);

  private Prices() {}

  public static void main(String[] arguments) {
    String url = System.getenv().getOrDefault("RIALTO_URL", "http://127.0.0.1:7400");
    try (Session session = Session.connect(url).user("prices").waitForServer().open().join()) {
      Status.Closed closed = serve(session).join();
      if (!closed.code().equals("CLOSED")) {
        System.err.println("prices: the server has closed the session: " + closed.reason());
        System.exit(1);
      }
    } catch (CompletionException failed) {
      System.err.println("prices: " + RialtoException.of(failed).getMessage());
      System.exit(1);
    }
  }

  /** Answers until the session is closed, by the server or when the process is told to end. */
  private static CompletableFuture<Status.Closed> serve(Session session) {
    CompletableFuture<Status.Closed> closed = new CompletableFuture<>();
    session.onStatus(
        status -> {
          if (status instanceof Status.Closed end) {
            closed.complete(end);
          }
        });
    Room room = session.namespace("shop").room("prices");
    // Listening comes before joining: between the two a question would be heard by nobody.
    room.on("price", Prices::answer);
    room.join().join();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> leave(room, session)));
    System.out.println("prices are told");
    return closed;
  }

  private static void answer(Event question) {
    String article = question.text();
    Integer cents = CENTS.get(article);
    CompletableFuture<Void> answered = cents == null ? question.replyError("there is no " + article) : question.reply(cents.toString());
    answered.exceptionally(
        failed -> {
          System.err.println("prices: " + question.user() + " could not be told: " + RialtoException.of(failed).getMessage());
          return null;
        });
  }

  /** Once it is not in the room any more others are asked, and the goodbye goes behind its last answers. */
  private static void leave(Room room, Session session) {
    room.part().orTimeout(2, TimeUnit.SECONDS).handle((parted, failed) -> session.closeAsync()).join().join();
  }
}
