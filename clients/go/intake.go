package rialto

import (
	"slices"
	"time"

	"rialto.dev/client/internal/membership"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// take does what a frame of the server means: whom it is given to, and what changes by it. Kinds that this version
// does not know are passed over.
func (c *conversation) take(frame *rialtov1.ServerFrame) *ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch said := frame.GetFrame().(type) {
	case *rialtov1.ServerFrame_Event:
		c.event(said.Event)
	case *rialtov1.ServerFrame_Presence:
		if change := said.Presence; c.wants(change) && !c.audience.presence(change) {
			c.joinAgain(change.GetNamespace(), change.GetRoom())
		}
	case *rialtov1.ServerFrame_StateChanges:
		if c.wants(said.StateChanges) {
			c.audience.state(said.StateChanges)
		}
	case *rialtov1.ServerFrame_Missed:
		c.kept.positions.Missed(said.Missed)
		c.reports.tell(missedReport(said.Missed))
	case *rialtov1.ServerFrame_Drain:
		c.drain(said.Drain)
	case *rialtov1.ServerFrame_Close:
		return endedBy(said.Close)
	case nil, *rialtov1.ServerFrame_Ping, *rialtov1.ServerFrame_Welcome:
		// A sign of life, which was noted already.
	default:
		c.answer(frame)
	}
	return nil
}

// wants holds for what is told of a room that was joined. Nothing else is kept, however much a server tells.
func (c *conversation) wants(told interface {
	GetNamespace() string
	GetRoom() string
}) bool {
	wanted, _ := c.kept.membership.Is(told.GetNamespace(), told.GetRoom())
	return wanted
}

// event makes the payload whole first, also of an event that the application has had: the next may build on it.
func (c *conversation) event(event *rialtov1.Event) {
	var unmade error
	if event.GetDelta() != nil || c.kept.membership.TakesDeltas(event.GetNamespace(), event.GetRooms()) {
		unmade = c.kept.bases.Restore(event)
	}
	isNew, past := c.kept.positions.Take(event)
	switch {
	case !isNew:
	case unmade != nil:
		c.reports.tell(ReportMissed{
			Namespace: event.GetNamespace(), Rooms: event.GetRooms(), Count: 1,
			From: event.GetOffset(), To: event.GetOffset(), Epoch: event.GetEpoch(), Cause: MissedDelta,
		})
		for _, room := range event.GetRooms() {
			c.joinAgain(event.GetNamespace(), room)
		}
	default:
		made := eventOf(event)
		made.Past, made.core, made.session = past, c.core, c.opened.welcome.GetSessionId()
		c.audience.event(made)
	}
}

// joinAgain asks for a room as a whole once more, unless that is under way.
func (c *conversation) joinAgain(namespace, room string) {
	again, wanted := c.kept.membership.Again(namespace, room)
	if !wanted {
		return
	}
	isUnderWay := func(asked *command) bool {
		if asked.purpose != rejoins && asked.purpose != mends {
			return false
		}
		join := asked.frame.GetJoin()
		return join.GetNamespace() == namespace && slices.Equal(join.GetRooms(), []string{room})
	}
	for _, asked := range c.kept.again {
		if isUnderWay(asked) {
			return
		}
	}
	for _, asked := range c.kept.outstanding.entries {
		if isUnderWay(asked) {
			return
		}
	}
	mending := joinCommand(again)
	mending.purpose = mends
	c.kept.again = append(c.kept.again, mending)
}

// drain: the server will stop. The session moves in the time that it is given.
func (c *conversation) drain(drain *rialtov1.Drain) {
	if c.moveFrom.IsZero() {
		now := time.Now()
		delay := span(drain.GetDelay())
		c.moveFrom, c.moveBy = now.Add(delay), now.Add(max(delay, span(drain.GetReconnectWithin())))
	}
	c.reports.tell(ReportDraining{})
}

