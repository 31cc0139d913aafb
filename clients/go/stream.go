package rialto

import (
	"context"
	"sync"
	"sync/atomic"
)

// Stream is many answers to one question: range over C, and ask Err why it has ended.
//
// A stream ends by itself when there is nothing more, or when what feeds it is over. Who stops reading before that
// calls Close, or cancels the context that the stream was asked for with.
type Stream[T any] struct {
	// C gives the items, and is closed at their end.
	C <-chan T

	queue *queue[T]
}

// Err is why the stream has ended: nil when there was nothing more, or when this side has closed it. It says nothing
// before C is closed.
func (s *Stream[T]) Err() error {
	if err := s.queue.err.Load(); err != nil {
		return err
	}
	return nil
}

// Close ends the stream. It may be called several times, and while another goroutine reads.
func (s *Stream[T]) Close() { s.queue.leave() }

// queue is what waits in a stream. One side sends, the other one reads or leaves.
type queue[T any] struct {
	c    chan T
	gone chan struct{}
	left sync.Once
	err  atomic.Pointer[Error]

	// sending is held by who sends into c or closes it.
	sending sync.Mutex
	shut    bool
}

func newQueue[T any](size int) *queue[T] {
	return &queue[T]{c: make(chan T, size), gone: make(chan struct{})}
}

func (q *queue[T]) stream() *Stream[T] { return &Stream[T]{C: q.c, queue: q} }

// isGone holds when nobody reads any more.
func (q *queue[T]) isGone() bool {
	select {
	case <-q.gone:
		return true
	default:
		return false
	}
}

// offer is false when there is no room.
func (q *queue[T]) offer(item T) bool {
	q.sending.Lock()
	defer q.sending.Unlock()
	if q.shut {
		return true
	}
	select {
	case q.c <- item:
		return true
	default:
		return false
	}
}

// put waits until there is room, nobody reads any more, or over. It is false at an end.
func (q *queue[T]) put(item T, over <-chan struct{}) bool {
	q.sending.Lock()
	defer q.sending.Unlock()
	if q.shut {
		return false
	}
	select {
	case q.c <- item:
		return true
	case <-q.gone:
	case <-over:
	}
	return false
}

// shove takes the oldest items away until there is room, and says how many.
func (q *queue[T]) shove(item T) (dropped int) {
	q.sending.Lock()
	defer q.sending.Unlock()
	for !q.shut {
		select {
		case q.c <- item:
			return dropped
		default:
		}
		select {
		case <-q.c:
			dropped++
		default:
		}
	}
	return dropped
}

// end closes the stream from the side that sends.
func (q *queue[T]) end(why *Error) {
	q.sending.Lock()
	defer q.sending.Unlock()
	if q.shut {
		return
	}
	if why != nil {
		q.err.Store(why)
	}
	q.shut = true
	close(q.c)
}

// leave closes it from the side that reads. Whoever waits for room is let go first.
func (q *queue[T]) leave() {
	q.left.Do(func() { close(q.gone) })
	q.end(nil)
}

// produce feeds a stream from a goroutine of its own, which ends with ctx, with Close, or when feed returns.
func produce[T any](ctx context.Context, size int, feed func(ctx context.Context, give func(T) bool) error) *Stream[T] {
	q := newQueue[T](size)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		<-q.gone
		cancel()
	}()
	go func() {
		// It lets the goroutine go that waits for the reader's end.
		defer q.leave()
		defer cancel()
		q.end(asError(feed(ctx, func(item T) bool { return q.put(item, ctx.Done()) })))
	}()
	return q.stream()
}

// asError is err as a failure of this package; nil stays nil.
func asError(err error) *Error {
	if err == nil {
		return nil
	}
	if known, ok := err.(*Error); ok {
		return known
	}
	return other(err.Error(), err)
}
