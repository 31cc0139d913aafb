package rialto

import (
	"maps"
	"math"
	"slices"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// windowCommands and windowBytes bound what is on its way at once; the next ones wait.
	windowCommands = 256
	windowBytes    = 1 << 20
	// keysKnown is how long after its first sending an emit is said again to another session. Servers know its key
	// for five minutes; the rest is for the way.
	keysKnown = 4 * time.Minute
	// refsSpare: with so few refs left a session is used up.
	refsSpare = 1 << 16
	// unansweredMax are the changes of membership that are remembered for callers who have given up.
	unansweredMax = 1024
	// repliesUnconfirmed is how many replies may be without a sign that they were taken.
	repliesUnconfirmed = 64
)

// outstanding are commands that were sent and have no answer yet, by their refs. It knows no connection.
type outstanding struct {
	lastRef uint32
	entries map[uint32]*command
	// window counts those whose answer is still to come, and their bytes.
	window, windowBytes int
	// replies are the refs of replies without a sign, rising, and how many went since the last sign.
	replies   []uint32
	unchecked int
}

func newOutstanding() *outstanding { return &outstanding{entries: map[uint32]*command{}} }

func (o *outstanding) isEmpty() bool { return len(o.entries) == 0 }

func (o *outstanding) isUsedUp() bool { return o.lastRef >= math.MaxUint32-refsSpare }

// hasRoom holds when one more command may be on its way. One alone may have any size.
func (o *outstanding) hasRoom(c *command) bool {
	return o.window == 0 || (o.window < windowCommands && o.windowBytes+c.bytes <= windowBytes)
}

// add numbers a command that leaves now.
func (o *outstanding) add(c *command) {
	o.lastRef++
	c.ref = o.lastRef
	c.frame.Ref = c.ref
	o.entries[c.ref] = c
	o.window++
	o.windowBytes += c.bytes
	if c.isReply() {
		o.replies = append(o.replies, c.ref)
		o.unchecked++
	}
}

// wantsSign holds when so many replies are without a sign that the server has to give one.
func (o *outstanding) wantsSign() bool { return o.unchecked >= repliesUnconfirmed }

func (o *outstanding) remove(ref uint32) *command {
	c, ok := o.entries[ref]
	if !ok {
		return nil
	}
	delete(o.entries, ref)
	if !c.taken {
		o.free(c)
	}
	return c
}

func (o *outstanding) free(c *command) {
	o.window--
	o.windowBytes -= c.bytes
}

// accepted: a question was taken. Its place is free, and its answers are still to come.
func (o *outstanding) accepted(c *command) {
	if !c.taken {
		c.taken = true
		o.free(c)
	}
}

// signed: the server has taken everything before this ref, replies among it.
func (o *outstanding) signed(ref uint32) {
	for len(o.replies) > 0 && o.replies[0] < ref {
		o.remove(o.replies[0])
		o.replies = o.replies[1:]
		o.unchecked = len(o.replies)
	}
}

// sweep forgets those whose callers have given up. Changes of membership are remembered, because the session needs
// their answers too, unless there are so many that the server cannot be in order.
func (o *outstanding) sweep() {
	crowded := len(o.entries) > unansweredMax
	for ref, c := range o.entries {
		if c.abandoned.Load() && (crowded || !c.isMembership()) {
			o.remove(ref)
		}
	}
}

func (o *outstanding) inOrder() []*command {
	refs := slices.Sorted(maps.Keys(o.entries))
	commands := make([]*command, len(refs))
	for index, ref := range refs {
		commands[index] = o.entries[ref]
	}
	return commands
}

// resumed: the session goes on, and the server has taken commands up to lastRef. It gives what is to be sent again.
func (o *outstanding) resumed(lastRef uint32) (again []*command) {
	if lastRef < math.MaxUint32 {
		o.signed(lastRef + 1)
	}
	for _, c := range o.inOrder() {
		switch {
		case c.ref <= lastRef || c.taken:
		case c.isVolatile():
			o.remove(c.ref).end(nil, unavailable("the connection was lost before it was taken"))
		case c.frame.GetRefresh() != nil:
			o.remove(c.ref).end(nil, unknownOutcome("the connection was lost"))
		default:
			again = append(again, c)
		}
	}
	return again
}

// lost: there is another session. It gives what is said to that once more; everyone else is told.
func (o *outstanding) lost(now time.Time) (again []*command) {
	commands := o.inOrder()
	*o = *newOutstanding()
	for _, c := range commands {
		switch {
		case c.taken:
			c.answers.fail(unknownOutcome("the session was lost before all had answered"))
		case c.purpose != asked || c.isReply():
			// The greeting has joined the rooms and has a new token. A reply belongs to the session that was asked.
		case repeatable(c, now):
			again = append(again, c)
		default:
			c.end(nil, unknownOutcome("the session was lost before the answer came"))
		}
	}
	return again
}

// repeatable holds for what cannot take effect twice.
func repeatable(c *command, now time.Time) bool {
	if emit := c.emit(); emit != nil {
		return emit.GetIdempotencyKey() != "" && !c.isVolatile() && now.Sub(c.sentAt) < keysKnown
	}
	return c.isMembership() || c.frame.GetPing() != nil
}

// close fails everything.
func (o *outstanding) close(why *Error) {
	for _, c := range o.entries {
		if c.taken {
			c.answers.fail(why.overSent(true))
		}
		c.end(nil, why.overSent(true))
	}
	*o = *newOutstanding()
}

// answerTo is the command that an answer is about, with what the answer says of replies before it.
func (o *outstanding) answerTo(frame *rialtov1.ServerFrame) *command {
	o.signed(frame.GetRef())
	return o.entries[frame.GetRef()]
}
