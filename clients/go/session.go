package rialto

import (
	"context"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Session is one presence at the server. It has one connection at a time, goes on over many, and may be in many
// namespaces and rooms. It may be used by several goroutines.
type Session struct{ core *core }

// Connect opens a session and waits until the server has welcomed it. When the first attempt fails, Connect fails with
// what went wrong, unless [WithWaitForServer] is given.
func Connect(ctx context.Context, url string, options ...Option) (*Session, error) {
	settings := newSettings(options)
	at, err := parseAddress(url, settings.tls)
	if err != nil {
		return nil, err
	}
	core, first := startEngine(settings, at)
	select {
	case err := <-first:
		if err != nil {
			<-core.life.Done()
			return nil, err
		}
		return &Session{core}, nil
	case <-ctx.Done():
		core.kill()
		<-core.life.Done()
		return nil, givenUp(ctx, core.backlog.reason(), false)
	}
}

// ID is the id that others know the session by. It changes when the session cannot go on.
func (s *Session) ID() string { return s.core.board.id() }

// Status is how the session is.
func (s *Session) Status() Status {
	now, _ := s.core.board.get()
	return now
}

// StatusChanges gives each change of the status from now on. For a reader that is behind the newest 64 are kept.
func (s *Session) StatusChanges() *Stream[Status] { return s.core.board.watch() }

// Reports gives what happens to the session, apart from events. For a reader that is behind the newest 64 are kept.
func (s *Session) Reports() *Stream[Report] { return s.core.reports.listen() }

// Events gives every event that the session hears from now on.
func (s *Session) Events() *Stream[*Event] { return s.core.audience.listenEvents(interest{}) }

// Namespace is a handle; it sends nothing.
func (s *Session) Namespace(name string) *Namespace { return &Namespace{s.core, name} }

// Ping ends when the server has answered.
func (s *Session) Ping(ctx context.Context) error {
	_, err := s.core.ask(ctx, pingCommand())
	return err
}

// Refresh hands in a new token, of the same user, before the old one expires.
func (s *Session) Refresh(ctx context.Context, token string) error {
	if err := checked(token); err != nil {
		return err
	}
	_, err := s.core.ask(ctx, refreshCommand(token))
	return err
}

// ClearOfflineBuffer gives up all emits that wait for the connection, with the code CLEARED, and says how many.
func (s *Session) ClearOfflineBuffer() int { return s.core.backlog.clear() }

// RetryNow begins the next attempt at once, while the session waits for it.
func (s *Session) RetryNow() {
	if s.Status().Phase != Waiting {
		return
	}
	select {
	case s.core.retry <- struct{}{}:
	default:
	}
}

// Close sends what was handed over before, says goodbye and waits for the answer, at most 2 s. When ctx is over first,
// the session ends at once, and Close says so. Afterwards everything fails with [Closed], and streams end.
func (s *Session) Close(ctx context.Context) error {
	s.core.close()
	select {
	case <-s.core.life.Done():
		return nil
	case <-ctx.Done():
		s.core.kill()
		<-s.core.life.Done()
		return givenUp(ctx, "the goodbye was not answered", true)
	}
}

// Namespace is a handle on a namespace of a session.
type Namespace struct {
	core *core
	name string
}

// Name of the namespace.
func (n *Namespace) Name() string { return n.name }

// Room is a handle; it sends nothing.
func (n *Namespace) Room(name string) *Room { return &Room{n.core, n, name} }

// Enter has the session hear what is sent to everyone in the namespace, without joining a room.
func (n *Namespace) Enter(ctx context.Context) error {
	_, err := n.core.ask(ctx, enterCommand(n.name))
	return err
}

// Leave parts all rooms of the namespace and leaves it. It gives the rooms that were parted.
func (n *Namespace) Leave(ctx context.Context) ([]string, error) {
	leave := &rialtov1.Leave{Namespace: n.name}
	answer, err := n.core.ask(ctx, newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Leave{Leave: leave}}))
	return answer.GetLeft().GetRooms(), err
}

