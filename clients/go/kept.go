package rialto

import (
	"slices"
	"time"

	"rialto.dev/client/internal/delta"
	"rialto.dev/client/internal/membership"
	"rialto.dev/client/internal/position"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// joinsPerHello is how many joins one greeting may carry.
	joinsPerHello = 16
	// framesPerMessage and bytesPerMessage bound what one message gathers; a larger frame goes alone.
	framesPerMessage = 256
	bytesPerMessage  = 64 << 10
)

// kept is what outlives a stream: where the session wants to be, what it has heard, what it has said without an answer.
// Under the lock of the core.
type kept struct {
	membership  membership.Map
	positions   position.Book
	bases       delta.Bases
	outstanding *outstanding
	pace        pace
	// again is what goes out before anything that was never sent.
	again []*command
	// greeted are joins of the greeting that were not answered yet, in their order.
	greeted []*rialtov1.Join
	// later are commands that the server asked to try later.
	later []delayed
	// handed is the number of the last frame that was handed on.
	handed uint32
	held   *held
	// former is the id of the session that there was before; empty before the first.
	former string
}

type delayed struct {
	at      time.Time
	command *command
}

// held is a session that may be taken up again.
type held struct{ id, secret string }

func newKept() *kept { return &kept{outstanding: newOutstanding()} }

// greeting is how the next stream is greeted: the session to go on with, and what is joined if it cannot.
func (k *kept) greeting() (resume *rialtov1.Resume, joins []*rialtov1.Join) {
	if k.held != nil {
		resume = &rialtov1.Resume{SessionId: k.held.id, SessionSecret: k.held.secret, Seq: k.handed, Afresh: true}
	}
	joins = k.membership.Joins(&k.positions)
	return resume, joins[:min(len(joins), joinsPerHello)]
}

// welcomed puts everything that was under way in its place.
func (k *kept) welcomed(welcome *rialtov1.Welcome, joins []*rialtov1.Join, now time.Time) {
	if welcome.GetResumed() {
		k.again = append(k.outstanding.resumed(welcome.GetLastRef()), unsentOf(k.again)...)
	} else {
		k.restart(joins, now)
		if k.former != "" {
			k.positions.Ended(k.former)
		}
	}
	k.pace.limit(welcome.GetLimits(), welcome.GetResumed(), now)
	k.former = welcome.GetSessionId()
	k.held = nil
	if span(welcome.GetResumeWindow()) > 0 {
		k.held = &held{welcome.GetSessionId(), welcome.GetSessionSecret()}
	}
}

// unsentOf leaves those out that have a ref: they are among the outstanding ones.
func unsentOf(commands []*command) (unsent []*command) {
	for _, c := range commands {
		if c.ref == 0 {
			unsent = append(unsent, c)
		}
	}
	return unsent
}

// restart begins a new session: all of the one before is lost but what this side remembers.
func (k *kept) restart(joins []*rialtov1.Join, now time.Time) {
	k.handed = 0
	k.later = nil
	k.bases.Forget()
	k.membership.Lost()
	k.greeted = joins
	unsent := unsentOf(k.again)
	k.again = nil
	for _, namespace := range k.membership.Enters() {
		k.rejoin(enterCommand(namespace))
	}
	for _, join := range k.membership.Joins(&k.positions)[len(joins):] {
		k.rejoin(joinCommand(join))
	}
	for _, c := range k.outstanding.lost(now) {
		c.ref = 0
		k.again = append(k.again, c)
	}
	for _, c := range unsent {
		switch {
		case c.purpose != asked:
		case repeatable(c, now):
			k.again = append(k.again, c)
		default:
			c.end(nil, unknownOutcome("the session was lost before the answer came"))
		}
	}
}

func (k *kept) rejoin(c *command) {
	c.purpose = rejoins
	k.again = append(k.again, c)
}

// ended: a stream has ended, or was not begun.
func (k *kept) ended(e *ending) {
	if e.givesUp() {
		k.held = nil
	}
}

// closed fails everything that has no answer.
func (k *kept) closed(why *Error) {
	for _, c := range k.again {
		c.end(nil, why.overSent(!c.sentAt.IsZero()))
	}
	k.again = nil
	k.outstanding.close(why)
}

// number gives a command that leaves its ref, and notes what it means. One that is sent again has its ref already.
func (k *kept) number(c *command, now time.Time) {
	if c.ref == 0 {
		k.outstanding.add(c)
	}
	if c.sentAt.IsZero() {
		c.sentAt = now
	}
	if emit := c.emit(); emit != nil {
		k.positions.Emits(emit)
	}
}

// parted: the session is no longer in these rooms.
func (k *kept) parted(namespace string, rooms []string) {
	k.forget(func(join *rialtov1.Join) bool {
		return join.GetNamespace() == namespace && len(join.GetRooms()) == 1 && slices.Contains(rooms, join.GetRooms()[0])
	})
	k.membership.Parted(namespace, rooms)
	k.positions.Parted(namespace, rooms)
}

// left: the session is no longer in this namespace.
func (k *kept) left(namespace string) {
	k.forget(func(join *rialtov1.Join) bool { return join.GetNamespace() == namespace })
	k.membership.Left(namespace)
	k.positions.Left(namespace)
}

// forget lets go of joins that were to be tried later.
func (k *kept) forget(which func(*rialtov1.Join) bool) {
	var later []delayed
	for _, waits := range k.later {
		if join := waits.command.frame.GetJoin(); join == nil || !which(join) {
			later = append(later, waits)
		}
	}
	k.later = later
}
