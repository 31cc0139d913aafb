// Package delta makes payloads whole that came as differences: it keeps the last payload of each run of events. It
// makes the payload that was sent, or says that it cannot; never another one.
package delta

import (
	"bytes"
	"compress/flate"
	"container/list"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Bounds of what is kept and made.
const (
	DictionaryBytes = 32 << 10
	BasesMax        = 4096
	BytesMax        = 16 << 20
	PayloadMax      = 1 << 20
)

// Why a payload could not be made.
var (
	ErrNoBase  = errors.New("the payload it builds on is not here")
	ErrBroken  = errors.New("it does not fit the payload it builds on")
	ErrNotText = errors.New("it is not UTF-8")
)

// Bases are the payloads that others build on. The zero value is ready.
type Bases struct {
	runs  map[string]*list.Element
	used  list.List
	bytes int
}

type base struct {
	run        string
	eventID    string
	dictionary []byte
}

// Restore makes the payload of event whole, and remembers it for the next.
func (b *Bases) Restore(event *rialtov1.Event) error {
	run := runOf(event)
	if difference := event.GetDelta(); difference != nil {
		event.Delta = nil
		known, ok := b.runs[run]
		if !ok || known.Value.(*base).eventID != difference.GetBaseEventId() {
			return ErrNoBase
		}
		payload, err := Inflate(known.Value.(*base).dictionary, difference.GetData())
		if err != nil {
			return err
		}
		if err := fill(event, payload, difference.GetText()); err != nil {
			return err
		}
	}
	b.remember(run, event)
	return nil
}

func fill(event *rialtov1.Event, payload []byte, text bool) error {
	if event.Content == nil {
		event.Content = &rialtov1.Content{}
	}
	if !text {
		event.Content.Body = &rialtov1.Content_Binary{Binary: payload}
		return nil
	}
	if !utf8.Valid(payload) {
		return ErrNotText
	}
	event.Content.Body = &rialtov1.Content_Text{Text: string(payload)}
	return nil
}

// Forget lets go of everything: another session begins.
func (b *Bases) Forget() { *b = Bases{} }

func (b *Bases) remember(run string, event *rialtov1.Event) {
	if b.runs == nil {
		b.runs = map[string]*list.Element{}
	}
	if known, ok := b.runs[run]; ok {
		b.remove(known)
	}
	payload := payloadOf(event)
	if len(payload) > DictionaryBytes {
		payload = payload[len(payload)-DictionaryBytes:]
	}
	made := &base{run: run, eventID: event.GetEventId(), dictionary: bytes.Clone(payload)}
	b.bytes += len(made.dictionary)
	b.runs[run] = b.used.PushBack(made)
	for len(b.runs) > BasesMax || b.bytes > BytesMax {
		b.remove(b.used.Front())
	}
}

func (b *Bases) remove(known *list.Element) {
	gone := b.used.Remove(known).(*base)
	delete(b.runs, gone.run)
	b.bytes -= len(gone.dictionary)
}

func payloadOf(event *rialtov1.Event) []byte {
	switch body := event.GetContent().GetBody().(type) {
	case *rialtov1.Content_Text:
		return []byte(body.Text)
	case *rialtov1.Content_Binary:
		return body.Binary
	}
	return nil
}

// runOf names the events that build on each other: those of the same namespace, rooms, name and key. No name has a
// control character in it, so that one can stand between them; a key is last.
func runOf(event *rialtov1.Event) string {
	parts := append([]string{event.GetNamespace(), event.GetContent().GetEvent()}, event.GetRooms()...)
	return strings.Join(parts, "\x00") + "\x00\x00" + event.GetContent().GetKey()
}

// Inflate makes a payload of a difference and the dictionary that it was made with.
func Inflate(dictionary, data []byte) ([]byte, error) {
	reader := flate.NewReaderDict(bytes.NewReader(data), dictionary)
	payload, err := io.ReadAll(io.LimitReader(reader, PayloadMax+1))
	if err != nil || len(payload) > PayloadMax {
		return nil, ErrBroken
	}
	return payload, nil
}
