package dev.rialto;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import rialto.v1.Admin.ListRevocationsRequest;
import rialto.v1.Admin.ReinstateRequest;
import rialto.v1.Admin.RevokeRequest;
import rialto.v1.AdminServiceGrpc;

/** Acting on who may come in, for operators. Needs the right {@code admin} in all namespaces. */
public final class Admin {
  private final ClientCore core;

  Admin(ClientCore core) {
    this.core = core;
  }

  /** What a revocation is about: exactly one of a user, a token and a session. */
  public sealed interface Subject {
    /** All tokens of a user that were made until the revocation. */
    record User(String name) implements Subject {}

    /** The token with this {@code jti}. */
    record TokenId(String id) implements Subject {}

    /** One session. */
    record SessionId(String id) implements Subject {}

    private static rialto.v1.Admin.Revoked wire(Subject subject) {
      rialto.v1.Admin.Revoked.Builder revoked = rialto.v1.Admin.Revoked.newBuilder();
      if (subject instanceof User user) {
        return revoked.setUser(user.name()).build();
      }
      return subject instanceof TokenId token ? revoked.setTokenId(token.id()).build() : revoked.setSessionId(((SessionId) subject).id()).build();
    }

    private static Subject of(rialto.v1.Admin.Revoked revoked) {
      return switch (revoked.getWhatCase()) {
        case TOKEN_ID -> new TokenId(revoked.getTokenId());
        case SESSION_ID -> new SessionId(revoked.getSessionId());
        case USER, WHAT_NOT_SET -> new User(revoked.getUser());
      };
    }
  }

  /**
   * A revocation.
   *
   * @param subject what is revoked
   * @param revokedAt when
   * @param keptUntil until when it is kept
   * @param reason why, for operators
   */
  public record Revocation(Subject subject, Instant revokedAt, Instant keptUntil, String reason) {
    static Revocation of(rialto.v1.Admin.Revocation revocation) {
      return new Revocation(
          Subject.of(revocation.getRevoked()), Times.at(revocation.getRevokedAt()), Times.at(revocation.getKeptUntil()), revocation.getReason());
    }
  }

  /**
   * It is revoked.
   *
   * @param revocation as it is kept
   * @param sessionsEnded how many sessions have ended by it
   * @param nodesMissing nodes that did not answer; they follow as soon as they are reached
   * @param durability what it survives
   */
  public record Revoked(Revocation revocation, int sessionsEnded, List<String> nodesMissing, Durability durability) {}

  /**
   * It is reinstated.
   *
   * @param wasRevoked there was a revocation
   * @param nodesMissing nodes that did not answer; they follow as soon as they are reached
   */
  public record Reinstated(boolean wasRevoked, List<String> nodesMissing) {}

  /**
   * Takes back what a user, a token or a session may. In force everywhere when it has ended.
   *
   * @param keep how long it is kept: longer than any token lives that it is about; null for 30 days
   * @param reason for operators, at most 256 bytes
   */
  public CompletableFuture<Revoked> revoke(Subject subject, Duration keep, String reason) {
    RevokeRequest.Builder request = RevokeRequest.newBuilder().setRevoked(Subject.wire(subject)).setReason(reason);
    if (keep != null) {
      request.setKeep(Times.span(keep));
    }
    return core.call(
        AdminServiceGrpc.getRevokeMethod(),
        request.build(),
        null,
        done ->
            new Revoked(
                Revocation.of(done.getRevocation()),
                done.getSessionsEnded(),
                List.copyOf(done.getNodesMissingList()),
                Durability.of(done.getDurability())));
  }

  /** What is revoked, the newest first. */
  public CompletableFuture<Page<Revocation>> revocations(PageOf page) {
    return core.call(
        AdminServiceGrpc.getListRevocationsMethod(),
        ListRevocationsRequest.newBuilder().setPageSize(page.size()).setPageToken(page.token()).build(),
        null,
        found ->
            new Page<>(
                found.getRevocationsList().stream().map(Revocation::of).toList(), found.getNextPageToken(), found.getTotalCount(), List.of()));
  }

  /** Ends a revocation before its time. Sessions that have ended do not come back. */
  public CompletableFuture<Reinstated> reinstate(Subject subject) {
    return core.call(
        AdminServiceGrpc.getReinstateMethod(),
        ReinstateRequest.newBuilder().setRevoked(Subject.wire(subject)).build(),
        null,
        done -> new Reinstated(done.getWasRevoked(), List.copyOf(done.getNodesMissingList())));
  }
}
