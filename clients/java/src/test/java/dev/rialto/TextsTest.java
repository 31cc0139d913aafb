package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class TextsTest {
  @Test
  void textsAreCutBetweenCharacters() {
    assertEquals("abc", Settlements.cut("abc", 3));
    assertEquals("ab", Settlements.cut("abc", 2));
    assertEquals("ä", Settlements.cut("äö", 3));
    assertEquals("", Settlements.cut("🐢", 3));
  }

  @Test
  void theEndOfAJwtIsReadAndNothingElse() {
    String claims = Base64.getUrlEncoder().withoutPadding().encodeToString("{\"sub\":\"ann\",\"exp\":1000}".getBytes(StandardCharsets.UTF_8));
    Instant now = Instant.ofEpochSecond(900);
    assertEquals(Optional.of(Duration.ofSeconds(100)), Token.of("e30." + claims + ".sig").life(now));
    assertEquals(Optional.empty(), Token.of("an api key").life(now));
    assertEquals(Optional.empty(), Token.of("a.b.c").life(now));
    assertEquals(Optional.of(Duration.ofSeconds(7)), Token.of("e30." + claims + ".sig", Duration.ofSeconds(7)).life(now));
    assertFalse(Token.of("secret").toString().contains("secret"));
  }

  @Test
  void anAddressBeginsWithItsScheme() {
    assertEquals(new Address("127.0.0.1", 7400, false), Address.of("http://127.0.0.1:7400"));
    assertEquals(new Address("example.com", 443, true), Address.of("https://example.com/"));
    for (String wrong : new String[] {"ftp://127.0.0.1", "127.0.0.1:7400", "", "http://"}) {
      assertEquals(ErrorKind.INVALID, assertThrows(RialtoException.class, () -> Address.of(wrong)).kind());
    }
  }

  @Test
  void whatAServerSaysByItsDetailsIsARefusal() {
    com.google.rpc.Status status =
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
            .setMessage("too fast")
            .addDetails(Any.pack(ErrorInfo.newBuilder().setDomain("rialto").setReason("RATE_LIMITED").putMetadata("limit", "emits").build()))
            .addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(Times.span(Duration.ofSeconds(2))).build()))
            .addDetails(
                Any.pack(
                    BadRequest.newBuilder()
                        .addFieldViolations(BadRequest.FieldViolation.newBuilder().setField("a.b").setDescription("wrong"))
                        .build()))
            .build();
    StatusException thrown = StatusProto.toStatusException(status);
    RialtoException failure = Failures.of(thrown.getStatus(), thrown.getTrailers(), true);
    assertEquals(ErrorKind.REFUSED, failure.kind());
    assertEquals("RATE_LIMITED", failure.code());
    assertEquals(Advice.LATER, failure.advice());
    assertEquals(Duration.ofSeconds(2), failure.after());
    assertEquals("emits", failure.limit());
    assertEquals("a.b", failure.violations().get(0).field());
    assertFalse(failure.mayHaveHappened());
  }

  @Test
  void aStatusWithoutDetailsIsNoWordOfAServer() {
    assertEquals(ErrorKind.UNAVAILABLE, Failures.of(Status.UNAVAILABLE, new Metadata(), false).kind());
    assertEquals(ErrorKind.UNKNOWN_OUTCOME, Failures.of(Status.UNAVAILABLE, new Metadata(), true).kind());
    assertEquals(ErrorKind.TIMED_OUT, Failures.of(Status.DEADLINE_EXCEEDED, new Metadata(), true).kind());
    RialtoException proxy = Failures.of(Status.NOT_FOUND, new Metadata(), true);
    assertEquals(ErrorKind.OTHER, proxy.kind());
    assertTrue(proxy.mayHaveHappened());
  }

  @Test
  void negativeDurationsAreNone() {
    assertEquals(Duration.ZERO, Times.span(com.google.protobuf.Duration.newBuilder().setSeconds(-5).build()));
  }

  @Test
  void bytesThatAreNotUtf8AreNoText() {
    assertEquals("żółw", Payload.bytes("żółw".getBytes(StandardCharsets.UTF_8)).text());
    assertEquals(ErrorKind.INVALID, assertThrows(RialtoException.class, () -> Payload.bytes(new byte[] {-1}).text()).kind());
  }
}
