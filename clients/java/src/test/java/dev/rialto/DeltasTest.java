package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import rialto.v1.EventOuterClass.Content;
import rialto.v1.EventOuterClass.Delta;
import rialto.v1.EventOuterClass.Event;

class DeltasTest {
  private static final Path VECTORS = Path.of("../../tests/conformance/delta/vectors.json");
  private static final Pattern VECTOR =
      Pattern.compile("\"base\":\\s*\"(\\p{XDigit}*)\",\\s*\"delta\":\\s*\"(\\p{XDigit}*)\",\\s*\"name\":[^\\n]*\\s*\"payload\":\\s*\"(\\p{XDigit}*)\"");

  private static Event.Builder event(String id) {
    return Event.newBuilder().setNamespace("chat").addRooms("hall").setEventId(id).setContent(Content.newBuilder().setEvent("moved"));
  }

  private static Event whole(String id, String text) {
    Event.Builder event = event(id);
    event.getContentBuilder().setText(text);
    return event.build();
  }

  private static Event difference(String id, String base, String hex) {
    ByteString data = ByteString.copyFrom(HexFormat.of().parseHex(hex));
    return event(id).setDelta(Delta.newBuilder().setBaseEventId(base).setData(data).setText(true)).build();
  }

  @Test
  void theVectorsAreRead() throws IOException, Deltas.Unmade {
    Matcher vector = VECTOR.matcher(Files.readString(VECTORS));
    int count = 0;
    while (vector.find()) {
      byte[] base = HexFormat.of().parseHex(vector.group(1));
      byte[] dictionary = Arrays.copyOfRange(base, Math.max(0, base.length - (32 << 10)), base.length);
      byte[] made = Deltas.inflate(HexFormat.of().parseHex(vector.group(2)), dictionary);
      assertArrayEquals(HexFormat.of().parseHex(vector.group(3)), made);
      count++;
    }
    assertEquals(5, count);
  }

  @Test
  void aDifferenceToWhatIsNotHereIsNotGuessedAt() throws Deltas.Unmade {
    Deltas deltas = new Deltas();
    deltas.restore(whole("1", "some text"));
    assertThrows(Deltas.Unmade.class, () -> deltas.restore(difference("3", "2", "0300")));
    deltas.forget();
    assertThrows(Deltas.Unmade.class, () -> deltas.restore(difference("3", "1", "0300")));
  }

  @Test
  void whatDoesNotInflateIsNotGuessedAt() throws Deltas.Unmade {
    Deltas deltas = new Deltas();
    deltas.restore(whole("1", "some text"));
    assertThrows(Deltas.Unmade.class, () -> deltas.restore(difference("2", "1", "ffff")));
    assertThrows(Deltas.Unmade.class, () -> deltas.restore(difference("2", "1", "")));
  }

  @Test
  void anEmptyDifferenceMakesAnEmptyPayload() throws Deltas.Unmade {
    Deltas deltas = new Deltas();
    deltas.restore(whole("1", "some text"));
    assertEquals("", deltas.restore(difference("2", "1", "0300")).getContent().getText());
  }
}
