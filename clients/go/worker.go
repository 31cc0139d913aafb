package rialto

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	leaseDefault   = 30 * time.Second
	concurrencyMax = 10_000
	queuesMax      = 64
)

// Work does a job. What it returns is the result: text, []byte, nil, or a value that is sent as JSON. An error fails
// the attempt; a [Fail], [Release] or [Discard] says more. ctx is cancelled when the job is not to go on.
type Work func(ctx context.Context, job *WorkerJob) (any, error)

// Worker takes jobs of queues, has a function do each, and says what became of it.
type Worker struct {
	client      *Client
	name        string
	queues      []*rialtov1.WorkerSubscription
	concurrency int
	lease       time.Duration
	signals     bool
	onError     func(error)

	stopOnce  sync.Once
	stopping  chan struct{}
	giveUp    chan struct{}
	giveUpNow sync.Once
	began     atomic.Bool
	ended     chan struct{}
}

// WorkerOption says what a worker does.
type WorkerOption func(*Worker)

// FromQueue has it take jobs of a queue; at most 64 of them.
func FromQueue(namespace, queue string, options ...QueueOption) WorkerOption {
	subscription := &rialtov1.WorkerSubscription{Namespace: namespace, Queue: queue}
	for _, option := range options {
		option(subscription)
	}
	return func(w *Worker) { w.queues = append(w.queues, subscription) }
}

// QueueOption says how a worker takes the jobs of one queue.
type QueueOption func(*rialtov1.WorkerSubscription)

// AtMost is how many jobs of the queue it has at once.
func AtMost(jobs uint32) QueueOption {
	return func(s *rialtov1.WorkerSubscription) { s.InFlightMax = jobs }
}

// Weight is how many jobs of the queue it is given in a turn between its queues: 1 to 1,000.
func Weight(jobs uint32) QueueOption {
	return func(s *rialtov1.WorkerSubscription) { s.Weight = jobs }
}

// Concurrency is how many jobs it does at once: 1 if nothing is said, at most 10,000.
func Concurrency(jobs int) WorkerOption {
	return func(w *Worker) { w.concurrency = min(max(jobs, 1), concurrencyMax) }
}

// LeaseFor is how long a lease lasts unless it is extended, which happens by itself: 30 s if nothing is said, 1 s at
// least.
func LeaseFor(span time.Duration) WorkerOption { return func(w *Worker) { w.lease = span } }

// StopOnSignals has SIGTERM and SIGINT stop the worker. A second one ends the process as usual.
func StopOnSignals() WorkerOption { return func(w *Worker) { w.signals = true } }

// OnError has the application told what goes wrong beside the work itself, as a lost connection or lease. It is called
// by the worker's own goroutine, and is not to block.
func OnError(tell func(error)) WorkerOption { return func(w *Worker) { w.onError = tell } }

// Worker makes a worker; it does nothing until it runs. The name is for people, 1 to 128 bytes, as "import@host-3".
func (c *Client) Worker(name string, options ...WorkerOption) *Worker {
	w := &Worker{
		client: c, name: name, concurrency: 1, lease: leaseDefault, onError: func(error) {},
		stopping: make(chan struct{}), giveUp: make(chan struct{}), ended: make(chan struct{}),
	}
	for _, option := range options {
		option(w)
	}
	return w
}

// Run works until ctx is done or Stop is called. Then it takes no more jobs, gives those back that have not begun, lets
// running ones end, and says what became of them. It comes back by itself when the server is lost, and fails only with
// what does not pass, as a missing right. A worker runs once.
func (w *Worker) Run(ctx context.Context, work Work) error {
	if !w.began.CompareAndSwap(false, true) {
		return invalid("a worker runs once")
	}
	if err := w.runOnce(ctx, work); err != nil {
		return err
	}
	return nil
}

func (w *Worker) runOnce(ctx context.Context, work Work) *Error {
	defer close(w.ended)
	if len(w.queues) == 0 || len(w.queues) > queuesMax {
		return invalid("a worker takes jobs of 1 to %d queues", queuesMax)
	}
	defer context.AfterFunc(ctx, w.stop)()
	if w.signals {
		defer w.stopOnSignals()()
	}
	return newWorkRun(w, context.WithoutCancel(ctx), work).run()
}

func (w *Worker) stopOnSignals() (ended func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	over := make(chan struct{})
	go func() {
		select {
		case <-signals:
			w.stop()
		case <-over:
		}
		signal.Stop(signals)
	}()
	return func() { close(over) }
}

func (w *Worker) stop() { w.stopOnce.Do(func() { close(w.stopping) }) }

// Stop has the worker end as Run says, and waits for that. When ctx is over first, what still runs is given up: its
// context is cancelled with [Closed].
func (w *Worker) Stop(ctx context.Context) error {
	w.stop()
	if w.began.CompareAndSwap(false, true) {
		close(w.ended)
	}
	select {
	case <-w.ended:
		return nil
	case <-ctx.Done():
		w.giveUpNow.Do(func() { close(w.giveUp) })
		return givenUp(ctx, "", true)
	}
}

func (w *Worker) hello(resume string, credit int) *rialtov1.WorkerHello {
	return &rialtov1.WorkerHello{
		WorkerId: w.name, Resume: resume, Subscriptions: w.queues, LeaseDuration: durationpb.New(w.lease),
		Credit: &rialtov1.WorkerCredit{Jobs: uint32(credit)},
	}
}

// carryOut does one job. A crash of the work ends nothing else.
func carryOut(work Work, job *WorkerJob) (settlement *rialtov1.Settlement, problem error) {
	defer func() {
		if crashed := recover(); crashed != nil {
			problem = fmt.Errorf("the work on %s has panicked: %v", job, crashed)
			settlement = failedSettlement(Fail{Code: "PANICKED", Message: fmt.Sprint(crashed)})
		}
	}()
	return settlementOf(work(job.ctx, job))
}
