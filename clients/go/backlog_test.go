package rialto

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func saying(text string, options ...EmitOption) *command {
	made, err := newEmission(Rooms("hall"), "message", text, options)
	if err != nil {
		panic(err)
	}
	return made.command("chat")
}

func codeOfOutcome(t *testing.T, c *command) string {
	t.Helper()
	select {
	case ended := <-c.outcome:
		return ended.err.Code
	default:
		return "none"
	}
}

func TestAFullBufferRefusesOrMakesRoom(t *testing.T) {
	ctx := context.Background()
	refusing := newBacklog(OfflineBuffer{Commands: 1, Bytes: 1000})
	if err := refusing.put(ctx, saying("1")); err != nil {
		t.Fatal(err)
	}
	if err := refusing.put(ctx, saying("2")); err == nil || err.Code != "FULL" {
		t.Error(err)
	}
	dropping := newBacklog(OfflineBuffer{Commands: 2, Bytes: 1000, Overflow: DropOldest})
	ping, first := pingCommand(), saying("1")
	for _, c := range []*command{ping, first, saying("2")} {
		if err := dropping.put(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if code := codeOfOutcome(t, first); code != "MADE_ROOM" {
		t.Error(code)
	}
	if dropping.peek() != ping {
		t.Error("only emits make room")
	}
}

func TestBytesAreBoundedButOneAloneMayHaveMore(t *testing.T) {
	b := newBacklog(OfflineBuffer{Commands: 10, Bytes: 100})
	if err := b.put(context.Background(), saying(strings.Repeat("x", 500))); err != nil {
		t.Error(err)
	}
	if err := b.put(context.Background(), saying("2")); err == nil || err.Code != "FULL" {
		t.Error(err)
	}
	none := newBacklog(OfflineBuffer{Bytes: 100})
	if err := none.put(context.Background(), saying("1")); err == nil || err.Code != "FULL" {
		t.Error("with a count of 0 nothing waits", err)
	}
}

func TestWhileAttachedACallerWaitsInLine(t *testing.T) {
	b := newBacklog(OfflineBuffer{Commands: 1, Bytes: 1000})
	b.attach("s")
	first, second := saying("1"), saying("2")
	_ = b.put(context.Background(), first)
	placed := make(chan *Error, 1)
	go func() { placed <- b.put(context.Background(), second) }()
	for {
		b.mu.Lock()
		waits := len(b.line)
		b.mu.Unlock()
		if waits == 1 {
			break
		}
		runtime.Gosched()
	}
	if !b.take(first, time.Now()) || <-placed != nil || b.peek() != second {
		t.Error("who waits gets the place that is free")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.put(ctx, saying("3")); err == nil || err.Kind != Cancelled || err.MayHaveHappened {
		t.Error(err)
	}
}

func TestVolatileEmitsDoNotWait(t *testing.T) {
	b := newBacklog(DefaultOfflineBuffer())
	if err := b.put(context.Background(), saying("1", Volatile())); err == nil || err.Kind != Unavailable {
		t.Error(err)
	}
	b.attach("s")
	waits := saying("2", Volatile())
	_ = b.put(context.Background(), waits)
	b.detach("lost")
	if ended := <-waits.outcome; ended.err.Kind != Unavailable {
		t.Error(ended.err)
	}
}

func TestClearingIsForEmitsAlone(t *testing.T) {
	b := newBacklog(DefaultOfflineBuffer())
	ping := pingCommand()
	for _, c := range []*command{saying("1"), ping, saying("2")} {
		_ = b.put(context.Background(), c)
	}
	if count := b.clear(); count != 2 || b.peek() != ping {
		t.Error(count)
	}
}

func TestAReplyGoesToNoOtherSession(t *testing.T) {
	b := newBacklog(DefaultOfflineBuffer())
	reply := newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Reply{Reply: &rialtov1.Reply{}}})
	reply.session = "one"
	b.attach("one")
	_ = b.put(context.Background(), reply)
	if b.peek() != reply {
		t.Error("the session goes on")
	}
	b.detach("lost")
	b.attach("two")
	if b.peek() != nil {
		t.Error("another session was not asked")
	}
	if err := b.put(context.Background(), reply); err == nil || err.Kind != Unavailable {
		t.Error(err)
	}
}

func TestAfterTheEndEverythingFails(t *testing.T) {
	b := newBacklog(DefaultOfflineBuffer())
	waits := saying("1")
	_ = b.put(context.Background(), waits)
	b.close(closedHere())
	if ended := <-waits.outcome; ended.err.Kind != Closed || ended.err.MayHaveHappened {
		t.Error(ended.err)
	}
	err := b.put(context.Background(), saying("2"))
	var failed *Error
	if !errors.As(err, &failed) || failed.Code != "CLOSED" {
		t.Error(err)
	}
}
