package rialto

import (
	"context"
	"sync"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// repliesWanted is how long answers are waited for unless somebody says otherwise.
	repliesWanted = 5 * time.Second
	// serverGrace is how much longer the client waits, because the server ends the wait.
	serverGrace = 5 * time.Second
	// repliesWaiting is how many answers wait for a slow reader; what comes then is lost, and the stream says so.
	repliesWaiting = 65_536
)

// Reply is one answer to an event.
type Reply struct {
	Payload
	// Session and User have answered.
	Session, User string
	// Failed holds when the receiver could not do what was asked; Text says why.
	Failed bool
}

func replyOf(item *rialtov1.ReplyItem) Reply {
	reply := Reply{Session: item.GetFrom().GetSession(), User: item.GetFrom().GetUser()}
	if failed, ok := item.GetBody().(*rialtov1.ReplyItem_Error); ok {
		reply.Failed = true
		reply.Payload = Payload{data: []byte(failed.Error), isText: true}
		return reply
	}
	_, isText := item.GetBody().(*rialtov1.ReplyItem_Text)
	reply.Payload = payloadOf(item, isText)
	return reply
}

// Missing is a receiver that has not answered.
type Missing struct {
	Session, User string
	// Left holds when it left before it answered.
	Left bool
}

// Summary says how a question has ended.
type Summary struct {
	// Answered is how many have answered.
	Answered uint32
	// Missing are those that have not; at most 256 are named, MissingCount counts them all.
	Missing      []Missing
	MissingCount uint32
	// TimedOut holds when the time was up.
	TimedOut bool
	// NodesMissing are nodes that were asked and did not say how it went.
	NodesMissing []string
}

func summaryOf(done *rialtov1.RepliesDone) Summary {
	made := Summary{
		Answered: done.GetAnswered(), MissingCount: done.GetMissingCount(),
		TimedOut: done.GetTimedOut(), NodesMissing: done.GetNodesMissing(),
	}
	for _, missing := range done.GetMissing() {
		from := missing.GetFrom()
		made.Missing = append(made.Missing, Missing{Session: from.GetSession(), User: from.GetUser(), Left: missing.GetLeft()})
	}
	return made
}

// Replies are the answers to a question, in the order in which they come.
type Replies struct {
	*Stream[Reply]
	// Accepted is what the server said of the question itself.
	Accepted Accepted

	queue *queue[Reply]

	mu      sync.Mutex
	waiting []Reply
	more    chan struct{}
	ended   bool
	why     *Error
	summary Summary
}

func newReplies() *Replies {
	q := newQueue[Reply](eventsWaiting)
	return &Replies{Stream: q.stream(), queue: q, more: make(chan struct{}, 1)}
}

// Summary says who has answered and who has not. It is complete once C is closed and Err is nil.
func (r *Replies) Summary() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.summary
}

// All waits for the end and gives all answers.
func (r *Replies) All() ([]Reply, Summary, error) {
	var all []Reply
	for reply := range r.C {
		all = append(all, reply)
	}
	return all, r.Summary(), r.Err()
}

// begin hands answers on to whoever reads, for as long as ctx and the session last.
func (r *Replies) begin(ctx, session context.Context, within time.Duration) {
	timer := time.AfterFunc(within, func() {
		r.fail(&Error{Kind: TimedOut, Reason: "the server did not end the question in time", MayHaveHappened: true})
	})
	either, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(session, cancel)
	go func() {
		defer timer.Stop()
		defer cancel()
		defer detach()
		r.pump(ctx, either)
		// Nobody reads any more: what still comes is not kept.
		r.finish(nil, Summary{})
	}()
}

// pump ends with the last answer, when nobody reads any more, and when either context is over.
func (r *Replies) pump(ctx, either context.Context) {
	for {
		next, some, ended, why := r.next()
		switch {
		case some && r.queue.put(next, either.Done()):
			continue
		case some:
			r.stop(ctx, next)
			return
		case ended:
			r.queue.end(why)
			return
		}
		select {
		case <-r.more:
		case <-r.queue.gone:
			return
		case <-ctx.Done():
			r.queue.end(givenUp(ctx, "", true))
			return
		}
	}
}

// stop ends the stream early. What is held is given as far as there is room, unless the caller has given up.
func (r *Replies) stop(ctx context.Context, next Reply) {
	if ctx.Err() != nil {
		r.queue.end(givenUp(ctx, "", true))
		return
	}
	for some := true; some && r.queue.offer(next); {
		next, some, _, _ = r.next()
	}
	r.mu.Lock()
	why := r.why
	r.mu.Unlock()
	r.queue.end(why)
}

func (r *Replies) next() (next Reply, some, ended bool, why *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return Reply{}, false, r.ended, r.why
	}
	next, r.waiting = r.waiting[0], r.waiting[1:]
	return next, true, false, nil
}

func (r *Replies) rouse() {
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// add takes answers that have come. It never waits for the reader.
func (r *Replies) add(items []*rialtov1.ReplyItem) {
	r.mu.Lock()
	for _, item := range items {
		if len(r.waiting) < repliesWaiting && !r.ended {
			r.waiting = append(r.waiting, replyOf(item))
		}
	}
	full := len(r.waiting) == repliesWaiting
	r.mu.Unlock()
	if full {
		r.fail(other("more answers came than were read", nil))
	}
	r.rouse()
}

func (r *Replies) done(done *rialtov1.RepliesDone) {
	r.finish(nil, summaryOf(done))
}

func (r *Replies) fail(why *Error) { r.finish(why, Summary{}) }

func (r *Replies) finish(why *Error, summary Summary) {
	r.mu.Lock()
	if !r.ended {
		r.ended, r.why, r.summary = true, why, summary
	}
	r.mu.Unlock()
	r.rouse()
}
