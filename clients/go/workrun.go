package rialto

import (
	"context"
	"time"

	"rialto.dev/client/internal/backoff"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// extendShare is the part of a lease after which it is extended.
	extendShare = 3
	// newsApart is how long news of progress are apart at least.
	newsApart = 200 * time.Millisecond
	// drainedMax is how long the end of a drained stream is waited for.
	drainedMax = 10 * time.Second
)

// workRun is one run of a worker. Everything in it belongs to one goroutine, but for the work itself.
type workRun struct {
	*Worker
	// ctx is that of the work and of the streams; it outlives the wish to stop.
	ctx    context.Context
	cancel context.CancelFunc
	work   Work

	working *working
	// waiting are jobs that have not begun, because as many run as may.
	waiting []begun
	running int

	link      *workLink
	connected chan connecting
	// connecting: an attempt is under way.
	connecting bool
	resume     string
	backoff    backoff.Backoff
	// openBefore: a stream has been open, so that a token that is turned down now may have expired.
	openBefore bool
	begunAt    time.Time

	changed  chan struct{}
	finished chan finishedWork
	outgoing []*rialtov1.WorkRequest
	// credit is what the server was told last; drain that the wish to stop is still to be said.
	credit  int
	drain   bool
	stopped bool
	// extendEvery is how often leases are extended.
	extendEvery                       time.Duration
	extendAt, newsAt, retryAt, doneBy time.Time
}

type begun struct {
	token string
	job   *WorkerJob
}

type finishedWork struct {
	token      string
	settlement *rialtov1.Settlement
	problem    error
}

type connecting struct {
	link    *workLink
	welcome *rialtov1.WorkerWelcome
	err     error
}

