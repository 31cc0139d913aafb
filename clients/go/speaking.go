package rialto

import (
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// speaks holds when there is something to say. What the greeting asked for is answered first, because what is said may
// depend on it.
func (c *conversation) speaks(now time.Time) bool {
	if c.bye || (!c.seenDue.IsZero() && !now.Before(c.seenDue)) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sayable(now) != nil
}

// sayable is the command that may leave next.
func (c *conversation) sayable(now time.Time) *command {
	c.paceUntil = time.Time{}
	if !c.parting.IsZero() || len(c.kept.greeted) > 0 {
		return nil
	}
	next := c.nextAgain()
	if next == nil && !c.isMoving(now) {
		next = c.backlog.peek()
	}
	if next == nil {
		return nil
	}
	if next.ref == 0 && !c.kept.outstanding.hasRoom(next) {
		return nil
	}
	if wait := c.kept.pace.wait(now); next.emit() != nil && wait > 0 {
		c.paceUntil = now.Add(wait)
		return nil
	}
	return next
}

// nextAgain is what is to be said before anything new. What nobody waits for any more, or is answered, goes.
func (c *conversation) nextAgain() *command {
	k := c.kept
	for len(k.again) > 0 {
		first := k.again[0]
		answered := first.ref != 0 && k.outstanding.entries[first.ref] != first
		if !answered && (!first.abandoned.Load() || first.isMembership()) {
			return first
		}
		k.again = k.again[1:]
		if !answered && first.ref != 0 {
			k.outstanding.remove(first.ref)
		}
	}
	k.again = nil
	return nil
}

func (c *conversation) isMoving(now time.Time) bool {
	return !c.moveFrom.IsZero() && !now.Before(c.moveFrom)
}

// nextMessage gathers what leaves now.
func (c *conversation) nextMessage(now time.Time) (frames []*rialtov1.ClientFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.seenDue.IsZero() && !now.Before(c.seenDue) {
		seen := &rialtov1.Seen{Seq: c.kept.handed}
		frames = append(frames, &rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Seen{Seen: seen}})
		c.told, c.seenDue = c.kept.handed, time.Time{}
	}
	bytes := 0
	for len(frames) < framesPerMessage {
		next := c.sayable(now)
		if next == nil || (len(frames) > 0 && bytes+next.bytes > bytesPerMessage) {
			break
		}
		if c.leaves(next, now) {
			bytes += next.bytes
			frames = append(frames, next.frame)
		}
	}
	if c.bye && len(frames) < framesPerMessage {
		c.bye = false
		frames = append(frames, &rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Bye{Bye: &rialtov1.Bye{}}})
	}
	return frames
}

// leaves takes a command out of where it waits, and numbers it. It is false when its caller was quicker.
func (c *conversation) leaves(next *command, now time.Time) bool {
	k := c.kept
	if len(k.again) > 0 && k.again[0] == next {
		k.again = k.again[1:]
	} else if !c.backlog.take(next, now) {
		return false
	}
	k.number(next, now)
	if next.emit() != nil {
		k.pace.leaves()
	}
	if next.isReply() {
		next.end(nil, nil)
		if k.outstanding.wantsSign() {
			k.outstanding.unchecked = 0
			k.again = append(k.again, pingCommand())
		}
	}
	return true
}

// sayGoodbye comes once everything that was asked for before has been sent, or has had its time.
func (c *conversation) sayGoodbye(now time.Time) {
	if !c.stopping || !c.parting.IsZero() {
		return
	}
	c.mu.Lock()
	silent := c.nextAgain() == nil && c.backlog.peek() == nil
	c.mu.Unlock()
	if silent || !now.Before(c.stopBy) {
		c.bye = true
		c.parting = now.Add(byeTimeout)
	}
}

// renew hands in a token that was asked for.
func (c *conversation) renew(renewed renewed) {
	c.renewal.took(renewed)
	if renewed.err != nil {
		c.reports.tell(ReportTokenUnavailable{Cause: renewed.err})
		return
	}
	handed := refreshCommand(renewed.token.Text)
	handed.purpose = renews
	c.mu.Lock()
	c.kept.again = append(c.kept.again, handed)
	c.mu.Unlock()
}

// nextAlarm is when to look at the clock again.
func (c *conversation) nextAlarm(now time.Time) time.Time {
	alarm := c.sweepAt
	for _, at := range []time.Time{c.moveFrom, c.moveBy, c.parting, c.seenDue, c.paceUntil, c.stopBy} {
		if at.After(now) && at.Before(alarm) {
			alarm = at
		}
	}
	return alarm
}

// lookAtClock does what is due: moving, the end of a goodbye, silence, the end of numbers, and the sweep.
func (c *conversation) lookAtClock(now time.Time) *ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.isMoving(now) && (!now.Before(c.moveBy) || c.isQuiet()):
		return &ending{kind: endMoved, err: unavailable("the server asked to connect again")}
	case !c.parting.IsZero() && !now.Before(c.parting):
		return &ending{kind: endStopped, err: closedHere()}
	case c.kept.outstanding.isUsedUp():
		return &ending{kind: endUsedUp, err: unavailable("the session has used up its numbers")}
	}
	if c.handedOver != nil {
		// While the application is slow the silence is ours.
		c.heardAt = now
	}
	if c.quietMax > 0 && now.Sub(c.heardAt) >= c.quietMax {
		return lostBy("the server fell silent")
	}
	if !now.Before(c.sweepAt) {
		c.sweep(now)
	}
	return nil
}

// isQuiet holds when no command waits for its answer and no question is open.
func (c *conversation) isQuiet() bool {
	if len(c.kept.again) > 0 {
		return false
	}
	for _, waits := range c.kept.outstanding.entries {
		if !waits.isReply() {
			return false
		}
	}
	return true
}

func (c *conversation) sweep(now time.Time) {
	k := c.kept
	c.sweepAt = now.Add(sweepEvery)
	k.outstanding.sweep()
	var later []delayed
	for _, waits := range k.later {
		if now.Before(waits.at) {
			later = append(later, waits)
		} else {
			k.rejoin(waits.command)
		}
	}
	k.later = later
	if !now.Before(c.greetBy) {
		for _, join := range k.greeted {
			k.rejoin(joinCommand(join))
		}
		k.greeted = nil
	}
}
