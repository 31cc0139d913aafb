package rialto

import (
	"slices"
	"testing"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func replying() *command {
	return newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Reply{Reply: &rialtov1.Reply{}}})
}

func settingState() *command {
	return newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_SetState{SetState: &rialtov1.SetState{}}})
}

func sent(commands ...*command) *outstanding {
	o := newOutstanding()
	for _, c := range commands {
		c.sentAt = time.Now()
		o.add(c)
	}
	return o
}

func kindOf(c *command) Kind {
	select {
	case ended := <-c.outcome:
		return ended.err.Kind
	default:
		return ""
	}
}

func TestASessionThatGoesOnSaysAgainWhatWasNotTaken(t *testing.T) {
	taken, emit, volatile, state := saying("1"), saying("2"), saying("3", Volatile()), settingState()
	o := sent(taken, emit, volatile, state)
	if again := o.resumed(1); !slices.Equal(again, []*command{emit, state}) {
		t.Error(again)
	}
	if emit.ref != 2 || state.ref != 4 {
		t.Error("they keep their refs")
	}
	if kind := kindOf(volatile); kind != Unavailable {
		t.Error(kind)
	}
}

func TestALostSessionSaysAgainWhatCannotHappenTwice(t *testing.T) {
	keyed, unkeyed, volatile := saying("1"), saying("2", IdempotencyKey("")), saying("3", Volatile())
	state, join, ping, old := settingState(), joinCommand(&rialtov1.Join{}), pingCommand(), saying("4")
	o := sent(keyed, unkeyed, volatile, state, join, ping, old)
	old.sentAt = time.Now().Add(-keysKnown)
	if again := o.lost(time.Now()); !slices.Equal(again, []*command{keyed, join, ping}) {
		t.Error(again)
	}
	for _, c := range []*command{unkeyed, volatile, state, old} {
		if kind := kindOf(c); kind != UnknownOutcome {
			t.Error(kind)
		}
	}
	if !o.isEmpty() || o.lastRef != 0 {
		t.Error("refs begin anew")
	}
}

func TestAQuestionThatWasTakenEndsWithItsSession(t *testing.T) {
	made, _ := newEmission(Rooms("hall"), "message", nil, nil)
	question, _ := made.question("chat")
	o := sent(question)
	o.accepted(question)
	if o.window != 0 || o.windowBytes != 0 {
		t.Error("its place is free")
	}
	if again := o.lost(time.Now()); len(again) != 0 {
		t.Error(again)
	}
	if _, _, ended, why := question.answers.next(); !ended || why.Kind != UnknownOutcome {
		t.Error(why)
	}
}

func TestTheWindowIsBounded(t *testing.T) {
	o := newOutstanding()
	for range windowCommands {
		o.add(pingCommand())
	}
	if o.hasRoom(pingCommand()) {
		t.Error("too many are under way")
	}
	large := saying("x")
	large.bytes = windowBytes + 1
	if !newOutstanding().hasRoom(large) || sent(pingCommand()).hasRoom(large) {
		t.Error("one alone may have any size")
	}
}

func TestAnAnswerIsASignThatRepliesBeforeItWereTaken(t *testing.T) {
	var commands []*command
	for range repliesUnconfirmed {
		commands = append(commands, replying())
	}
	ping := pingCommand()
	o := sent(append(commands, ping)...)
	if !o.wantsSign() {
		t.Error("the server has to give a sign")
	}
	if o.answerTo(&rialtov1.ServerFrame{Ref: ping.ref}) != ping || len(o.entries) != 1 || o.wantsSign() {
		t.Error(len(o.entries))
	}
}

func TestWhatNobodyWaitsForIsForgotten(t *testing.T) {
	emit, join := saying("1"), joinCommand(&rialtov1.Join{})
	o := sent(emit, join)
	emit.abandoned.Store(true)
	join.abandoned.Store(true)
	o.sweep()
	if _, kept := o.entries[join.ref]; !kept || len(o.entries) != 1 {
		t.Error("the session needs the answers about membership")
	}
	for range unansweredMax {
		o.add(pingCommand())
	}
	o.sweep()
	if _, kept := o.entries[join.ref]; kept {
		t.Error("a server that leaves so many unanswered is not in order")
	}
}

func TestWithFewRefsLeftASessionIsUsedUp(t *testing.T) {
	o := newOutstanding()
	o.lastRef = ^uint32(0) - refsSpare
	if !o.isUsedUp() || newOutstanding().isUsedUp() {
		t.Error(o.lastRef)
	}
}
