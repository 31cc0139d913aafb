package rialto

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func TestEmitsLeaveAsTheServerTakesThem(t *testing.T) {
	var p pace
	now := time.Now()
	p.limit(&rialtov1.Limits{EmitsPerSecond: 2, EmitsBurst: 5}, false, now)
	for range 4 {
		if p.wait(now) != 0 {
			t.Fatal("the burst is not over")
		}
		p.leaves()
	}
	if wait := p.wait(now); wait != 500*time.Millisecond {
		t.Error(wait)
	}
	p.limit(&rialtov1.Limits{EmitsPerSecond: 2, EmitsBurst: 5}, true, now)
	if p.wait(now) == 0 {
		t.Error("a session that goes on keeps what is left")
	}
	if p.wait(now.Add(time.Second)) != 0 {
		t.Error("the bucket fills with time")
	}
	var none pace
	none.limit(&rialtov1.Limits{}, false, now)
	if none.wait(now) != 0 {
		t.Error("a rate of 0 is none")
	}
}

func TestATokenSaysItsEndAndNothingElse(t *testing.T) {
	now := time.Unix(1_000, 0)
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1060,"sub":"ann"}`))
	for text, life := range map[string]time.Duration{"a." + claims + ".c": time.Minute, "key": 0, "a.b.c": 0} {
		if got := (Token{Text: text}).life(now); got != life {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got := (Token{Text: "a." + claims + ".c", ExpiresIn: time.Second}).life(now); got != time.Second {
		t.Error("what the callback says counts", got)
	}
	for _, shown := range []string{fmt.Sprint(Token{Text: "sesame"}), fmt.Sprintf("%#v %+v", Token{Text: "sesame"}, Token{Text: "sesame"})} {
		if strings.Contains(shown, "sesame") {
			t.Error(shown)
		}
	}
	if checked("a\nb") == nil {
		t.Error("metadata cannot carry it")
	}
}

func TestACallbackThatHangsIsNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	source := tokenSource{ask: func(context.Context) (Token, error) { <-over; return Token{}, nil }}
	cancel()
	if _, err := source.fetch(ctx); err == nil {
		t.Error("no token came")
	}
	close(over)
}

func TestAddressesBeginWithTheirScheme(t *testing.T) {
	for text, host := range map[string]string{
		"http://localhost:7400": "localhost:7400", "https://chat.example": "chat.example:443", "http://[::1]": "[::1]:80",
	} {
		if at, err := parseAddress(text, nil); err != nil || at.host != host {
			t.Error(text, at, err)
		}
	}
	for _, text := range []string{"localhost:7400", "ftp://127.0.0.1", "http://", "::"} {
		if _, err := parseAddress(text, nil); asError(err) == nil || asError(err).Kind != Invalid {
			t.Error(text, err)
		}
	}
}

func TestAPayloadIsTextBytesNothingOrJSON(t *testing.T) {
	for _, payload := range []any{"text", []byte{0, 255}, nil, map[string]int{"<a>": 1}} {
		if _, err := encode(payload); err != nil {
			t.Error(payload, err)
		}
	}
	if made, _ := encode(map[string]string{"a": "<b>"}); *made.text != `{"a":"<b>"}` || made.contentType != "application/json" {
		t.Error(*made.text)
	}
	for _, payload := range []any{"\xff", make(chan int)} {
		if _, err := encode(payload); asError(err).Kind != Invalid {
			t.Error(err)
		}
	}
	if _, err := newEmission(Rooms("a"), "e", nil, []EmitOption{Volatile(), Latest()}); asError(err).Kind != Invalid {
		t.Error("volatile and latest", err)
	}
}

func TestDurationsThatMakeNoSenseAreZeroOrLong(t *testing.T) {
	for _, step := range []struct {
		given  *durationpb.Duration
		wanted time.Duration
	}{
		{nil, 0}, {&durationpb.Duration{Seconds: -1}, 0}, {&durationpb.Duration{Nanos: -1}, 0},
		{&durationpb.Duration{Seconds: 2, Nanos: 5}, 2*time.Second + 5}, {&durationpb.Duration{Seconds: 1 << 62}, 1<<63 - 1},
	} {
		if got := span(step.given); got != step.wanted {
			t.Error(step.given, got)
		}
	}
}

func TestAHistoryHasOneStart(t *testing.T) {
	history := newHistory(nil, "chat", "hall", []HistoryOption{Newest(3), From(1)})
	if _, err := history.Page(context.Background(), ""); asError(err).Kind != Invalid {
		t.Error(err)
	}
}

func TestAJobBeginsAfterADelayOrAtATime(t *testing.T) {
	if _, err := (NewJob{Delay: 1, RunAt: time.Now()}).wire(true); asError(err).Kind != Invalid {
		t.Error(err)
	}
	named, _ := NewJob{}.wire(true)
	unnamed, _ := NewJob{Chain: []ChainedJob{{Job: NewJob{}}}}.wire(false)
	if len(named.GetJobId()) != 32 || unnamed.GetJobId() != "" || unnamed.GetChain()[0].GetJob().GetJobId() != "" {
		t.Error(named, unnamed)
	}
}

func TestAnUploadedPayloadIsNotEmpty(t *testing.T) {
	uploaded := JobPayload{Uploaded: &Uploaded{"u", 9}}
	if _, err := uploaded.Text(); asError(err) == nil || asError(err).Kind != Invalid {
		t.Error(err)
	}
}
