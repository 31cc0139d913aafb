package rialto

import (
	"fmt"
	"strings"
	"time"
)

// Kind says in which of a few ways something has failed.
type Kind string

// The kinds of failure.
const (
	// Refused: the server answered no. Nothing has happened, unless MayHaveHappened says so.
	Refused Kind = "refused"
	// Closed: the session or the client is over.
	Closed Kind = "closed"
	// Unavailable: the server was not reached, or the session was not attached in time. Nothing was sent.
	Unavailable Kind = "unavailable"
	// Unsent: it waited for the connection and was given up. Code says why: FULL, MADE_ROOM, CLEARED, TOO_OLD.
	Unsent Kind = "unsent"
	// TimedOut: no answer came in time. It may have happened.
	TimedOut Kind = "timed_out"
	// UnknownOutcome: the connection or the session was lost after it was sent. It may have happened.
	UnknownOutcome Kind = "unknown_outcome"
	// Invalid: it makes no sense and was not sent.
	Invalid Kind = "invalid"
	// Cancelled: the caller's context was cancelled.
	Cancelled Kind = "cancelled"
	// LeaseLost: another worker may have the job.
	LeaseLost Kind = "lease_lost"
	// Other: anything else, as an answer of a proxy, or a source that cannot be read.
	Other Kind = "other"
)

// Advice says whether the same may go well later.
type Advice string

// What servers advise.
const (
	// AdviceUnknown: nobody has said anything.
	AdviceUnknown Advice = ""
	// Never: it will be refused again.
	Never Advice = "never"
	// Later: not before [Error.After].
	Later Advice = "later"
	// AfterChange: once something else has changed, as a right or a membership.
	AfterChange Advice = "after-change"
)

// Violation is one field that the server does not take.
type Violation struct {
	// Field is its path, as "jobs[1].priority".
	Field string
	// Description says what is wrong with it.
	Description string
}

// Error is every failure of this package; find it with [errors.As].
type Error struct {
	// Kind says in which way it failed.
	Kind Kind
	// Code is the name of the refusal or of the close, as "NOT_A_MEMBER". Empty where there is none.
	Code string
	// Reason is for people alone.
	Reason string
	// Advice says whether to try again.
	Advice Advice
	// After is how long to wait before that, with [Later].
	After time.Duration
	// Limit names the limit that was reached.
	Limit string
	// Revision is what a key of a state has now, with the code CONFLICT; 0: there is no such key.
	Revision uint64
	// Violations are the fields that are wrong.
	Violations []Violation
	// MayHaveHappened holds when nobody knows whether it took effect.
	MayHaveHappened bool

	cause error
}

// Error says what happened in one line.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("rialto: ")
	text.WriteString(string(e.Kind))
	if e.Code != "" {
		text.WriteString(" " + e.Code)
	}
	if e.Reason != "" {
		text.WriteString(": " + e.Reason)
	}
	return text.String()
}

// Unwrap gives the cause, as [context.Canceled] or [context.DeadlineExceeded].
func (e *Error) Unwrap() error { return e.cause }

// passes holds when the same may go well later.
func (e *Error) passes() bool {
	switch e.Kind {
	case Unavailable, UnknownOutcome, TimedOut:
		return true
	case Refused:
		return e.Advice == Later || e.Code == "INTERNAL"
	}
	return false
}

func invalid(format string, values ...any) *Error {
	return &Error{Kind: Invalid, Reason: fmt.Sprintf(format, values...)}
}

func unavailable(reason string) *Error { return &Error{Kind: Unavailable, Reason: reason} }

func unsent(code, reason string) *Error { return &Error{Kind: Unsent, Code: code, Reason: reason} }

func unknownOutcome(reason string) *Error {
	return &Error{Kind: UnknownOutcome, Reason: reason, MayHaveHappened: true}
}

func other(reason string, cause error) *Error {
	return &Error{Kind: Other, Reason: reason, MayHaveHappened: true, cause: cause}
}

func closedHere() *Error {
	return &Error{Kind: Closed, Code: "CLOSED", Reason: "closed by the application"}
}

// overSent is why a session is over, for a command that had been sent.
func (e *Error) overSent(sent bool) *Error {
	if e.Kind != Closed || !sent {
		return e
	}
	told := *e
	told.MayHaveHappened = true
	return &told
}

// adviceOf is what a code means where the server did not say it.
func adviceOf(code string) Advice {
	switch code {
	case "INVALID", "NAME_INVALID", "TARGET_EMPTY", "PAYLOAD_TOO_LARGE", "REF_REUSED", "REPLY_UNKNOWN", "OUT_OF_ORDER",
		"ALREADY_EXISTS":
		return Never
	case "LIMIT_REACHED", "FORBIDDEN", "NAMESPACE_UNKNOWN", "NOT_A_MEMBER", "NO_RECIPIENT", "UNAUTHENTICATED",
		"SESSION_UNKNOWN", "NOT_FOUND", "CONFLICT", "POSITION_GONE", "RESUME_LATE", "STORAGE_FAILED":
		return AfterChange
	}
	return AdviceUnknown
}

// refusalMayHaveHappened holds for the refusals after which nobody knows.
func refusalMayHaveHappened(code string) bool {
	switch code {
	case "STORAGE_FAILED", "NODES_UNREACHABLE", "INTERNAL", "TIMED_OUT", "RECIPIENT_LEFT", "RECIPIENT_FAILED":
		return true
	}
	return false
}
