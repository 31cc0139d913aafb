package rialto

import (
	"context"
	"time"

	"rialto.dev/client/internal/backoff"
)

// engine owns a session's connection: it connects, greets, converses, and after an ending waits or stops as next says.
// There is one goroutine of it a session.
type engine struct {
	*core
	// finished ends the life of the core.
	finished context.CancelFunc
	backoff  backoff.Backoff
	// turnedDown: a token was turned down since the session was attached for long.
	turnedDown bool
	// first takes whether the session was attached for the first time; nil afterwards.
	first chan<- error
	// lost is why the stream before has ended.
	lost error
}

func startEngine(settings settings, at address) (*core, <-chan error) {
	life, finished := context.WithCancel(context.Background())
	first := make(chan error, 1)
	e := &engine{core: newCore(settings, at, life), finished: finished, first: first}
	go e.run()
	return e.core, first
}

func (e *engine) run() {
	defer e.finished()
	for {
		e.board.set(Status{Phase: Connecting})
		ended := e.attempt()
		if e.isClosing() {
			ended = stoppedBy(ended)
		}
		e.mu.Lock()
		e.kept.ended(ended)
		e.mu.Unlock()
		todo := next(ended, tokensKnown{e.settings.token.renewable(), e.turnedDown})
		switch {
		case todo.stop != nil:
			e.finish(todo.stop)
			return
		case e.first != nil && !e.settings.patient && !todo.turnedDown:
			// Who connects for the first time learns at once that nobody is there, unless it has asked for patience.
			e.finish(ended.err)
			return
		}
		e.turnedDown = e.turnedDown || todo.turnedDown
		e.lost = ended.err
		if !todo.atOnce {
			e.wait(max(e.backoff.Next(), todo.notBefore), ended.err)
		}
	}
}

// stoppedBy: an ending by the server's own word is worth telling even if the application wanted to end as well.
func stoppedBy(ended *ending) *ending {
	if ended.kind == endClosed && ended.arrow == stayAway && ended.err.Code != "BYE" {
		return ended
	}
	return &ending{kind: endStopped, err: closedHere()}
}

// attempt opens one stream and uses it until it ends.
func (e *engine) attempt() *ending {
	opened, failed := e.open()
	if failed != nil {
		return failed
	}
	began := time.Now()
	e.attached(opened)
	ended := newConversation(e, opened).run()
	e.backlog.detach(ended.err.Error())
	opened.close()
	held := time.Since(began)
	e.backoff.EndedAfter(held)
	if held >= backoff.Stable {
		e.turnedDown = false
	}
	return ended
}

// attached puts everything in its place and tells of it.
func (e *engine) attached(opened *opening) {
	welcome := opened.welcome
	e.mu.Lock()
	before := e.kept.former
	e.kept.welcomed(welcome, opened.joins, time.Now())
	if opened.seq > 0 && !welcome.GetResumed() {
		e.kept.handed = opened.seq
	}
	e.bearer = opened.token
	e.mu.Unlock()
	arrival := First
	if before != "" {
		arrival = Afresh
		if welcome.GetResumed() {
			arrival = Resumed
		}
	}
	e.backlog.attach(welcome.GetSessionId())
	e.board.set(attachedStatus(welcome, arrival))
	if before != "" {
		e.reports.tell(ReportReconnected{
			Before: before, Now: welcome.GetSessionId(), Resumed: welcome.GetResumed(), Cause: e.lost,
		})
	}
	if e.first != nil {
		e.first <- nil
		e.first = nil
	}
}

func (e *engine) wait(delay time.Duration, cause *Error) {
	e.backlog.detach(cause.Error())
	select {
	case <-e.retry:
		// It was meant for the wait before.
	default:
	}
	e.board.set(Status{Phase: Waiting, Until: time.Now().Add(delay), Cause: cause})
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.retry:
	case <-e.closing:
	}
}

// finish ends everything for good.
func (e *engine) finish(why *Error) {
	e.close()
	e.kill()
	told := closing(why)
	e.backlog.close(told)
	e.mu.Lock()
	e.kept.closed(told)
	e.mu.Unlock()
	e.board.set(Status{Phase: Over, Cause: told})
	if told.Code == "CLOSED" {
		// This side knows why.
		told = nil
	}
	e.audience.dismiss(told)
	e.reports.close()
	e.line.close()
	if e.first != nil {
		e.first <- why
	}
}

// closing is how everybody is told that the session is over, whatever has ended it.
func closing(why *Error) *Error {
	told := *why
	told.Kind, told.MayHaveHappened = Closed, false
	return &told
}
