package main

import (
	"context"
	"errors"
	"sync/atomic"

	rialto "rialto.dev/client"
)

func connect(ctx context.Context, p *people, c *command) (any, error) {
	session, err := rialto.Connect(ctx, c.text("url"), connectOptions(c)...)
	if err != nil {
		return nil, err
	}
	keep(p, p.sessions, c.by, session)
	status := session.Status()
	go tellStatuses(c.by, session.StatusChanges())
	go tellReports(c.by, session.Reports())
	return told{"session": status.Session, "user": status.User}, nil
}

func connectOptions(c *command) (options []rialto.Option) {
	add := func(key string, option func() rialto.Option) {
		if c.has(key) {
			options = append(options, option())
		}
	}
	add("user", func() rialto.Option { return rialto.WithUser(c.text("user")) })
	add("token", func() rialto.Option { return rialto.WithToken(c.text("token")) })
	add("tokens", func() rialto.Option { return rialto.WithTokenFrom(tokens(c)) })
	add("attributes", func() rialto.Option { return rialto.WithAttributes(c.pairs("attributes")) })
	add("deadline_ms", func() rialto.Option { return rialto.WithDeadline(c.span("deadline_ms")) })
	add("connect_timeout_ms", func() rialto.Option { return rialto.WithConnectTimeout(c.span("connect_timeout_ms")) })
	add("events_waiting", func() rialto.Option { return rialto.WithEventsWaiting(int(c.number("events_waiting"))) })
	add("offline", func() rialto.Option { return rialto.WithOfflineBuffer(offline(c.of(c.table("offline")))) })
	if c.flag("wait") {
		options = append(options, rialto.WithWaitForServer())
	}
	return options
}

func offline(c *command) rialto.OfflineBuffer {
	buffer := rialto.DefaultOfflineBuffer()
	if c.has("count") {
		buffer.Commands = int(c.number("count"))
	}
	if c.has("bytes") {
		buffer.Bytes = int(c.number("bytes"))
	}
	buffer.Age = c.span("age_ms")
	if c.text("overflow") == "drop-oldest" {
		buffer.Overflow = rialto.DropOldest
	}
	return buffer
}

// tokens is a callback that gives out one answer after the other, the last one for ever.
func tokens(c *command) func(context.Context) (rialto.Token, error) {
	var asked atomic.Int64
	answers := c.list("tokens")
	return func(context.Context) (rialto.Token, error) {
		count := int(asked.Add(1))
		tell(c.by, "token_asked", count)
		switch answer := answers[min(count, len(answers))-1].(type) {
		case string:
			return rialto.Token{Text: answer}, nil
		case map[string]any:
			given := c.of(answer)
			if !given.has("text") {
				return rialto.Token{}, errors.New("no token today")
			}
			return rialto.Token{Text: given.text("text"), ExpiresIn: given.span("expires_in_ms")}, nil
		}
		return rialto.Token{}, errors.New("no token at all")
	}
}

func tellStatuses(by string, statuses *rialto.Stream[rialto.Status]) {
	for status := range statuses.C {
		tell(by, "status", status.Phase)
		if status.Phase == rialto.Over {
			tell(by, "closed", told{"code": codeOf(status.Cause)})
		}
	}
}

func tellReports(by string, reports *rialto.Stream[rialto.Report]) {
	for report := range reports.C {
		switch report := report.(type) {
		case rialto.ReportReconnected:
			tell(by, "reconnected", told{"resumed": report.Resumed})
		case rialto.ReportMissed:
			missed := told{"namespace": report.Namespace, "rooms": report.Rooms, "count": report.Count}
			if report.From > 0 {
				missed["from_offset"] = report.From
			}
			if report.To > 0 {
				missed["to_offset"] = report.To
			}
			tell(by, "missed", missed)
		case rialto.ReportRejoinRefused:
			tell(by, "rejoin_refused", told{"namespace": report.Namespace, "room": report.Room, "code": report.Refusal.Code})
		case rialto.ReportJoined:
			tell(by, "joined", told{"namespace": report.Namespace, "rooms": report.Rooms})
		case rialto.ReportParted:
			tell(by, "parted", told{"namespace": report.Namespace, "rooms": report.Rooms})
		case rialto.ReportDraining:
			tell(by, "draining", true)
		case rialto.ReportTokenUnavailable:
			tell(by, "token_unavailable", true)
		case rialto.ReportRefused:
			tell(by, "refused", told{"code": report.Refusal.Code})
		}
	}
}

func closeSession(ctx context.Context, p *people, c *command) (any, error) {
	session, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return nil, session.Close(ctx)
}

func session(_ context.Context, p *people, c *command) (any, error) {
	session, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return told{"session": session.ID(), "status": session.Status().Phase}, nil
}

func ping(ctx context.Context, p *people, c *command) (any, error) {
	session, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return nil, session.Ping(ctx)
}

func refresh(ctx context.Context, p *people, c *command) (any, error) {
	session, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return nil, session.Refresh(ctx, c.text("token"))
}

func retryNow(_ context.Context, p *people, c *command) (any, error) {
	session, err := p.session(c)
	if err != nil {
		return nil, err
	}
	session.RetryNow()
	return nil, nil
}

func clearBuffer(_ context.Context, p *people, c *command) (any, error) {
	session, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return told{"count": session.ClearOfflineBuffer()}, nil
}

// within gives a command its deadline, where the line has one.
func within(ctx context.Context, c *command) (context.Context, context.CancelFunc) {
	if !c.has("deadline_ms") {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.span("deadline_ms"))
}
