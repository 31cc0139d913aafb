package main

import (
	"encoding/base64"
	"encoding/json"

	rialto "rialto.dev/client"
)

// payload is that of a command, as an application gives it to the client.
func payload(c *command) any {
	switch {
	case c.has("text"):
		return c.text("text")
	case c.has("base64"):
		bytes, _ := base64.StdEncoding.DecodeString(c.text("base64"))
		return bytes
	case c.has("json"):
		written, _ := json.Marshal(c.arguments["json"])
		return json.RawMessage(written)
	}
	return nil
}

// tellPayload adds a payload to what is told.
func tellPayload(what told, payload rialto.Payload) {
	if payload.IsText() {
		what["text"] = payload.Text()
	} else if len(payload.Bytes()) > 0 {
		what["base64"] = base64.StdEncoding.EncodeToString(payload.Bytes())
	}
	if payload.ContentType != "" {
		what["content_type"] = payload.ContentType
	}
}

// target is that of a command: its own, or its room.
func target(c *command) rialto.Target {
	if !c.has("target") {
		return rialto.Rooms(c.text("room"))
	}
	table := c.of(c.table("target"))
	return rialto.Target{
		Rooms: table.texts("rooms"), Users: table.texts("users"), Sessions: table.texts("sessions"),
		Everyone: table.flag("everyone"), AnyOf: table.text("any_of"),
	}
}

func emitOptions(c *command) []rialto.EmitOption {
	options := []rialto.EmitOption{
		rialto.Headers(c.pairs("headers")), rialto.Key(c.text("key")), rialto.Timeout(c.span("timeout_ms")),
		rialto.ExceptRooms(c.texts("except_rooms")...), rialto.ExceptSessions(c.texts("except_sessions")...),
	}
	if c.has("idempotency_key") {
		options = append(options, rialto.IdempotencyKey(c.text("idempotency_key")))
	}
	if c.has("content_type") {
		options = append(options, rialto.ContentType(c.text("content_type")))
	}
	if c.flag("include_sender") {
		options = append(options, rialto.IncludeSender())
	}
	if c.flag("local") {
		options = append(options, rialto.Local())
	}
	switch c.text("delivery") {
	case "volatile":
		options = append(options, rialto.Volatile())
	case "latest":
		options = append(options, rialto.Latest())
	}
	return options
}

func eventTold(event *rialto.Event) told {
	what := told{
		"name": event.Name, "namespace": event.Namespace, "rooms": event.Rooms, "user": event.User,
		"session": event.Sender, "id": event.ID, "key": event.Key, "epoch": event.Epoch, "asks": event.WantsReply(),
		"headers": event.Headers,
	}
	if event.Rooms == nil {
		what["rooms"] = []string{}
	}
	if event.Offset > 0 {
		what["offset"] = event.Offset
	}
	tellPayload(what, event.Payload)
	return what
}

func eventsTold(events []*rialto.Event) []told {
	all := []told{}
	for _, event := range events {
		all = append(all, eventTold(event))
	}
	return all
}

func accepted(taken rialto.Accepted) told {
	what := told{
		"event_id": taken.ID, "recipients": taken.Recipients, "epoch": taken.Epoch,
		"duplicate": taken.Duplicate, "durability": taken.Durability,
	}
	if taken.Offset > 0 {
		what["offset"] = taken.Offset
	}
	return what
}
