package main

import (
	"context"
	"slices"
	"time"

	rialto "rialto.dev/client"
)

func historyOf(p *people, c *command, options []rialto.HistoryOption) (*rialto.History, error) {
	if room, err := p.room(c); err == nil {
		return room.History(options...), nil
	}
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	return client.History(c.text("namespace"), c.text("room"), options...), nil
}

func presenceOf(p *people, c *command) (*rialto.Presence, error) {
	if room, err := p.room(c); err == nil {
		return room.Presence(), nil
	}
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	return client.Presence(c.text("namespace"), c.text("room")), nil
}

func stateOf(p *people, c *command) (*rialto.State, error) {
	if room, err := p.room(c); err == nil {
		return room.State(), nil
	}
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	return client.State(c.text("namespace"), c.text("room")), nil
}

func history(ctx context.Context, p *people, c *command) (any, error) {
	var options []rialto.HistoryOption
	add := func(key string, option rialto.HistoryOption) {
		if c.has(key) {
			options = append(options, option)
		}
	}
	add("newest", rialto.Newest(uint32(c.number("newest"))))
	add("from", rialto.From(c.number("from")))
	add("before", rialto.Before(c.number("before")))
	add("since_ms", rialto.Since(time.UnixMilli(int64(c.number("since_ms")))))
	add("page_size", rialto.PageSize(uint32(c.number("page_size"))))
	history, err := historyOf(p, c, options)
	if err != nil {
		return nil, err
	}
	if c.has("newest") {
		all, err := history.All(ctx)
		return told{"events": eventsTold(all)}, err
	}
	pages, events, count := history.Pages(ctx), []told{}, 0
	for page := range pages.C {
		events = append(events, eventsTold(page.Events)...)
		count++
	}
	return told{"events": events, "pages": count}, pages.Err()
}

func presence(ctx context.Context, p *people, c *command) (any, error) {
	presence, err := presenceOf(p, c)
	if err != nil {
		return nil, err
	}
	switch c.text("of") {
	case "counts":
		counts, err := presence.Counts(ctx)
		return told{"sessions": counts.Members, "users": counts.Users}, err
	case "users":
		users, err := pages(func(of rialto.PageOf) (rialto.Page[rialto.UserPresence], error) { return presence.Users(ctx, of) })
		names := []string{}
		for _, user := range users {
			names = append(names, user.User)
		}
		return told{"users": names}, err
	}
	found, err := pages(func(of rialto.PageOf) (rialto.Page[rialto.Member], error) { return presence.Members(ctx, of) })
	members := []told{}
	for _, member := range found {
		members = append(members, told{
			"session": member.Session, "user": member.User, "attributes": member.Attributes, "away": member.Away,
		})
	}
	return told{"members": members}, err
}

// pages are the items of all pages.
func pages[T any](page func(rialto.PageOf) (rialto.Page[T], error)) (all []T, err error) {
	for of := (rialto.PageOf{}); ; {
		some, err := page(of)
		if err != nil {
			return nil, err
		}
		all = append(all, some.Items...)
		if of.Next = some.Next; of.Next == "" {
			return all, nil
		}
	}
}

func who(_ context.Context, p *people, c *command) (any, error) {
	presence, err := presenceOf(p, c)
	if err != nil {
		return nil, err
	}
	present, users := presence.Current(), []string{}
	for _, member := range present.Members {
		users = append(users, member.User)
	}
	slices.Sort(users)
	return told{"users": users, "count": present.MemberCount, "complete": present.Complete}, nil
}

func watchPresence(_ context.Context, p *people, c *command) (any, error) {
	presence, err := presenceOf(p, c)
	if err != nil {
		return nil, err
	}
	changes, err := presence.Changes()
	if err != nil {
		return nil, err
	}
	name := c.text("as")
	go func() {
		for change := range changes.C {
			joined, away, left := []string{}, []string{}, []string{}
			for _, member := range change.Joined {
				if member.Away {
					away = append(away, member.User)
				} else {
					joined = append(joined, member.User)
				}
			}
			for _, sender := range change.Left {
				left = append(left, sender.User)
			}
			tell(name, "presence", told{"joined": joined, "away": away, "left": left, "count": change.MemberCount})
		}
		tell(name, "ended", true)
	}()
	return nil, nil
}

func getState(ctx context.Context, p *people, c *command) (any, error) {
	state, err := stateOf(p, c)
	if err != nil {
		return nil, err
	}
	entry, found, err := state.Get(ctx, c.text("key"))
	if !found || err != nil {
		return told{"found": false}, err
	}
	what := told{"found": true, "revision": entry.Revision}
	tellPayload(what, entry.Payload)
	return what, nil
}

func entriesTold(entries []rialto.StateEntry) told {
	what := told{}
	for _, entry := range entries {
		if entry.Gone {
			what[entry.Key] = nil
		} else {
			what[entry.Key] = entry.Text()
		}
	}
	return what
}

func allState(ctx context.Context, p *people, c *command) (any, error) {
	state, err := stateOf(p, c)
	if err != nil {
		return nil, err
	}
	entries, err := pages(func(of rialto.PageOf) (rialto.Page[rialto.StateEntry], error) {
		page, err := state.Page(ctx, of)
		return page.Page, err
	})
	return told{"entries": entriesTold(entries)}, err
}

func setState(ctx context.Context, p *people, c *command) (any, error) {
	state, err := stateOf(p, c)
	if err != nil {
		return nil, err
	}
	var options []rialto.SetOption
	if c.has("if_revision") {
		options = append(options, rialto.IfRevision(c.number("if_revision")))
	}
	if c.flag("if_absent") {
		options = append(options, rialto.IfAbsent())
	}
	if c.has("expires_in_ms") {
		options = append(options, rialto.ExpiresIn(c.span("expires_in_ms")))
	}
	var done rialto.StateSet
	if c.verb == "remove_state" {
		done, err = state.Remove(ctx, c.text("key"), options...)
	} else {
		done, err = state.Set(ctx, c.text("key"), payload(c), options...)
	}
	return told{"revision": done.Revision}, err
}

func watchState(_ context.Context, p *people, c *command) (any, error) {
	state, err := stateOf(p, c)
	if err != nil {
		return nil, err
	}
	changes, err := state.Watch()
	if err != nil {
		return nil, err
	}
	name := c.text("as")
	go func() {
		for change := range changes.C {
			tell(name, "state", told{"entries": entriesTold(change.Entries), "whole": change.Whole})
		}
		tell(name, "ended", true)
	}()
	return nil, nil
}
