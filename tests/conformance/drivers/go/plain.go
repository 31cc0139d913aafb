package main

import (
	"context"

	rialto "rialto.dev/client"
)

func client(_ context.Context, p *people, c *command) (any, error) {
	var options []rialto.Option
	if c.has("token") {
		options = append(options, rialto.WithToken(c.text("token")))
	}
	if c.has("deadline_ms") {
		options = append(options, rialto.WithDeadline(c.span("deadline_ms")))
	}
	client, err := rialto.NewClient(c.text("url"), options...)
	if err != nil {
		return nil, err
	}
	keep(p, p.clients, c.by, client)
	return nil, nil
}

func publish(ctx context.Context, p *people, c *command) (any, error) {
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	taken, err := client.Publish(ctx, c.text("namespace"), target(c), c.text("event"), payload(c), emitOptions(c)...)
	return accepted(taken), err
}

func publishBatch(ctx context.Context, p *people, c *command) (any, error) {
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	var publications []rialto.Publication
	for _, item := range c.tables("items") {
		for _, key := range []string{"namespace", "room", "event"} {
			if !item.has(key) {
				item.arguments[key] = c.text(key)
			}
		}
		publications = append(publications, rialto.Publication{
			Namespace: item.text("namespace"), Target: target(item), Event: item.text("event"),
			Payload: payload(item), Options: emitOptions(item),
		})
	}
	outcomes, err := client.PublishBatch(ctx, publications)
	all := []told{}
	for _, outcome := range outcomes {
		if outcome.Err != nil {
			all = append(all, told{"refused": codeOf(outcome.Err)})
		} else {
			all = append(all, accepted(outcome.Accepted))
		}
	}
	return told{"outcomes": all}, err
}

func call(ctx context.Context, p *people, c *command) (any, error) {
	callee := rialto.Callee{Session: c.text("session"), AnyOf: c.text("any_of")}
	reply, err := callBy(ctx, p, c, callee)
	what := told{}
	tellPayload(what, reply.Payload)
	return what, err
}

func callBy(ctx context.Context, p *people, c *command, callee rialto.Callee) (rialto.Reply, error) {
	if namespace, err := p.namespace(c); err == nil {
		return namespace.Call(ctx, callee, c.text("event"), payload(c), emitOptions(c)...)
	}
	client, err := p.client(c)
	if err != nil {
		return rialto.Reply{}, err
	}
	return client.Call(ctx, c.text("namespace"), callee, c.text("event"), payload(c), emitOptions(c)...)
}

func rooms(ctx context.Context, p *people, c *command) (any, error) {
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	found, err := pages(func(of rialto.PageOf) (rialto.Page[rialto.RoomInfo], error) {
		return client.Directory().Rooms(ctx, c.text("namespace"), c.text("prefix"), of)
	})
	all := []told{}
	for _, room := range found {
		all = append(all, told{"name": room.Room, "members": room.MemberCount})
	}
	return told{"rooms": all}, err
}

func disconnect(ctx context.Context, p *people, c *command) (any, error) {
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	target := rialto.Users(c.text("user"))
	affected, err := client.Directory().DisconnectMembers(ctx, c.text("namespace"), target, c.text("reason"), "")
	return told{"count": affected.Changed}, err
}