func newWorkRun(worker *Worker, ctx context.Context, work Work) *workRun {
	r := &workRun{
		Worker: worker, work: work, working: newWorking(worker.onError), backoff: backoff.Backoff{Max: awayMax},
		connected: make(chan connecting, 1), changed: make(chan struct{}, 1), finished: make(chan finishedWork),
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

func (r *workRun) run() *Error {
	err := r.loop()
	r.cancel()
	r.lose()
	if r.connecting {
		// An attempt that is under way ends with its context.
		if late := <-r.connected; late.link != nil {
			late.link.close()
		}
	}
	return err
}

func (r *workRun) loop() *Error {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	stopping, giveUp := r.stopping, r.giveUp
	r.connect()
	for {
		now := time.Now()
		if r.isOver(now) {
			return nil
		}
		r.onTime(now)
		ready := r.ready()
		alarm.Reset(time.Until(r.nextAlarm(now)))
		select {
		case got := <-r.connected:
			if err := r.welcomed(got); err != nil {
				return err
			}
		case said := <-r.inbound():
			if err := r.hear(said); err != nil {
				return err
			}
		case <-ready:
			r.link.outbound <- r.outgoing[0]
			r.outgoing = r.outgoing[1:]
		case done := <-r.finished:
			r.done(done)
		case <-r.changed:
			if r.newsAt.IsZero() {
				r.newsAt = now
			}
		case <-stopping:
			stopping = nil
			r.stop()
			r.stopped, r.drain = true, true
			r.giveBack()
		case <-giveUp:
			r.abandon()
			return nil
		case <-alarm.C:
		}
	}
}

// isOver holds when the worker is to stop, everything is confirmed, and the server has nothing more to say.
func (r *workRun) isOver(now time.Time) bool {
	if !r.stopped || !r.working.isDone() || len(r.waiting) > 0 {
		r.doneBy = time.Time{}
		return false
	}
	if r.link == nil {
		return true
	}
	if r.doneBy.IsZero() {
		r.doneBy = now.Add(drainedMax)
	}
	return !now.Before(r.doneBy)
}

// connect opens a stream beside the loop.
func (r *workRun) connect() {
	r.retryAt, r.connecting = time.Time{}, true
	hello := r.hello(r.resume, r.wantedCredit())
	r.credit = r.wantedCredit()
	go func() {
		link, welcome, err := openWork(r.ctx, r.client, hello)
		r.connected <- connecting{link, welcome, err}
	}()
}

// welcomed takes the outcome of an attempt to connect.
func (r *workRun) welcomed(got connecting) *Error {
	r.connecting = false
	if got.err != nil {
		return r.retry(asError(got.err))
	}
	r.link, r.resume, r.begunAt = got.link, got.welcome.GetSession(), time.Now()
	r.openBefore = true
	r.drain = r.stopped
	r.outgoing = nil
	if !got.welcome.GetResumed() {
		for _, waits := range r.waiting {
			r.working.drop(waits.token)
		}
		r.waiting = nil
	}
	r.working.reconnected(got.welcome.GetResumed())
	r.extendEvery = r.lease / extendShare
	if lasts := span(got.welcome.GetLeaseDuration()); lasts > 0 {
		r.extendEvery = lasts / extendShare
	}
	r.extendAt = time.Now()
	return nil
}

// retry comes back after a failure that passes, and tells of it; another one ends the run.
func (r *workRun) retry(failure *Error) *Error {
	expired := r.openBefore && r.client.settings.token.mayHaveExpired(failure)
	if !failure.passes() && !expired {
		return failure
	}
	r.onError(failure)
	r.retryAt = time.Now().Add(max(r.backoff.Next(), failure.After))
	return nil
}

// lose lets go of the stream.
func (r *workRun) lose() {
	if r.link == nil {
		return
	}
	r.link.close()
	r.link = nil
	r.outgoing = nil
	r.working.disconnected()
	r.backoff.EndedAfter(time.Since(r.begunAt))
}

func (r *workRun) inbound() <-chan heardWork {
	if r.link == nil {
		return nil
	}
	return r.link.inbound
}

// ready is where the writer says that it takes a message; nil when there is none.
func (r *workRun) ready() <-chan struct{} {
	if r.link == nil {
		return nil
	}
	if len(r.outgoing) == 0 {
		r.gather()
	}
	if len(r.outgoing) == 0 {
		return nil
	}
	return r.link.ready
}

// gather makes the messages that are to be sent next.
func (r *workRun) gather() {
	if r.drain {
		r.drain = false
		r.say(&rialtov1.WorkRequest{Frame: &rialtov1.WorkRequest_Drain{Drain: &rialtov1.WorkerDrain{}}})
	}
	if credit := r.wantedCredit(); credit != r.credit && !r.stopped {
		r.credit = credit
		r.say(&rialtov1.WorkRequest{Frame: &rialtov1.WorkRequest_Credit{Credit: &rialtov1.WorkerCredit{Jobs: uint32(credit)}}})
	}
	last, settle := r.working.settlements()
	if last != nil {
		r.say(&rialtov1.WorkRequest{Frame: &rialtov1.WorkRequest_Extend{Extend: last}})
	}
	if settle != nil {
		r.say(&rialtov1.WorkRequest{Frame: &rialtov1.WorkRequest_Settle{Settle: settle}})
	}
}

func (r *workRun) say(request *rialtov1.WorkRequest) { r.outgoing = append(r.outgoing, request) }

// wantedCredit is less by what still runs though its lease is lost.
func (r *workRun) wantedCredit() int { return max(r.concurrency-r.working.lostCount(), 0) }

// onTime does what is due: the next attempt, extending leases, telling news.
func (r *workRun) onTime(now time.Time) {
	switch {
	case r.link == nil:
		if !r.retryAt.IsZero() && !now.Before(r.retryAt) {
			r.connect()
		}
	case !now.Before(r.extendAt):
		r.extendAt = now.Add(r.extendEvery)
		r.extend(true)
	case !r.newsAt.IsZero() && !now.Before(r.newsAt):
		r.newsAt = time.Time{}
		r.extend(false)
	}
}

func (r *workRun) extend(all bool) {
	requests := r.working.extensions(all)
	for _, request := range requests {
		r.say(&rialtov1.WorkRequest{Frame: &rialtov1.WorkRequest_Extend{Extend: request}})
	}
	if len(requests) > 0 && r.newsAt.IsZero() {
		// What is said from now on is told so much later at the earliest.
		r.newsAt = time.Now().Add(newsApart)
	}
}

func (r *workRun) nextAlarm(now time.Time) time.Time {
	alarm := now.Add(time.Minute)
	wanted := []time.Time{r.retryAt, r.doneBy}
	if r.link != nil {
		wanted = append(wanted, r.extendAt, r.newsAt)
	}
	for _, at := range wanted {
		if !at.IsZero() && at.Before(alarm) {
			alarm = at
		}
	}
	return alarm
}

// hear takes what the server says.
func (r *workRun) hear(heard heardWork) *Error {
	if heard.err != nil {
		failure := r.link.failure(heard.err)
		r.lose()
		if r.stopped && r.working.isDone() {
			return nil
		}
		return r.retry(failure)
	}
	switch said := heard.message.GetFrame().(type) {
	case *rialtov1.WorkResponse_Leases:
		for _, lease := range said.Leases.GetLeases() {
			r.leased(lease)
		}
		r.begin()
	case *rialtov1.WorkResponse_Settled:
		r.working.settled(said.Settled)
	case *rialtov1.WorkResponse_Extended:
		if r.working.extended(said.Extended) && r.newsAt.IsZero() {
			r.newsAt = time.Now().Add(newsApart)
		}
	case *rialtov1.WorkResponse_Cancel:
		r.working.cancel(said.Cancel.GetTokens())
	case *rialtov1.WorkResponse_Pause:
		r.working.pause(said.Pause.GetTokens())
	}
	return nil
}

func (r *workRun) leased(lease *rialtov1.Lease) {
	if r.working.knows(lease.GetToken()) {
		return
	}
	job := newWorkerJob(r.ctx, r.client, lease, r.changed)
	r.working.hold(lease.GetToken(), job)
	r.waiting = append(r.waiting, begun{lease.GetToken(), job})
	if r.stopped {
		r.giveBack()
	}
}

// begin has as many jobs done at once as may be.
func (r *workRun) begin() {
	for len(r.waiting) > 0 && r.running < r.concurrency {
		next := r.waiting[0]
		r.waiting = r.waiting[1:]
		if r.working.isLost(next.token) {
			r.working.drop(next.token)
			continue
		}
		r.running++
		go func() {
			settlement, problem := carryOut(r.work, next.job)
			select {
			case r.finished <- finishedWork{next.token, settlement, problem}:
			case <-r.ctx.Done():
			}
		}()
	}
}

// giveBack gives jobs back that have not begun.
func (r *workRun) giveBack() {
	for _, waits := range r.waiting {
		released, _ := settlementOf(nil, &Release{})
		r.working.done(waits.token, released)
		waits.job.cancel(nil)
	}
	r.waiting = nil
}

func (r *workRun) done(finished finishedWork) {
	r.running--
	if finished.problem != nil {
		r.onError(finished.problem)
	}
	if held, ok := r.working.held[finished.token]; ok {
		held.job.cancel(nil)
	}
	r.working.done(finished.token, finished.settlement)
	r.begin()
}

// abandon gives up what still runs.
func (r *workRun) abandon() {
	for _, held := range r.working.held {
		held.job.cancelFor(closedHere())
	}
}
