package rialto

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

type attachStream = rialtov1.MessagingService_AttachClient

// opening is a stream that has been welcomed.
type opening struct {
	stream  attachStream
	welcome *rialtov1.Welcome
	// seq is the number of the welcome; 0 when it has none.
	seq uint32
	// rest are the frames that came in the same message.
	rest []*rialtov1.ServerFrame
	// joins went with the greeting.
	joins []*rialtov1.Join
	// token is the one it was opened with, and life how long that is good for; 0: not known.
	token string
	life  time.Duration

	close func()
}

// open connects and greets, within the time that one attempt has.
func (e *engine) open() (*opening, *ending) {
	ctx, cancel := context.WithCancel(context.Background())
	var late atomic.Bool
	timer := time.AfterFunc(e.settings.connectTimeout, func() {
		late.Store(true)
		cancel()
	})
	defer timer.Stop()
	opened := make(chan struct{})
	go func() {
		select {
		case <-e.closing:
			cancel()
		case <-opened:
		}
	}()
	made, failed := e.greet(ctx, cancel)
	close(opened)
	if failed == nil {
		return made, nil
	}
	cancel()
	if late.Load() {
		failed.err = unavailable("no welcome within " + e.settings.connectTimeout.String())
		failed.kind = endFailed
	}
	return nil, failed
}

func (e *engine) greet(ctx context.Context, cancel context.CancelFunc) (*opening, *ending) {
	token, err := e.settings.token.fetch(ctx)
	if err != nil {
		return nil, &ending{kind: endFailed, err: asError(err)}
	}
	// A connection that has failed once is not used again.
	e.line.renew()
	conn, err := e.line.acquire()
	if err != nil {
		return nil, failedBy(asError(err))
	}
	made := &opening{token: token.Text, life: token.life(time.Now())}
	made.close = sync.OnceFunc(func() {
		cancel()
		e.line.release(conn)
	})
	e.mu.Lock()
	resume, joins := e.kept.greeting()
	e.mu.Unlock()
	made.joins = joins
	failed := e.converseFirst(ctx, rialtov1.NewMessagingServiceClient(conn), made, resume)
	if failed != nil {
		made.close()
		failed.resuming = resume != nil
		return nil, failed
	}
	if resume != nil && made.welcome.GetResumed() && made.welcome.GetSessionId() != resume.GetSessionId() {
		made.close()
		return nil, &ending{kind: endUsedUp, err: unavailable("the server resumed another session than was asked for")}
	}
	return made, nil
}

// converseFirst says hello and waits for the welcome.
func (e *engine) converseFirst(
	ctx context.Context, client rialtov1.MessagingServiceClient, made *opening, resume *rialtov1.Resume,
) *ending {
	stream, err := client.Attach(ctx)
	if err != nil {
		return streamEnded(err)
	}
	made.stream = stream
	hello := &rialtov1.Hello{
		Token: made.token, User: e.settings.user, Attributes: e.settings.attributes,
		Client: &rialtov1.ClientInfo{Name: e.settings.program[0], Version: e.settings.program[1]},
		Resume: resume, Joins: made.joins,
	}
	frame := &rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Hello{Hello: hello}}
	greeting := &rialtov1.AttachRequest{Frames: []*rialtov1.ClientFrame{frame}}
	// When the stream takes nothing more, its end says why.
	if err := stream.Send(greeting); err != nil && !errors.Is(err, io.EOF) {
		return streamEnded(err)
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return streamEnded(err)
		}
		if len(message.GetFrames()) > 0 {
			return made.take(message)
		}
	}
}

// take reads the answer to the greeting.
func (o *opening) take(message *rialtov1.AttachResponse) *ending {
	first := message.GetFrames()[0]
	switch frame := first.GetFrame().(type) {
	case *rialtov1.ServerFrame_Welcome:
		o.welcome, o.seq, o.rest = frame.Welcome, message.GetFirstSeq(), message.GetFrames()[1:]
		return nil
	case *rialtov1.ServerFrame_Close:
		ended := endedBy(frame.Close)
		if ended.err.Code == "UNAUTHENTICATED" && ended.arrow == stayAway {
			// It answers the greeting, and another token may do.
			refused := &Error{Kind: Refused, Code: "UNAUTHENTICATED", Reason: frame.Close.GetReason(), Advice: AfterChange}
			return &ending{kind: endGreeting, err: refused}
		}
		return ended
	case *rialtov1.ServerFrame_Refused:
		return &ending{kind: endGreeting, err: refusedBy(frame.Refused)}
	}
	return lostBy("the server answered the greeting with something else")
}

// streamEnded reads the status with which a stream has ended that had no Close. What is no word of a Rialto server is
// not obeyed.
func streamEnded(err error) *ending {
	if errors.Is(err, io.EOF) {
		return lostBy("the server ended the stream")
	}
	stated, _ := status.FromError(err)
	said := announced(stated)
	switch {
	case said == nil && stated.Code() == codes.Unauthenticated:
		refused := &Error{Kind: Refused, Code: "UNAUTHENTICATED", Reason: stated.Message(), Advice: AfterChange}
		return &ending{kind: endGreeting, err: refused}
	case said == nil && stated.Code() == codes.Unavailable:
		return lostBy(stated.Message())
	case said == nil:
		return failedBy(other(stated.Code().String()+": "+stated.Message(), err))
	case said.Kind == Closed:
		code := rialtov1.CloseCode(rialtov1.CloseCode_value["CLOSE_CODE_"+said.Code])
		return endedBy(&rialtov1.Close{Code: code, Reason: said.Reason})
	}
	return &ending{kind: endGreeting, err: said}
}
