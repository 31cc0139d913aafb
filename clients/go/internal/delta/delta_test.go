package delta

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func event(id, key, text string) *rialtov1.Event {
	content := &rialtov1.Content{Event: "moved", Key: key, Body: &rialtov1.Content_Text{Text: text}}
	return &rialtov1.Event{Namespace: "chat", Rooms: []string{"a"}, EventId: id, Content: content}
}

func deflate(t *testing.T, base, text string) []byte {
	t.Helper()
	var data bytes.Buffer
	writer, err := flate.NewWriterDict(&data, flate.BestCompression, []byte(base))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func difference(t *testing.T, id, key, baseID, base, text string) *rialtov1.Event {
	t.Helper()
	made := event(id, key, "")
	made.Content.Body = nil
	made.Delta = &rialtov1.Delta{BaseEventId: baseID, Data: deflate(t, base, text), Text: true}
	return made
}

func TestTheVectorsOfTheServerInflate(t *testing.T) {
	data, err := os.ReadFile("../../../../tests/conformance/delta/vectors.json")
	if err != nil {
		t.Skip("the vectors stand in the repository alone")
	}
	var vectors []struct{ Base, Delta, Name, Payload string }
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, vector := range vectors {
		base, _ := hex.DecodeString(vector.Base)
		delta, _ := hex.DecodeString(vector.Delta)
		wanted, _ := hex.DecodeString(vector.Payload)
		payload, err := Inflate(base[max(0, len(base)-DictionaryBytes):], delta)
		if err != nil || !bytes.Equal(payload, wanted) {
			t.Errorf("%s: %v", vector.Name, err)
		}
	}
}

func TestADifferenceBecomesThePayloadThatWasSent(t *testing.T) {
	var bases Bases
	if err := bases.Restore(event("1", "k", "hello")); err != nil {
		t.Fatal(err)
	}
	changed := difference(t, "2", "k", "1", "hello", "hello you")
	if err := bases.Restore(changed); err != nil || changed.GetContent().GetText() != "hello you" {
		t.Fatal(err, changed)
	}
}

func TestWithoutItsBaseADifferenceIsNothing(t *testing.T) {
	var bases Bases
	_ = bases.Restore(event("1", "k", "hello"))
	for _, changed := range []*rialtov1.Event{
		difference(t, "2", "k", "0", "hello", "hello you"),
		difference(t, "2", "other", "1", "hello", "hello you"),
	} {
		if err := bases.Restore(changed); !errors.Is(err, ErrNoBase) {
			t.Error(err)
		}
	}
}

func TestWhatIsNoDifferenceIsTurnedDown(t *testing.T) {
	whole := deflate(t, "hello", "hello you, how are you today?")
	for _, data := range [][]byte{{}, {0xff, 0xff, 0xff}, whole[:len(whole)-3]} {
		if _, err := Inflate([]byte("hello"), data); !errors.Is(err, ErrBroken) {
			t.Errorf("%x: %v", data, err)
		}
	}
	bomb := deflate(t, "", strings.Repeat("0", PayloadMax+1))
	if _, err := Inflate(nil, bomb); !errors.Is(err, ErrBroken) {
		t.Error("a small difference made a payload without bound")
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	var bases Bases
	large := strings.Repeat("x", 2*DictionaryBytes)
	for number := range BasesMax + 10 {
		_ = bases.Restore(event("1", strconv.Itoa(number), large))
		if len(bases.runs) > BasesMax || bases.bytes > BytesMax {
			t.Fatal("too much is kept")
		}
	}
	last := strconv.Itoa(BasesMax + 9)
	if err := bases.Restore(difference(t, "2", last, "1", large[:DictionaryBytes], "small")); err != nil {
		t.Error(err)
	}
}
