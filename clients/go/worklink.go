package rialto

import (
	"context"

	"google.golang.org/grpc"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// workLink is one stream of a worker.
type workLink struct {
	*opened
	stream   grpc.BidiStreamingClient[rialtov1.WorkRequest, rialtov1.WorkResponse]
	inbound  chan heardWork
	ready    chan struct{}
	outbound chan *rialtov1.WorkRequest
	over     context.Context
	end      context.CancelFunc
}

type heardWork struct {
	message *rialtov1.WorkResponse
	err     error
}

// openWork greets, and waits for the welcome.
func openWork(
	ctx context.Context, client *Client, hello *rialtov1.WorkerHello,
) (*workLink, *rialtov1.WorkerWelcome, error) {
	link := &workLink{
		inbound: make(chan heardWork), ready: make(chan struct{}), outbound: make(chan *rialtov1.WorkRequest, 1),
	}
	var welcome *rialtov1.WorkerWelcome
	opened, err := openCall(ctx, client, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		if link.stream, err = rialtov1.NewWorkerServiceClient(conn).Work(ctx); err != nil {
			return err
		}
		// When the stream takes nothing, its end says why.
		_ = link.stream.Send(&rialtov1.WorkRequest{Frame: &rialtov1.WorkRequest_Hello{Hello: hello}})
		first, err := link.stream.Recv()
		if err == nil && first.GetWelcome() == nil {
			err = unknownOutcome("the server answered the greeting with something else")
		}
		welcome = first.GetWelcome()
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	link.opened = opened
	link.over, link.end = context.WithCancel(ctx)
	go link.read()
	go link.write()
	return link, welcome, nil
}

func (l *workLink) close() {
	l.end()
	l.opened.close()
}

func (l *workLink) read() {
	for {
		message, err := l.stream.Recv()
		select {
		case l.inbound <- heardWork{message, err}:
		case <-l.over.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (l *workLink) write() {
	for {
		select {
		case l.ready <- struct{}{}:
		case <-l.over.Done():
			return
		}
		if l.stream.Send(<-l.outbound) != nil {
			return
		}
	}
}
