package rialto

import (
	"sync"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// reportsKept is how many reports and changes of status wait for a reader that is behind.
const reportsKept = 64

// Phase is where a session is in its life.
type Phase string

// The phases of a session.
const (
	// Connecting: an attempt is under way.
	Connecting Phase = "connecting"
	// Attached: the server has welcomed the session.
	Attached Phase = "attached"
	// Waiting: the next attempt is at [Status.Until].
	Waiting Phase = "waiting"
	// Over: the session is closed, and does not come back.
	Over Phase = "closed"
)

// Arrival says how an attached session came.
type Arrival string

// The ways to arrive.
const (
	// First: it is the first session.
	First Arrival = "first"
	// Resumed: the session before goes on.
	Resumed Arrival = "resumed"
	// Afresh: it is another session than before.
	Afresh Arrival = "afresh"
)

// Limits are the bounds that the server sets this session.
type Limits struct {
	// PayloadBytes is the largest payload.
	PayloadBytes uint32
	// Rooms is how many rooms the session may be in at once.
	Rooms uint32
	// EmitsPerSecond are sustained, EmitsBurst may come at once. The session keeps to both by itself.
	EmitsPerSecond, EmitsBurst uint32
	// RepliesOutstanding is how many questions may be open at once.
	RepliesOutstanding uint32
	// HeaderKeys and HeaderBytes bound the headers of an event and the attributes of a session.
	HeaderKeys, HeaderBytes uint32
}

// Status is how a session is.
type Status struct {
	// Phase says which of the other fields are set.
	Phase Phase
	// Session is the id that others know it by, User who it is, Node where it is. When attached.
	Session, User, Node string
	// Limits hold when attached.
	Limits Limits
	// Arrival is how it came. When attached.
	Arrival Arrival
	// Until is when the next attempt begins. When waiting.
	Until time.Time
	// Cause is why it waits, or why it is over.
	Cause error
}

func attachedStatus(welcome *rialtov1.Welcome, arrival Arrival) Status {
	limits := welcome.GetLimits()
	return Status{
		Phase:   Attached,
		Session: welcome.GetSessionId(),
		User:    welcome.GetUser(),
		Node:    welcome.GetNode(),
		Arrival: arrival,
		Limits: Limits{
			PayloadBytes:       limits.GetPayloadBytesMax(),
			Rooms:              limits.GetRoomsMax(),
			EmitsPerSecond:     limits.GetEmitsPerSecond(),
			EmitsBurst:         limits.GetEmitsBurst(),
			RepliesOutstanding: limits.GetRepliesOutstandingMax(),
			HeaderKeys:         limits.GetHeadersMax(),
			HeaderBytes:        limits.GetHeadersBytesMax(),
		},
	}
}

// board shows the status of a session to many.
type board struct {
	mu      sync.Mutex
	current Status
	// session is the id that it has, or had last.
	session string
	// changed is closed and replaced with each change.
	changed  chan struct{}
	watchers []*queue[Status]
}

func newBoard() *board {
	return &board{current: Status{Phase: Connecting}, changed: make(chan struct{})}
}

func (b *board) get() (now Status, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current, b.changed
}

func (b *board) id() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

func (b *board) set(status Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = status
	if status.Session != "" {
		b.session = status.Session
	}
	close(b.changed)
	b.changed = make(chan struct{})
	for _, watcher := range b.watchers {
		watcher.shove(status)
		if status.Phase == Over {
			watcher.end(nil)
		}
	}
	if status.Phase == Over {
		b.watchers = nil
	}
}

func (b *board) watch() *Stream[Status] {
	b.mu.Lock()
	defer b.mu.Unlock()
	watcher := newQueue[Status](reportsKept)
	if b.current.Phase == Over {
		watcher.end(nil)
	} else {
		b.watchers = append(without(b.watchers), watcher)
	}
	return watcher.stream()
}

// without leaves out the queues that nobody reads any more.
func without[T any](queues []*queue[T]) (kept []*queue[T]) {
	for _, queue := range queues {
		if !queue.isGone() {
			kept = append(kept, queue)
		}
	}
	return kept
}
