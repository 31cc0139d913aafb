package rialto

import (
	"errors"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// What servers take of a job.
const (
	resultMax     = 64 << 10
	checkpointMax = 64 << 10
	codeMax       = 64
	messageMax    = 4 << 10
	progressMax   = 1 << 10
)

// Fail is returned by work that has failed; any other error fails the attempt too.
type Fail struct {
	// Code is for programs, at most 64 bytes; Message for people, at most 4 KiB.
	Code, Message string
	// Permanent: it would fail again, and the job is dead at once.
	Permanent bool
	// RetryAfter is when to try again; 0: as the retry policy says.
	RetryAfter time.Duration
}

// Error is the message.
func (f *Fail) Error() string { return f.Message }

// Release is returned by work that gives its job back: no attempt is counted.
type Release struct {
	// Delay is how long the job is not begun again.
	Delay time.Duration
}

// Error says so.
func (r *Release) Error() string { return fmt.Sprintf("given back for %v", r.Delay) }

// Discard is returned by work that has found that its job is not to be done.
type Discard struct {
	// Reason is for people, at most 4 KiB.
	Reason string
}

// Error is the reason.
func (d *Discard) Error() string { return d.Reason }

// settlement is what became of a job; problem is what the application is to be told about that.
func settlementOf(result any, err error) (made *rialtov1.Settlement, problem error) {
	var fail *Fail
	var release *Release
	var discard *Discard
	switch {
	case err == nil:
		return completed(result)
	case errors.As(err, &release):
		released := &rialtov1.JobReleased{Delay: durationpb.New(max(release.Delay, 0))}
		return &rialtov1.Settlement{Outcome: &rialtov1.Settlement_Released{Released: released}}, nil
	case errors.As(err, &discard):
		discarded := &rialtov1.JobDiscarded{Reason: cut(discard.Reason, messageMax)}
		return &rialtov1.Settlement{Outcome: &rialtov1.Settlement_Discarded{Discarded: discarded}}, nil
	case errors.As(err, &fail):
		return failedSettlement(*fail), nil
	}
	return failedSettlement(Fail{Code: codeOf(err), Message: err.Error()}), nil
}

func completed(result any) (*rialtov1.Settlement, error) {
	body, err := jobBody(result, "")
	if err == nil && proto.Size(body) > resultMax {
		err = invalid("a result has at most %d bytes", resultMax)
	}
	if err == nil && body.GetUploaded() != nil {
		err = invalid("a result is not uploaded")
	}
	if err != nil {
		return invalidOutcome(err.Error()), err
	}
	return &rialtov1.Settlement{Outcome: &rialtov1.Settlement_Completed{Completed: &rialtov1.JobCompleted{Result: body}}}, nil
}

// invalidOutcome fails a job for good whose outcome the server does not take.
func invalidOutcome(message string) *rialtov1.Settlement {
	return failedSettlement(Fail{Code: "INVALID_OUTCOME", Message: message, Permanent: true})
}

func failedSettlement(fail Fail) *rialtov1.Settlement {
	failed := &rialtov1.JobFailed{
		Code: cut(fail.Code, codeMax), Message: cut(fail.Message, messageMax), Permanent: fail.Permanent,
		RetryAfter: durationOf(max(fail.RetryAfter, 0)),
	}
	return &rialtov1.Settlement{Outcome: &rialtov1.Settlement_Failed{Failed: failed}}
}

// codeOf is the code of a failure of this package, and of another error the name of its type.
func codeOf(err error) string {
	var failed *Error
	if errors.As(err, &failed) && failed.Code != "" {
		return failed.Code
	}
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.Name()
}

// cut shortens a text to so many bytes, never within a character, and leaves out what is not UTF-8.
func cut(text string, bytes int) string {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	if len(text) <= bytes {
		return text
	}
	for bytes > 0 && !utf8.RuneStart(text[bytes]) {
		bytes--
	}
	return text[:bytes]
}
