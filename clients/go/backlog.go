package rialto

import (
	"context"
	"slices"
	"sync"
	"time"
)

// backlog is what waits to be sent, in the order in which the application has said it: bounded in count and bytes.
// While the session is attached, who finds it full waits in line; while it is not, the policy decides.
type backlog struct {
	bounds OfflineBuffer
	// wake says that there is something, once until that is looked at.
	wake chan struct{}

	mu       sync.Mutex
	waiting  []*command
	bytes    int
	line     []*inLine
	attached bool
	// session is the one that there is, or was last.
	session string
	// cause is why the session is not attached.
	cause string
	over  *Error
}

// inLine is a command that waits for room, first come first served, so that nobody overtakes.
type inLine struct {
	command *command
	ended   chan *Error
}

func newBacklog(bounds OfflineBuffer) *backlog {
	return &backlog{bounds: bounds, wake: make(chan struct{}, 1), cause: "not connected yet"}
}

// put gives a command its place in the order. It waits only while the session is attached and too much waits already.
func (b *backlog) put(ctx context.Context, c *command) *Error {
	b.mu.Lock()
	switch {
	case b.over != nil:
		defer b.mu.Unlock()
		return b.over
	case c.isVolatile() && !b.attached:
		defer b.mu.Unlock()
		return unavailable(b.cause)
	case c.isReply() && c.session != b.session:
		defer b.mu.Unlock()
		return unavailable("the session that was asked is lost")
	case len(b.line) == 0 && b.makeRoom(c):
		b.push(c)
		b.mu.Unlock()
		return nil
	case !b.attached:
		defer b.mu.Unlock()
		return unsent("FULL", "the offline buffer is full")
	}
	place := &inLine{c, make(chan *Error, 1)}
	b.line = append(b.line, place)
	b.mu.Unlock()
	select {
	case err := <-place.ended:
		return err
	case <-ctx.Done():
		return b.leaveLine(ctx, place)
	}
}

func (b *backlog) leaveLine(ctx context.Context, place *inLine) *Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case err := <-place.ended:
		return err
	default:
	}
	b.line = slices.DeleteFunc(b.line, func(other *inLine) bool { return other == place })
	return givenUp(ctx, "the connection takes no more for now", false)
}

func (b *backlog) push(c *command) {
	b.waiting = append(b.waiting, c)
	b.bytes += c.bytes
	b.rouse()
}

func (b *backlog) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// fits holds when there is room. One command alone may have any size.
func (b *backlog) fits(c *command) bool {
	if len(b.waiting) == 0 {
		return b.attached || b.bounds.Commands > 0
	}
	return len(b.waiting) < b.bounds.Commands && b.bytes+c.bytes <= b.bounds.Bytes
}

// makeRoom holds when there is room, which it may have made at the cost of older emits.
func (b *backlog) makeRoom(c *command) bool {
	for !b.fits(c) {
		if b.attached || b.bounds.Overflow != DropOldest {
			return false
		}
		oldest := slices.IndexFunc(b.waiting, func(c *command) bool { return c.emit() != nil })
		if oldest < 0 {
			return false
		}
		b.remove(oldest).end(nil, unsent("MADE_ROOM", "newer ones needed its place"))
	}
	return true
}

func (b *backlog) remove(index int) *command {
	removed := b.waiting[index]
	b.waiting = slices.Delete(b.waiting, index, index+1)
	b.bytes -= removed.bytes
	return removed
}

// admit lets those in for whom there is room now.
func (b *backlog) admit() {
	for len(b.line) > 0 {
		first := b.line[0]
		if !b.makeRoom(first.command) {
			if b.attached {
				return
			}
			first.ended <- unsent("FULL", "the offline buffer is full")
		} else {
			b.push(first.command)
			first.ended <- nil
		}
		b.line = b.line[1:]
	}
}

// peek is the oldest command that waits.
func (b *backlog) peek() *command {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return nil
	}
	return b.waiting[0]
}

// take takes the oldest command out, if it is still this one. From then on it counts as sent.
func (b *backlog) take(c *command, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 || b.waiting[0] != c {
		return false
	}
	b.remove(0)
	c.sentAt = now
	b.admit()
	return true
}

// takeBack takes a command out that was not sent; false when it is on its way already.
func (b *backlog) takeBack(c *command) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	index := slices.Index(b.waiting, c)
	if index < 0 {
		return false
	}
	b.remove(index)
	b.admit()
	b.rouse()
	return true
}

// clear gives up all emits that wait.
func (b *backlog) clear() int {
	return b.giveUp(func(c *command) bool { return c.emit() != nil }, unsent("CLEARED", "the offline buffer was cleared"))
}

func (b *backlog) giveUp(which func(*command) bool, err *Error) (count int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for index := len(b.waiting) - 1; index >= 0; index-- {
		if which(b.waiting[index]) {
			b.remove(index).end(nil, err)
			count++
		}
	}
	b.admit()
	b.rouse()
	return count
}

// attach: the session is attached. Replies belong to the session that was asked, and to no other.
func (b *backlog) attach(session string) {
	foreign := func(c *command) bool { return c.isReply() && c.session != session }
	b.giveUp(foreign, unavailable("the session that was asked is lost"))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attached, b.session = true, session
}

// detach: there is no stream. What is volatile does not wait for another one.
func (b *backlog) detach(cause string) {
	b.mu.Lock()
	b.attached, b.cause = false, cause
	b.mu.Unlock()
	b.giveUp((*command).isVolatile, unavailable(cause))
}

// close fails everything, now and from now on.
func (b *backlog) close(why *Error) {
	b.mu.Lock()
	b.over = why
	for _, place := range b.line {
		place.ended <- why
	}
	b.line = nil
	b.mu.Unlock()
	b.giveUp(func(*command) bool { return true }, why)
}

// reason is why nothing was sent.
func (b *backlog) reason() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.attached {
		return "the connection takes no more for now"
	}
	return b.cause
}

// givenUp is what a caller is told whose context is over.
func givenUp(ctx context.Context, reason string, sent bool) *Error {
	switch {
	case ctx.Err() == context.Canceled:
		return &Error{Kind: Cancelled, Reason: "the caller gave up", MayHaveHappened: sent, cause: ctx.Err()}
	case sent:
		return &Error{Kind: TimedOut, Reason: "no answer in time", MayHaveHappened: true, cause: ctx.Err()}
	}
	return &Error{Kind: Unavailable, Reason: reason, cause: ctx.Err()}
}
