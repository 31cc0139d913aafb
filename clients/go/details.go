package rialto

import (
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// domain is that of google.rpc.ErrorInfo in statuses of a Rialto server.
const domain = "rialto"

// details are what a status carries beside its code. They are read field by field, so that no module with all of
// Google's messages is needed for three small ones.
type details struct {
	reason, domain string
	metadata       map[string]string
	retry          bool
	after          time.Duration
	violations     []Violation
}

func detailsOf(stated *status.Status) details {
	found := details{metadata: map[string]string{}}
	for _, detail := range stated.Proto().GetDetails() {
		switch detail.GetTypeUrl()[strings.LastIndexByte(detail.GetTypeUrl(), '/')+1:] {
		case "google.rpc.ErrorInfo":
			found.readInfo(detail.GetValue())
		case "google.rpc.RetryInfo":
			found.readRetry(detail.GetValue())
		case "google.rpc.BadRequest":
			found.readBadRequest(detail.GetValue())
		}
	}
	return found
}

// fields calls take with each length-delimited field of a message, and ends at the first that cannot be read.
func fields(message []byte, take func(number protowire.Number, value []byte)) {
	for len(message) > 0 {
		number, kind, length := protowire.ConsumeTag(message)
		if length < 0 {
			return
		}
		message = message[length:]
		size := protowire.ConsumeFieldValue(number, kind, message)
		if size < 0 {
			return
		}
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			take(number, value)
		}
		message = message[size:]
	}
}

func (d *details) readInfo(message []byte) {
	fields(message, func(number protowire.Number, value []byte) {
		switch number {
		case 1:
			d.reason = string(value)
		case 2:
			d.domain = string(value)
		case 3:
			pair := pairOf(value)
			d.metadata[pair[0]] = pair[1]
		}
	})
}

func (d *details) readRetry(message []byte) {
	fields(message, func(number protowire.Number, value []byte) {
		var delay durationpb.Duration
		if number == 1 && proto.Unmarshal(value, &delay) == nil {
			d.retry, d.after = true, span(&delay)
		}
	})
}

func (d *details) readBadRequest(message []byte) {
	fields(message, func(number protowire.Number, value []byte) {
		if number == 1 {
			pair := pairOf(value)
			d.violations = append(d.violations, Violation{Field: pair[0], Description: pair[1]})
		}
	})
}

// pairOf reads the fields 1 and 2 of a message, which are texts.
func pairOf(message []byte) (pair [2]string) {
	fields(message, func(number protowire.Number, value []byte) {
		if number == 1 || number == 2 {
			pair[number-1] = string(value)
		}
	})
	return pair
}

// announced is what a Rialto server says by the details of a status; nil when it is no word of one.
func announced(stated *status.Status) *Error {
	said := detailsOf(stated)
	if said.domain != domain {
		return nil
	}
	failure := &Error{Code: said.reason, Reason: stated.Message(), Limit: said.metadata["limit"], Violations: said.violations}
	_, refusal := rialtov1.RefusalCode_value["REFUSAL_CODE_"+said.reason]
	_, closing := rialtov1.CloseCode_value["CLOSE_CODE_"+said.reason]
	if closing && !refusal {
		failure.Kind, failure.MayHaveHappened = Closed, true
		return failure
	}
	failure.Kind = Refused
	failure.MayHaveHappened = refusalMayHaveHappened(said.reason)
	failure.Revision, _ = strconv.ParseUint(said.metadata["revision"], 10, 64)
	if said.retry {
		failure.Advice, failure.After = Later, said.after
	} else {
		failure.Advice = adviceOf(said.reason)
	}
	return failure
}

// refusedBy is a refusal that came as a frame or as one outcome of several.
func refusedBy(refused *rialtov1.Refused) *Error {
	code := refusalName(refused.GetCode())
	failure := &Error{
		Kind:            Refused,
		Code:            code,
		Reason:          refused.GetReason(),
		Limit:           refused.GetLimit(),
		Revision:        refused.GetRevision(),
		MayHaveHappened: refusalMayHaveHappened(code),
	}
	switch refused.GetRetry().GetAdvice() {
	case rialtov1.RetryAdvice_RETRY_ADVICE_NEVER:
		failure.Advice = Never
	case rialtov1.RetryAdvice_RETRY_ADVICE_LATER:
		failure.Advice, failure.After = Later, span(refused.GetRetry().GetAfter())
	case rialtov1.RetryAdvice_RETRY_ADVICE_AFTER_CHANGE:
		failure.Advice = AfterChange
	default:
		failure.Advice = adviceOf(code)
	}
	return failure
}

func refusalName(code rialtov1.RefusalCode) string { return named(code.String(), "REFUSAL_CODE_") }

// named is the name of a value of an enum without its prefix. A value that this version does not know is its number.
func named(name, prefix string) string { return strings.TrimPrefix(name, prefix) }

// lowerNamed is the same as a word: "fsync".
func lowerNamed(name, prefix string) string { return strings.ToLower(named(name, prefix)) }

// upper is a word as the contract writes the names of values.
func upper(word string) string {
	return strings.ToUpper(strings.ReplaceAll(word, "-", "_"))
}

// span is a duration of the contract; zero when it is absent or negative.
func span(duration *durationpb.Duration) time.Duration {
	seconds := duration.GetSeconds()
	if seconds < 0 || duration.GetNanos() < 0 {
		return 0
	}
	if seconds >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds)*time.Second + time.Duration(duration.GetNanos())
}

// timeOf is a time of the contract; zero when it is absent.
func timeOf(at *timestamppb.Timestamp) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.AsTime()
}

// announcedIn is what a Rialto server says by an error of a call; nil when it is no word of one.
func announcedIn(err error) *Error {
	stated, _ := status.FromError(err)
	return announced(stated)
}
