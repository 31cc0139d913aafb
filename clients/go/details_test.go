package rialto

import (
	"context"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// texts are a message whose fields, from 1 on, are these.
func texts(values ...string) (message []byte) {
	for index, value := range values {
		message = protowire.AppendTag(message, protowire.Number(index+1), protowire.BytesType)
		message = protowire.AppendString(message, value)
	}
	return message
}

func stated(code codes.Code, details map[string][]byte) error {
	made := status.New(code, "no").Proto()
	for name, value := range details {
		made.Details = append(made.Details, &anypb.Any{TypeUrl: "type.googleapis.com/google.rpc." + name, Value: value})
	}
	return status.ErrorProto(made)
}

func info(reason, domain, key, value string) []byte {
	return append(texts(reason, domain), texts("", "", string(texts(key, value)))[4:]...)
}

func failing(err error, sent bool) *Error {
	noted := &trace{}
	noted.sent.Store(sent)
	return noted.failure(context.Background(), err)
}

func TestAStatusWithDetailsIsTheServersWord(t *testing.T) {
	err := failing(stated(codes.FailedPrecondition, map[string][]byte{
		"ErrorInfo":  info("CONFLICT", "rialto", "revision", "7"),
		"BadRequest": texts(string(texts("key", "is taken"))),
	}), true)
	if err.Kind != Refused || err.Code != "CONFLICT" || err.Revision != 7 || err.Advice != AfterChange || err.MayHaveHappened {
		t.Errorf("%+v", err)
	}
	if len(err.Violations) != 1 || err.Violations[0] != (Violation{"key", "is taken"}) {
		t.Error(err.Violations)
	}
	later := failing(stated(codes.Unavailable, map[string][]byte{
		"ErrorInfo": info("DRAINING", "rialto", "", ""), "RetryInfo": texts("\x08\x02"),
	}), true)
	if later.Advice != Later || later.After != 2*time.Second || !later.passes() {
		t.Errorf("%+v", later)
	}
	over := failing(stated(codes.Aborted, map[string][]byte{"ErrorInfo": info("SESSION_LOST", "rialto", "", "")}), true)
	if over.Kind != Closed || over.Code != "SESSION_LOST" {
		t.Errorf("%+v", over)
	}
}

func TestAStatusWithoutDetailsIsNoWordOfAServer(t *testing.T) {
	foreign := map[string][]byte{"ErrorInfo": info("QUOTA", "elsewhere", "", "")}
	for _, step := range []struct {
		err  error
		sent bool
		kind Kind
	}{
		{stated(codes.Unavailable, nil), false, Unavailable},
		{stated(codes.Unavailable, nil), true, UnknownOutcome},
		{stated(codes.DeadlineExceeded, nil), true, TimedOut},
		{stated(codes.NotFound, foreign), true, Other},
		{stated(codes.Internal, map[string][]byte{"ErrorInfo": {0xff}, "RetryInfo": {0x0a, 0x7f}}), true, Other},
		{io.EOF, true, UnknownOutcome},
	} {
		if err := failing(step.err, step.sent); err.Kind != step.kind {
			t.Errorf("%v: %+v", step.err, err)
		}
	}
}
