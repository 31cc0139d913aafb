package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	v1 "rialto.dev/client/internal/gen/rialto/v1"
)

// rialtoVoice speaks the protocol itself, as a client would that wants no answers: what is due at once is one message.
type rialtoVoice struct {
	stream grpc.BidiStreamingClient[v1.AttachRequest, v1.AttachResponse]
	emit   *v1.ClientFrame
}

func connectRialto(url string) (voice, error) {
	connection, err := grpc.NewClient(strings.TrimPrefix(url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	stream, err := v1.NewMessagingServiceClient(connection).Attach(context.Background())
	if err != nil {
		return nil, err
	}
	hello := &v1.ClientFrame{Ref: 1, Command: &v1.ClientFrame_Hello{Hello: &v1.Hello{User: "sender"}}}
	enter := &v1.ClientFrame{Ref: 2, Command: &v1.ClientFrame_Enter{Enter: &v1.Enter{Namespace: "bench"}}}
	if err := stream.Send(&v1.AttachRequest{Frames: []*v1.ClientFrame{hello, enter}}); err != nil {
		return nil, err
	}
	if _, err := stream.Recv(); err != nil {
		return nil, err
	}
	go func() { log.Fatal(answers(stream)) }()
	return rialtoVoice{stream, emit()}, nil
}

func emit() *v1.ClientFrame {
	return &v1.ClientFrame{Command: &v1.ClientFrame_Emit{Emit: &v1.Emit{
		Namespace: "bench",
		Target:    &v1.Target{Rooms: []string{"bench-room"}},
		Content:   &v1.Content{Event: "e", Body: &v1.Content_Text{Text: payload}},
	}}}
}

// answers reads to the end: a refusal, or that the session is closed, makes the figures worthless.
func answers(stream grpc.BidiStreamingClient[v1.AttachRequest, v1.AttachResponse]) error {
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the session has ended")
		}
		if err != nil {
			return err
		}
		for _, frame := range response.GetFrames() {
			if refused := frame.GetRefused(); refused != nil {
				return fmt.Errorf("refused: %s", refused.GetReason())
			}
			if closed := frame.GetClose(); closed != nil {
				return fmt.Errorf("closed: %s", closed.GetReason())
			}
		}
	}
}

func (v rialtoVoice) say(count int) error {
	frames := make([]*v1.ClientFrame, count)
	for i := range frames {
		frames[i] = v.emit
	}
	return v.stream.Send(&v1.AttachRequest{Frames: frames})
}
