package rialto

import (
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// endKind says how a stream ended, or why it did not begin.
type endKind int

const (
	// endClosed: the server said so by Close.
	endClosed endKind = iota
	// endGreeting: the greeting was refused.
	endGreeting
	// endFailed: the stream broke, or nobody was reached.
	endFailed
	// endMoved: the server asked to come back elsewhere.
	endMoved
	// endUsedUp: the session has no more numbers, or cannot be trusted.
	endUsedUp
	// endStopped: the application wants no more.
	endStopped
)

// ending is how a stream ended.
type ending struct {
	kind endKind
	// err says it for people, and to commands that fail by it.
	err *Error
	// arrow and after are what Close asks for.
	arrow arrow
	after time.Duration
	// resuming: the greeting had asked to go on with a session.
	resuming bool
}

// arrow says what to do next.
type arrow int

const (
	resume arrow = iota
	reconnect
	stayAway
)

func arrowOf(close *rialtov1.Close) arrow {
	switch close.GetThen() {
	case rialtov1.Then_THEN_RESUME:
		return resume
	case rialtov1.Then_THEN_RECONNECT:
		return reconnect
	case rialtov1.Then_THEN_STAY_AWAY:
		return stayAway
	}
	switch close.GetCode() / 100 {
	case 1:
		return resume
	case 2:
		return reconnect
	}
	return stayAway
}

func endedBy(close *rialtov1.Close) *ending {
	err := &Error{
		Kind: Closed, Code: named(close.GetCode().String(), "CLOSE_CODE_"), Reason: close.GetReason(),
	}
	return &ending{kind: endClosed, err: err, arrow: arrowOf(close), after: span(close.GetAfter())}
}

func failedBy(err *Error) *ending { return &ending{kind: endFailed, err: err} }

func lostBy(reason string) *ending { return failedBy(unavailable(reason)) }

// givesUp holds when the session cannot go on.
func (e *ending) givesUp() bool {
	switch e.kind {
	case endClosed:
		return e.arrow != resume
	case endGreeting:
		return e.resuming && resumeRefused(e.err.Code)
	case endUsedUp:
		return true
	}
	return false
}

func resumeRefused(code string) bool {
	switch code {
	case "SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID":
		return true
	}
	return false
}

// step is what to do after an ending.
type step struct {
	// stop is why the session is over; nil to come back.
	stop *Error
	// notBefore is what the server asked for.
	notBefore time.Duration
	// atOnce: without a wait.
	atOnce bool
	// turnedDown: the token was turned down, and this is the one attempt with another one.
	turnedDown bool
}

// tokensKnown is what is known of the token when a stream has ended.
type tokensKnown struct {
	// renewable: a callback can be asked for another one.
	renewable bool
	// turnedDown: one has been turned down already.
	turnedDown bool
}

// next says what to do after an ending.
func next(e *ending, known tokensKnown) step {
	switch e.kind {
	case endStopped:
		return step{stop: closedHere()}
	case endClosed:
		if e.arrow == stayAway {
			return step{stop: e.err}
		}
		return step{notBefore: e.after}
	case endGreeting:
		return afterRefusal(e, known)
	}
	return step{}
}

func afterRefusal(e *ending, known tokensKnown) step {
	code := e.err.Code
	switch {
	case code == "UNAUTHENTICATED":
		if known.renewable && !known.turnedDown {
			return step{atOnce: true, turnedDown: true}
		}
		return step{stop: e.err}
	case e.resuming && resumeRefused(code):
		return step{atOnce: true}
	case e.err.Advice == Later:
		return step{notBefore: e.err.After}
	}
	switch code {
	case "INVALID", "NAME_INVALID", "FORBIDDEN", "NAMESPACE_UNKNOWN", "OUT_OF_ORDER", "PAYLOAD_TOO_LARGE":
		return step{stop: e.err}
	}
	return step{}
}
