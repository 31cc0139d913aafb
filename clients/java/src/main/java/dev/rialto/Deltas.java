package dev.rialto;

import com.google.protobuf.ByteString;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import rialto.v1.EventOuterClass.Content;
import rialto.v1.EventOuterClass.Delta;
import rialto.v1.EventOuterClass.Event;

/** Payloads that come as the difference to an earlier one, and the earlier ones, within bounds. Nothing is ever guessed at. Pure. */
final class Deltas {
  private static final int BASES_MAX = 4096;
  private static final int BYTES_MAX = 16 << 20;
  private static final int DICTIONARY_MAX = 32 << 10;
  /** No namespace takes larger payloads. */
  private static final int PAYLOAD_MAX = 1 << 20;

  private record Thing(String namespace, List<String> rooms, String name, String key) {}

  private record Base(String eventId, byte[] dictionary) {}

  private final LinkedHashMap<Thing, Base> bases = new LinkedHashMap<>(16, 0.75f, true);
  private int bytes;

  /** A difference that cannot be made whole. */
  static final class Unmade extends Exception {
    private static final long serialVersionUID = 1L;

    Unmade(String reason) {
      super(reason);
    }
  }

  /** The event with its whole payload, which the next ones may build on. */
  Event restore(Event event) throws Unmade {
    Content content = event.getContent();
    Thing thing = new Thing(event.getNamespace(), List.copyOf(event.getRoomsList()), content.getEvent(), content.getKey());
    if (!event.hasDelta()) {
      keep(thing, event.getEventId(), payloadOf(content));
      return event;
    }
    Delta delta = event.getDelta();
    Base base = bases.get(thing);
    if (base == null || !base.eventId().equals(delta.getBaseEventId())) {
      throw new Unmade("the event that a difference was made to is not here");
    }
    byte[] payload = inflate(delta.getData().toByteArray(), base.dictionary());
    Content.Builder whole = content.toBuilder();
    if (delta.getText()) {
      whole.setText(text(payload));
    } else {
      whole.setBinary(ByteString.copyFrom(payload));
    }
    keep(thing, event.getEventId(), payload);
    return event.toBuilder().clearDelta().setContent(whole).build();
  }

  /** Another session has begun: nothing is made from what the former one has got. */
  void forget() {
    bases.clear();
    bytes = 0;
  }

  private static byte[] payloadOf(Content content) {
    return content.hasText() ? content.getTextBytes().toByteArray() : content.getBinary().toByteArray();
  }

  private static String text(byte[] payload) throws Unmade {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(java.nio.ByteBuffer.wrap(payload)).toString();
    } catch (CharacterCodingException broken) {
      throw new Unmade("a difference that says it is text is none");
    }
  }

  static byte[] inflate(byte[] data, byte[] dictionary) throws Unmade {
    Inflater inflater = new Inflater(true);
    try {
      inflater.setInput(data);
      inflater.setDictionary(dictionary);
      byte[] made = new byte[Math.min(PAYLOAD_MAX + 1, 64 << 10)];
      int length = 0;
      while (!inflater.finished()) {
        if (length == made.length) {
          made = java.util.Arrays.copyOf(made, Math.min(PAYLOAD_MAX + 1, 2 * made.length));
        }
        int more = inflater.inflate(made, length, made.length - length);
        length += more;
        if (length > PAYLOAD_MAX) {
          throw new Unmade("a difference makes more than " + PAYLOAD_MAX + " bytes");
        }
        if (more == 0 && !inflater.finished()) {
          throw new Unmade("a difference ends before its end");
        }
      }
      return java.util.Arrays.copyOf(made, length);
    } catch (DataFormatException | IllegalArgumentException broken) {
      throw new Unmade("a difference cannot be inflated");
    } finally {
      inflater.end();
    }
  }

  private void keep(Thing thing, String eventId, byte[] payload) {
    int from = Math.max(0, payload.length - DICTIONARY_MAX);
    Base base = new Base(eventId, java.util.Arrays.copyOfRange(payload, from, payload.length));
    Base before = bases.put(thing, base);
    bytes += base.dictionary().length - (before == null ? 0 : before.dictionary().length);
    Iterator<Map.Entry<Thing, Base>> oldest = bases.entrySet().iterator();
    while ((bases.size() > BASES_MAX || bytes > BYTES_MAX) && oldest.hasNext()) {
      bytes -= oldest.next().getValue().dictionary().length;
      oldest.remove();
    }
  }
}
