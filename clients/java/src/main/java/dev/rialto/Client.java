package dev.rialto;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import rialto.v1.Messaging.CallRequest;
import rialto.v1.Messaging.PublishBatchRequest;
import rialto.v1.Messaging.PublishOutcome;
import rialto.v1.MessagingServiceGrpc;

/** A client without a session: it makes single calls. It connects when it is first used. */
public final class Client implements AutoCloseable {
  private final ClientCore core;

  private Client(ClientCore core) {
    this.core = core;
  }

  /**
   * Begins to make a client.
   *
   * @param url {@code http://host:port} or {@code https://host:port}
   */
  public static Builder builder(String url) {
    return new Builder(url);
  }

  /** A client of a server without authentication. */
  public static Client of(String url) {
    return builder(url).build();
  }

  ClientCore core() {
    return core;
  }

  /** Publishes text to the members of a room. */
  public CompletableFuture<Accepted> publish(String namespace, String room, String event, String text) {
    return publish(Publication.text(namespace, room, event, text));
  }

  /** Publishes an event. It is not repeated by itself; with an idempotency key the application can say it again. */
  public CompletableFuture<Accepted> publish(Publication publication) {
    return core.call(
        MessagingServiceGrpc.getPublishMethod(), publication.wire(), publication.options().deadline, response -> Accepted.of(response.getAccepted()));
  }

  /** Publishes up to 256 events, and gives an outcome for each, in their order. It fails only when the call does. */
  public CompletableFuture<List<Outcome<Accepted>>> publishBatch(List<Publication> publications) {
    PublishBatchRequest.Builder request = PublishBatchRequest.newBuilder();
    publications.forEach(publication -> request.addEntries(publication.wire()));
    return core.call(MessagingServiceGrpc.getPublishBatchMethod(), request.build(), null, response -> outcomes(response.getOutcomesList()));
  }

  private static List<Outcome<Accepted>> outcomes(List<PublishOutcome> outcomes) {
    List<Outcome<Accepted>> told = new ArrayList<>();
    for (PublishOutcome outcome : outcomes) {
      told.add(outcome.hasAccepted() ? Outcome.taken(Accepted.of(outcome.getAccepted())) : Outcome.refused(Failures.of(outcome.getRefused())));
    }
    return List.copyOf(told);
  }

  /** Asks one session, or any one member of a room, with text, and waits 5 s for its answer. */
  public CompletableFuture<Reply> call(String namespace, Callee callee, String event, String text) {
    return call(namespace, callee, event, Payload.text(text), Sending.ANSWERS_WITHIN);
  }

  /**
   * Asks one session, or any one member of a room, and gives its answer.
   *
   * @param within how long the callee has, at most 60 s
   * @return fails as {@code REFUSED} with {@code RECIPIENT_FAILED} and the receiver's text, {@code TIMED_OUT}, {@code RECIPIENT_LEFT}, or
   *     {@code NO_RECIPIENT}
   */
  public CompletableFuture<Reply> call(String namespace, Callee callee, String event, Payload payload, Duration within) {
    Duration wait = Sending.answersWithin(within);
    CallRequest.Builder request =
        CallRequest.newBuilder()
            .setNamespace(namespace)
            .setContent(Bodies.content(event, payload, EmitOptions.NONE))
            .setTimeout(Times.span(wait));
    if (callee.session != null) {
      request.setSession(callee.session);
    } else {
      request.setAnyOf(callee.anyOf);
    }
    Duration patience = wait.plus(Sending.SLACK);
    Duration longest = patience.compareTo(core.deadline()) < 0 ? core.deadline() : patience;
    return core.call(MessagingServiceGrpc.getCallMethod(), request.build(), longest, response -> Reply.of(response.getReply()));
  }

  /** What a room keeps of its events. */
  public History history(String namespace, String room) {
    return new History(core, namespace, room);
  }

  /** Who is in a room. */
  public Presence presence(String namespace, String room) {
    return new Presence(core, null, new RoomKey(namespace, room));
  }

  /** The keyed state of a room. */
  public State state(String namespace, String room) {
    return new State(core, null, new RoomKey(namespace, room));
  }

  /** Namespaces, rooms and members, for operators and backends. */
  public Directory directory() {
    return new Directory(core);
  }

  /** Who may come in, for operators. */
  public Admin admin() {
    return new Admin(core);
  }

  /** A queue of jobs. It exists as soon as something is put in. */
  public Jobs jobs(String namespace, String queue) {
    return new Jobs(core, namespace, queue);
  }

  /** Begins to make a worker of this name, which is for people, for example {@code import@host-3}. */
  public Worker.Builder worker(String name) {
    return Worker.builder(this).name(name);
  }

  /** Fails all calls with {@code CLOSED}, also those under way, and lets the connection go. */
  public CompletableFuture<Void> closeAsync() {
    return core.close();
  }

  /** The same, and waits for it. */
  @Override
  public void close() {
    core.close().join();
  }

  /** Gathers what a client is made with. */
  public static final class Builder {
    private final String url;
    private Tokens tokens = Tokens.NONE;
    private Duration deadline = Duration.ofSeconds(10);
    private byte[] certificates;
    private Executor executor;

    private Builder(String url) {
      this.url = url;
    }

    /** A token that is always the same. */
    public Builder token(String text) {
      this.tokens = Tokens.fixed(text);
      return this;
    }

    /** Where tokens come from: asked for each call and each stream. */
    public Builder token(TokenSource source) {
      this.tokens = Tokens.from(Objects.requireNonNull(source, "source"));
      return this;
    }

    /** Longest time of a call, token and connecting included. Default 10 s. */
    public Builder deadline(Duration span) {
      this.deadline = span;
      return this;
    }

    /** Certificates in PEM form that are trusted, for {@code https}. Default: those of the machine. */
    public Builder certificates(byte[] pem) {
      this.certificates = pem.clone();
      return this;
    }

    /** Where the work of workers runs, and what follows on futures. Default: a few threads of the client's own. */
    public Builder executor(Executor given) {
      this.executor = given;
      return this;
    }

    /**
     * Makes the client. Nothing is sent yet.
     *
     * @throws RialtoException of kind {@code INVALID} for an address that is none
     */
    public Client build() {
      Address address = Address.of(url);
      Loop loop = new Loop("rialto-client");
      Channels channels = new Channels(address, certificates, loop);
      return new Client(new ClientCore(loop, Callbacks.on(executor), channels, tokens, deadline));
    }
  }
}