func (c *conversation) answer(frame *rialtov1.ServerFrame) {
	if frame.GetRef() == 0 {
		if !c.greetedBy(frame) {
			c.unasked(frame)
		}
		return
	}
	asked := c.kept.outstanding.answerTo(frame)
	switch {
	case asked == nil:
		// A late answer, whose caller has given up.
	case asked.isReply():
		c.kept.outstanding.remove(asked.ref)
		if refused := frame.GetRefused(); refused != nil {
			c.reports.tell(ReportRefused{refusedBy(refused)})
		}
	case asked.answers != nil:
		c.answerMany(asked, frame)
	default:
		c.kept.outstanding.remove(asked.ref)
		c.answerOne(asked, frame)
	}
}

// greetedBy holds when a frame answers the next join of the greeting. They are answered in their order.
func (c *conversation) greetedBy(frame *rialtov1.ServerFrame) bool {
	if len(c.kept.greeted) == 0 {
		return false
	}
	join := c.kept.greeted[0]
	switch said := frame.GetFrame().(type) {
	case *rialtov1.ServerFrame_Joined:
		if !sameRooms(join, said.Joined) {
			return false
		}
		c.kept.greeted = c.kept.greeted[1:]
		c.joined(join, said.Joined)
		c.rejoined(join, said.Joined)
	case *rialtov1.ServerFrame_Refused:
		c.kept.greeted = c.kept.greeted[1:]
		c.rejoinRefused(joinCommand(join), refusedBy(said.Refused))
	default:
		return false
	}
	return true
}

func sameRooms(join *rialtov1.Join, joined *rialtov1.Joined) bool {
	if join.GetNamespace() != joined.GetNamespace() || len(join.GetRooms()) != len(joined.GetRooms()) {
		return false
	}
	for index, room := range join.GetRooms() {
		if joined.GetRooms()[index].GetRoom() != room {
			return false
		}
	}
	return true
}

// answerMany: first whether a question was taken, then the answers to it.
func (c *conversation) answerMany(asked *command, frame *rialtov1.ServerFrame) {
	forget := func() { c.kept.outstanding.remove(asked.ref) }
	switch said := frame.GetFrame().(type) {
	case *rialtov1.ServerFrame_Accepted:
		asked.end(frame, nil)
		if said.Accepted.GetDuplicate() {
			forget()
			asked.answers.fail(unknownOutcome("the answers went to the session before"))
			return
		}
		c.kept.outstanding.accepted(asked)
	case *rialtov1.ServerFrame_Replies:
		asked.answers.add(said.Replies.GetItems())
	case *rialtov1.ServerFrame_RepliesDone:
		forget()
		asked.end(nil, other("the server ended a question that it had not taken", nil))
		asked.answers.done(said.RepliesDone)
	case *rialtov1.ServerFrame_Refused:
		forget()
		asked.end(nil, refusedBy(said.Refused))
		asked.answers.fail(refusedBy(said.Refused))
	}
}

// answerOne gives an answer to whoever waits for it. What it changes holds even if nobody does.
func (c *conversation) answerOne(asked *command, frame *rialtov1.ServerFrame) {
	if !asked.fitsAnswer(frame) {
		asked.end(nil, other("the server answered with something else", nil))
		return
	}
	if refused := frame.GetRefused(); refused != nil {
		c.refused(asked, refusedBy(refused))
		return
	}
	switch said := asked.frame.GetCommand().(type) {
	case *rialtov1.ClientFrame_Join:
		c.joined(said.Join, frame.GetJoined())
		if asked.purpose == rejoins {
			c.rejoined(said.Join, frame.GetJoined())
		}
	case *rialtov1.ClientFrame_Part:
		c.parted(said.Part.GetNamespace(), said.Part.GetRooms())
	case *rialtov1.ClientFrame_Enter:
		c.kept.membership.Entered(said.Enter.GetNamespace())
	case *rialtov1.ClientFrame_Leave:
		c.left(said.Leave.GetNamespace())
	case *rialtov1.ClientFrame_Emit:
		c.kept.positions.Accepted(said.Emit, frame.GetAccepted())
	case *rialtov1.ClientFrame_Refresh:
		c.bearer = said.Refresh.GetToken()
		if c.settings.token.fixed != nil {
			c.settings.token.fixed = &Token{Text: c.bearer}
		}
		if lasts := frame.GetRefreshed().GetExpiresIn(); lasts != nil {
			c.renewal.lasts(span(lasts))
		}
	}
	asked.end(frame, nil)
}