// Join joins several rooms, at most 64: all of them or, when one is refused, none.
func (n *Namespace) Join(ctx context.Context, rooms []string, options ...JoinOption) ([]RoomState, error) {
	join := &rialtov1.Join{Namespace: n.name, Rooms: rooms}
	for _, option := range options {
		option.join(join)
	}
	defer n.core.joins(n.name, rooms)()
	answer, err := n.core.ask(ctx, joinCommand(join))
	if err != nil {
		return nil, err
	}
	var states []RoomState
	for _, state := range answer.GetJoined().GetRooms() {
		states = append(states, roomStateOf(state))
	}
	return states, nil
}

// Part parts several rooms, at most 64, and gives those that the session was in.
func (n *Namespace) Part(ctx context.Context, rooms ...string) ([]string, error) {
	part := &rialtov1.Part{Namespace: n.name, Rooms: rooms}
	answer, err := n.core.ask(ctx, newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Part{Part: part}}))
	return answer.GetParted().GetRooms(), err
}

// Events gives every event of the namespace that the session hears from now on.
func (n *Namespace) Events() *Stream[*Event] { return n.On("") }

// On gives the events of one name.
func (n *Namespace) On(event string) *Stream[*Event] {
	return n.core.audience.listenEvents(interest{namespace: n.name, name: event})
}

// EmitTo says something to a target. The payload is text, []byte, nil, or a value that is sent as JSON.
func (n *Namespace) EmitTo(
	ctx context.Context, target Target, event string, payload any, options ...EmitOption,
) (Accepted, error) {
	return n.EmitToAsync(ctx, target, event, payload, options...).Wait()
}

// EmitToAsync is the same, but only begins: emits take effect in the order in which they were begun. It waits only
// while the session is attached and more wait to be sent than the offline buffer holds.
func (n *Namespace) EmitToAsync(
	ctx context.Context, target Target, event string, payload any, options ...EmitOption,
) *Emission {
	made, err := newEmission(target, event, payload, options)
	if err != nil {
		return failedEmission(err)
	}
	return n.core.emits(ctx, made.command(n.name))
}

// EmitToWithReplies asks everyone in a target for an answer. It ends when the question was taken; ctx is that of the
// answers too.
func (n *Namespace) EmitToWithReplies(
	ctx context.Context, target Target, event string, payload any, options ...EmitOption,
) (*Replies, error) {
	made, err := newEmission(target, event, payload, options)
	if err != nil {
		return nil, err
	}
	question, timeout := made.question(n.name)
	answer, err := n.core.ask(ctx, question)
	if err != nil {
		return nil, err
	}
	question.answers.Accepted = acceptedOf(answer.GetAccepted())
	question.answers.begin(ctx, n.core.life, timeout+serverGrace)
	return question.answers, nil
}

// Call asks one session, or any one member of a room, and gives its answer. Who fails, leaves, does not answer in time
// or is not there makes it fail as [Refused], with the code RECIPIENT_FAILED, RECIPIENT_LEFT, TIMED_OUT or
// NO_RECIPIENT.
func (n *Namespace) Call(
	ctx context.Context, callee Callee, event string, payload any, options ...EmitOption,
) (Reply, error) {
	target := Target{AnyOf: callee.AnyOf}
	if callee.Session != "" {
		target.Sessions = []string{callee.Session}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asking, err := n.EmitToWithReplies(ctx, target, event, payload, options...)
	if err != nil {
		return Reply{}, err
	}
	defer asking.Close()
	replies, summary, err := asking.All()
	if err != nil {
		return Reply{}, err
	}
	return answerOf(replies, summary)
}

func answerOf(replies []Reply, summary Summary) (Reply, error) {
	refused := func(code, reason string) (Reply, error) {
		return Reply{}, &Error{
			Kind: Refused, Code: code, Reason: reason, Advice: adviceOf(code), MayHaveHappened: refusalMayHaveHappened(code),
		}
	}
	switch {
	case len(replies) > 0 && replies[0].Failed:
		return refused("RECIPIENT_FAILED", replies[0].Text())
	case len(replies) > 0:
		return replies[0], nil
	case len(summary.Missing) > 0 && summary.Missing[0].Left:
		return refused("RECIPIENT_LEFT", "the receiver went away before it answered")
	case summary.MissingCount > 0 || summary.TimedOut:
		return refused("TIMED_OUT", "no answer came in time")
	}
	return refused("NO_RECIPIENT", "nobody could take the call")
}
