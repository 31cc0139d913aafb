package rialto

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func TestTheHundredsOfACloseDecideUnlessThenIsSet(t *testing.T) {
	for code, wanted := range map[rialtov1.CloseCode]arrow{
		100: resume, 142: resume, 200: reconnect, 202: reconnect, 299: reconnect, 303: stayAway, 377: stayAway, 0: stayAway,
	} {
		if got := endedBy(&rialtov1.Close{Code: code}).arrow; got != wanted {
			t.Errorf("%d: %v", code, got)
		}
	}
	close := &rialtov1.Close{Code: rialtov1.CloseCode_CLOSE_CODE_DISCONNECTED, Then: rialtov1.Then_THEN_RECONNECT}
	if got := endedBy(close).arrow; got != reconnect {
		t.Error(got)
	}
}

func TestTheServerIsGivenTheTimeThatItAsksFor(t *testing.T) {
	close := &rialtov1.Close{Code: 100, After: durationpb.New(3 * time.Second)}
	if got := next(endedBy(close), tokensKnown{}); got.notBefore != 3*time.Second || got.stop != nil {
		t.Error(got)
	}
}

func greetingRefused(code string, resuming bool) *ending {
	return &ending{kind: endGreeting, err: &Error{Kind: Refused, Code: code}, resuming: resuming}
}

func TestWhatRefusesAGreeting(t *testing.T) {
	for _, stops := range []string{"INVALID", "NAME_INVALID", "FORBIDDEN", "NAMESPACE_UNKNOWN", "OUT_OF_ORDER", "PAYLOAD_TOO_LARGE"} {
		if next(greetingRefused(stops, false), tokensKnown{}).stop == nil {
			t.Error(stops, "would be refused again")
		}
	}
	for _, passes := range []string{"LIMIT_REACHED", "DEADLINE", "INTERNAL", "SOMETHING_NEW"} {
		if next(greetingRefused(passes, false), tokensKnown{}).stop != nil {
			t.Error(passes, "may pass")
		}
	}
	for _, gone := range []string{"SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID"} {
		ended := greetingRefused(gone, true)
		if got := next(ended, tokensKnown{}); got.stop != nil || !got.atOnce || !ended.givesUp() {
			t.Error(gone, got)
		}
	}
	later := greetingRefused("FORBIDDEN", false)
	later.err.Advice, later.err.After = Later, time.Second
	if got := next(later, tokensKnown{}); got.stop != nil || got.notBefore != time.Second {
		t.Error(got)
	}
}

func TestATokenThatIsTurnedDownIsReplacedOnce(t *testing.T) {
	refused := greetingRefused("UNAUTHENTICATED", false)
	if got := next(refused, tokensKnown{renewable: true}); !got.turnedDown || !got.atOnce {
		t.Error(got)
	}
	if next(refused, tokensKnown{renewable: true, turnedDown: true}).stop == nil || next(refused, tokensKnown{}).stop == nil {
		t.Error("a second no is final, and the first one of a token that does not change")
	}
}

func TestAStreamThatBreaksIsResumed(t *testing.T) {
	for _, ended := range []*ending{lostBy("x"), {kind: endMoved}, {kind: endUsedUp}} {
		if got := next(ended, tokensKnown{}); got.stop != nil {
			t.Error(ended.kind, got)
		}
	}
	if lostBy("x").givesUp() || !(&ending{kind: endUsedUp}).givesUp() {
		t.Error("only a session without numbers is given up")
	}
	if next(&ending{kind: endStopped}, tokensKnown{}).stop == nil {
		t.Error("who has closed the session wants no more")
	}
}