func (c *conversation) refused(asked *command, refusal *Error) {
	switch asked.purpose {
	case rejoins, mends:
		c.rejoinRefused(asked, refusal)
	case renews:
		c.reports.tell(ReportRefused{refusal})
	default:
		asked.end(nil, refusal)
	}
}

func (c *conversation) joined(join *rialtov1.Join, joined *rialtov1.Joined) {
	c.kept.positions.Joined(join, joined)
	c.kept.membership.Joined(join)
	if !join.GetPresence() {
		return
	}
	for _, state := range joined.GetRooms() {
		c.audience.joined(joined.GetNamespace(), state)
	}
}

// rejoined: rooms are joined again. Where nothing says what came between, something may be missing.
func (c *conversation) rejoined(join *rialtov1.Join, joined *rialtov1.Joined) {
	recovers := map[string]bool{}
	for _, at := range join.GetRecover() {
		recovers[at.GetRoom()] = true
	}
	report := ReportRejoined{Namespace: joined.GetNamespace()}
	for _, state := range joined.GetRooms() {
		if !recovers[state.GetRoom()] || state.GetRecovery() == rialtov1.Recovery_RECOVERY_UNSPECIFIED {
			c.reports.tell(ReportMissed{Namespace: joined.GetNamespace(), Rooms: []string{state.GetRoom()}, Cause: MissedAfresh})
		}
		report.Rooms = append(report.Rooms, roomStateOf(state))
	}
	c.reports.tell(report)
}

// rejoinRefused: a room that cannot be joined again now is tried later if the server says so, and given up otherwise.
func (c *conversation) rejoinRefused(asked *command, refusal *Error) {
	join := asked.frame.GetJoin()
	switch {
	case len(join.GetRooms()) > 1:
		for _, single := range membership.OneByOne(join) {
			c.kept.rejoin(joinCommand(single))
		}
	case refusal.Advice == Later:
		again := newCommand(asked.frame)
		again.frame.Ref = 0
		c.kept.later = append(c.kept.later, delayed{time.Now().Add(refusal.After), again})
	case join != nil:
		c.parted(join.GetNamespace(), join.GetRooms())
		c.reports.tell(ReportRejoinRefused{join.GetNamespace(), join.GetRooms()[0], refusal})
	default:
		namespace := asked.frame.GetEnter().GetNamespace()
		c.left(namespace)
		c.reports.tell(ReportRejoinRefused{Namespace: namespace, Refusal: refusal})
	}
}

func (c *conversation) parted(namespace string, rooms []string) {
	c.kept.parted(namespace, rooms)
	c.audience.parted(namespace, rooms)
}

func (c *conversation) left(namespace string) {
	c.kept.left(namespace)
	c.audience.left(namespace)
}

// unasked is what somebody else has done to this session, or a refusal of something that nobody waits for.
func (c *conversation) unasked(frame *rialtov1.ServerFrame) {
	switch said := frame.GetFrame().(type) {
	case *rialtov1.ServerFrame_Refused:
		c.reports.tell(ReportRefused{refusedBy(said.Refused)})
	case *rialtov1.ServerFrame_Joined:
		c.kept.positions.Joined(nil, said.Joined)
		report := ReportJoined{Namespace: said.Joined.GetNamespace()}
		for _, state := range said.Joined.GetRooms() {
			report.Rooms = append(report.Rooms, state.GetRoom())
		}
		c.reports.tell(report)
	case *rialtov1.ServerFrame_Parted:
		c.parted(said.Parted.GetNamespace(), said.Parted.GetRooms())
		c.reports.tell(ReportParted{said.Parted.GetNamespace(), said.Parted.GetRooms()})
	case *rialtov1.ServerFrame_Left:
		c.left(said.Left.GetNamespace())
		c.reports.tell(ReportParted{Namespace: said.Left.GetNamespace()})
	}
}

func missedReport(missed *rialtov1.Missed) ReportMissed {
	return ReportMissed{
		Namespace: missed.GetNamespace(), Rooms: missed.GetRooms(), Count: missed.GetCount(),
		From: missed.GetFromOffset(), To: missed.GetToOffset(), Epoch: missed.GetEpoch(), Cause: MissedSaid,
	}
}
