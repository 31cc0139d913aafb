package dev.rialto;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Session.Ping;
import rialto.v1.Session.Refresh;

/**
 * A session: one presence at a server, in many namespaces and rooms, through all reconnects. Everything that waits ends by a deadline, and
 * futures that are cancelled reach what they wait for. Closing it says goodbye.
 */
public final class Session implements AutoCloseable {
  private final Life life;

  private Session(Life life) {
    this.life = life;
  }

  /**
   * Begins to open a session.
   *
   * @param url {@code http://host:port} or {@code https://host:port}
   */
  public static Builder connect(String url) {
    return new Builder(url);
  }

  /** Its id, by which others see it; empty while it is not attached. */
  public String id() {
    return life.status() instanceof Status.Attached attached ? attached.session() : "";
  }

  /** The state of its connection now. */
  public Status status() {
    return life.status();
  }

  /** Has a listener hear each change of the status from now on, one after the other. One that is far behind hears the newest alone. */
  public Listening onStatus(Consumer<Status> listener) {
    Feed<Status> feed = new Feed<Status>(life.callbacks, Reports.KEPT).dropping(count -> life.status());
    life.follow(feed);
    feed.tellEach(listener);
    return feed::close;
  }

  /** What happens to it, from now on. Of what is not read in time the newest 64 are kept. */
  public Feed<Report> reports() {
    Feed<Report> feed = new Feed<>(life.callbacks, Reports.KEPT);
    life.kept.reports.follow(feed);
    return feed;
  }

  /** Has a listener hear what happens to it, from now on, one after the other. */
  public Listening onReport(Consumer<Report> listener) {
    Feed<Report> feed = reports();
    feed.tellEach(listener);
    return feed::close;
  }

  /** A namespace. */
  public Namespace namespace(String name) {
    return new Namespace(life, name);
  }

  /** All events of the session, from now on. */
  public Feed<Event> events() {
    return Hearing.feed(life, new Audience.Interest(null, null, null));
  }

  /** Has a listener hear all events of this name, one after the other, from now on. */
  public Listening on(String event, Consumer<Event> listener) {
    return Hearing.on(life, new Audience.Interest(null, null, event), listener);
  }

  /** Gives up all emits that wait for the connection and were never sent; each fails with {@code CLEARED}. Says how many. */
  public CompletableFuture<Integer> clearOfflineBuffer() {
    Promise<Integer> cleared = new Promise<>(life.callbacks);
    life.onLoop(() -> cleared.succeed(life.kept.outbox.clearEmits()), () -> cleared.succeed(0));
    return cleared;
  }

  /** Hands in a new token, of the same user. */
  public CompletableFuture<Void> refresh(String token) {
    ClientFrame.Builder wire = ClientFrame.newBuilder().setRefresh(Refresh.newBuilder().setToken(token));
    return Linked.map(Sending.one(life, Command.Kind.REFRESH, wire, null, frame -> frame.hasRefreshed() ? true : null), done -> null);
  }

  /** Asks the server for a sign of life. */
  public CompletableFuture<Void> ping() {
    ClientFrame.Builder wire = ClientFrame.newBuilder().setPing(Ping.getDefaultInstance());
    return Linked.map(Sending.one(life, Command.Kind.PING, wire, null, frame -> frame.hasPong() ? true : null), done -> null);
  }

  /** Begins the next attempt to connect at once, when one is waited for. */
  public void retryNow() {
    life.retryNow();
  }

  /** Sends what was handed over before, says goodbye, and lets everything go. Ends when that is done, 2 s at most. */
  public CompletableFuture<Void> closeAsync() {
    return life.close();
  }

  /** The same, and waits for it. */
  @Override
  public void close() {
    life.close().join();
  }

  /** Gathers what a session is opened with. */
  public static final class Builder {
    private final String url;
    private String user = "";
    private Tokens tokens = Tokens.NONE;
    private final Map<String, String> attributes = new LinkedHashMap<>();
    private String program = "rialto-java";
    private String version = "0.1.0";
    private Duration deadline = Duration.ofSeconds(10);
    private Duration connectTimeout = Duration.ofSeconds(10);
    private OfflineBuffer offline = OfflineBuffer.defaults();
    private int eventsWaiting = 256;
    private boolean waitForServer;
    private byte[] certificates;
    private Executor executor;

    private Builder(String url) {
      this.url = url;
    }

    /** The user, at servers without authentication. */
    public Builder user(String name) {
      this.user = name;
      return this;
    }

    /** A token that is always the same. */
    public Builder token(String text) {
      this.tokens = Tokens.fixed(text);
      return this;
    }

    /** Where tokens come from: asked for each attempt to connect, and before a token ends. */
    public Builder token(TokenSource source) {
      this.tokens = Tokens.from(Objects.requireNonNull(source, "source"));
      return this;
    }

    /** A pair that others see beside the session; at most 16, together 1 KiB. */
    public Builder attribute(String name, String value) {
      attributes.put(name, value);
      return this;
    }

    /** Name and version of the program, for the server's logs; at most 64 bytes each. */
    public Builder program(String name, String programVersion) {
      this.program = name;
      this.version = programVersion;
      return this;
    }

    /** Longest wait for an answer, waiting for a connection included. Default 10 s. */
    public Builder deadline(Duration span) {
      this.deadline = span;
      return this;
    }

    /** Longest time of one attempt to connect. Default 10 s. */
    public Builder connectTimeout(Duration span) {
      this.connectTimeout = span;
      return this;
    }

    /** How much may wait while there is no connection. */
    public Builder offlineBuffer(OfflineBuffer bounds) {
      this.offline = bounds;
      return this;
    }

    /** Items that wait in each feed of the session before it is slowed. Default 256. */
    public Builder eventsWaiting(int items) {
      this.eventsWaiting = Math.max(1, items);
      return this;
    }

    /** Attempts go on until one succeeds, instead of failing with the first. */
    public Builder waitForServer() {
      this.waitForServer = true;
      return this;
    }

    /** Certificates in PEM form that are trusted, for {@code https}. Default: those of the machine. */
    public Builder certificates(byte[] pem) {
      this.certificates = pem.clone();
      return this;
    }

    /** Where listeners run, and what follows on futures. Default: a few threads of the session's own. */
    public Builder executor(Executor given) {
      this.executor = given;
      return this;
    }

    /** Connects. Ends when the session is attached, or with what went wrong. */
    public CompletableFuture<Session> open() {
      Loop loop = new Loop("rialto-session");
      Life life;
      try {
        Channels channels = new Channels(Address.of(url), certificates, loop);
        life = new Life(loop, Callbacks.on(executor), settings(), new GrpcWire(channels));
      } catch (RialtoException invalid) {
        loop.end();
        return CompletableFuture.failedFuture(invalid);
      }
      Session session = new Session(life);
      return Linked.map(life.open(), opened -> session);
    }

    private SessionSettings settings() {
      return new SessionSettings(
          user, tokens, Map.copyOf(attributes), program, version, deadline, connectTimeout, offline, eventsWaiting, waitForServer);
    }
  }
}
