package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	rialto "rialto.dev/client"
)

func enter(ctx context.Context, p *people, c *command) (any, error) {
	namespace, err := p.namespace(c)
	if err != nil {
		return nil, err
	}
	return nil, namespace.Enter(ctx)
}

func leave(ctx context.Context, p *people, c *command) (any, error) {
	namespace, err := p.namespace(c)
	if err != nil {
		return nil, err
	}
	_, err = namespace.Leave(ctx)
	return nil, err
}

func join(ctx context.Context, p *people, c *command) (any, error) {
	room, err := p.room(c)
	if err != nil {
		return nil, err
	}
	options := []rialto.JoinOption{rialto.Newest(uint32(c.number("newest")))}
	for key, option := range map[string]rialto.JoinOption{
		"presence": rialto.WithPresence(), "state": rialto.WithState(), "delta": rialto.WithDelta(),
	} {
		if c.flag(key) {
			options = append(options, option)
		}
	}
	if c.has("recover") {
		after := c.of(c.table("recover"))
		options = append(options, rialto.Recover(rialto.Position{
			Room: room.Name(), Epoch: after.text("epoch"), Offset: after.number("offset"),
		}))
	}
	state, err := room.Join(ctx, options...)
	if err != nil {
		return nil, err
	}
	done := told{"epoch": state.Epoch, "members": state.MemberCount}
	if state.KeepsHistory {
		done["offset"] = state.Offset
	}
	return done, nil
}

func part(ctx context.Context, p *people, c *command) (any, error) {
	room, err := p.room(c)
	if err != nil {
		return nil, err
	}
	parted, err := room.Part(ctx)
	return told{"parted": parted}, err
}

func room(_ context.Context, p *people, c *command) (any, error) {
	room, err := p.room(c)
	if err != nil {
		return nil, err
	}
	done := told{"status": room.Status()}
	if at, known := room.Position(); known {
		done["epoch"], done["offset"] = at.Epoch, at.Offset
	}
	return done, nil
}

// emit begins before the next line is read.
func emit(ctx context.Context, p *people, c *command) func() (any, error) {
	namespace, err := p.namespace(c)
	if err != nil {
		return func() (any, error) { return nil, err }
	}
	ctx, cancel := within(ctx, c)
	emission := namespace.EmitToAsync(ctx, target(c), c.text("event"), payload(c), emitOptions(c)...)
	return func() (any, error) {
		defer cancel()
		taken, err := emission.Wait()
		return accepted(taken), err
	}
}

func ask(ctx context.Context, p *people, c *command) (any, error) {
	namespace, err := p.namespace(c)
	if err != nil {
		return nil, err
	}
	asked, err := namespace.EmitToWithReplies(ctx, target(c), c.text("event"), payload(c), emitOptions(c)...)
	if err != nil {
		return nil, err
	}
	all, summary, err := asked.All()
	if err != nil {
		return nil, err
	}
	replies, missing := []told{}, []string{}
	for _, reply := range all {
		one := told{"user": reply.User}
		if reply.Failed {
			one["error"] = reply.Text()
		} else {
			tellPayload(one, reply.Payload)
		}
		replies = append(replies, one)
	}
	for _, one := range summary.Missing {
		missing = append(missing, one.User)
	}
	return told{"replies": replies, "answered": summary.Answered, "missing": missing, "timed_out": summary.TimedOut}, nil
}

// reader reads a stream of events.
type reader struct {
	goOn chan struct{}

	mu   sync.Mutex
	last *rialto.Event
}

func listen(_ context.Context, p *people, c *command) (any, error) {
	namespace, err := p.namespace(c)
	if err != nil {
		return nil, err
	}
	events := namespace.On(c.text("event"))
	if room := c.text("room"); room != "" {
		events.Close()
		events = namespace.Room(room).On(c.text("event"))
	}
	reading := &reader{goOn: make(chan struct{}, 1)}
	keep(p, p.readers, c.text("as"), reading)
	go reading.read(c, events)
	return nil, nil
}

func (r *reader) read(c *command, events *rialto.Stream[*rialto.Event]) {
	name := c.text("as")
	if c.flag("hold") {
		<-r.goOn
	}
	for event := range events.C {
		tell(name, "event", eventTold(event))
		if err := answerBy(c, event); err != nil {
			fmt.Fprintf(os.Stderr, "%s cannot answer: %v\n", name, err)
		}
		r.mu.Lock()
		r.last = event
		r.mu.Unlock()
	}
	tell(name, "ended", true)
}

// answerBy answers an event that asks, where the listener was told to.
func answerBy(c *command, event *rialto.Event) error {
	switch {
	case !event.WantsReply():
		return nil
	case c.has("reply"):
		return event.Reply(context.Background(), c.text("reply"))
	case c.has("reply_error"):
		return event.ReplyError(context.Background(), c.text("reply_error"))
	}
	return nil
}

func letGo(_ context.Context, p *people, c *command) (any, error) {
	reading, err := find(p, p.readers, c.by, "reads nothing")
	if err != nil {
		return nil, err
	}
	reading.goOn <- struct{}{}
	return nil, nil
}

func reply(ctx context.Context, p *people, c *command) (any, error) {
	reading, err := find(p, p.readers, c.by, "reads nothing")
	if err != nil {
		return nil, err
	}
	reading.mu.Lock()
	last := reading.last
	reading.mu.Unlock()
	switch {
	case last == nil:
		return nil, notHere("nothing was heard")
	case c.has("error"):
		return nil, last.ReplyError(ctx, c.text("error"))
	}
	return nil, last.Reply(ctx, payload(c))
}
