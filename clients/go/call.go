package rialto

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// lanes are ways to make calls: those of a client, or those beside the stream of a session.
type lanes interface {
	// lane is the connection to use, and the token to send.
	lane(ctx context.Context) (*line, string, error)
	deadlines() *settings
}

// call makes one call, within its deadline. Its name is one of those that are generated.
func call[A any](ctx context.Context, way lanes, name string, request proto.Message) (*A, error) {
	ctx, cancel := way.deadlines().within(ctx)
	defer cancel()
	return callWithin[A](ctx, way, name, request)
}

// callWithin is the same within the deadline that ctx has.
func callWithin[A any](ctx context.Context, way lanes, name string, request proto.Message) (*A, error) {
	over, token, err := way.lane(ctx)
	if err != nil {
		return nil, err
	}
	used, err := over.acquire()
	if err != nil {
		return nil, err
	}
	defer over.release(used)
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(over.life, cancel)()
	following, noted := traced(bearing(ending, token))
	answer := new(A)
	err = used.Invoke(following, name, request, answer)
	switch {
	case err == nil:
		return answer, nil
	case over.isOver() && ctx.Err() == nil:
		return nil, closedHere().overSent(noted.sent.Load())
	}
	return nil, noted.failure(ctx, err)
}

// opened is a call that lasts until it is closed.
type opened struct {
	noted *trace
	over  *line
	ctx   context.Context
	close func()
}

// openCall begins a call that gives many answers. It has to begin within the deadline; then it lasts as long as ctx.
func openCall(
	ctx context.Context, way lanes, begin func(context.Context, grpc.ClientConnInterface) error,
) (*opened, error) {
	beginning, done := way.deadlines().within(ctx)
	defer done()
	over, token, err := way.lane(beginning)
	if err != nil {
		return nil, err
	}
	used, err := over.acquire()
	if err != nil {
		return nil, err
	}
	lasting, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(over.life, cancel)
	following, noted := traced(bearing(lasting, token))
	made := &opened{noted: noted, over: over, ctx: ctx}
	made.close = sync.OnceFunc(func() {
		detach()
		cancel()
		over.release(used)
	})
	intime := context.AfterFunc(beginning, cancel)
	err = begin(following, used)
	if intime() && err == nil {
		return made, nil
	}
	defer made.close()
	if beginning.Err() != nil && ctx.Err() == nil {
		return nil, givenUp(beginning, "the server was not reached in time", noted.sent.Load())
	}
	return nil, made.failure(err)
}

// started waits until the server has answered at all, so that a refusal is that of the call.
func started[A any](stream grpc.ServerStreamingClient[A], err error) (grpc.ServerStreamingClient[A], error) {
	if err != nil {
		return nil, err
	}
	header, err := stream.Header()
	if err == nil && header == nil {
		_, err = stream.Recv()
	}
	return stream, err
}

func (o *opened) failure(err error) *Error {
	if o.over.isOver() && o.ctx.Err() == nil {
		return closedHere()
	}
	return o.noted.failure(o.ctx, err)
}
