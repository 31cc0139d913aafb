package rialto

import (
	"context"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Position is a place in the history of a room. The first event of a history has the offset 1.
type Position struct {
	Room string
	// Epoch says in which life of the history the offset counts.
	Epoch  string
	Offset uint64
}

func positionOf(at *rialtov1.RoomPosition) Position {
	return Position{Room: at.GetRoom(), Epoch: at.GetEpoch(), Offset: at.GetOffset()}
}

func (p Position) wire() *rialtov1.RoomPosition {
	return &rialtov1.RoomPosition{Room: p.Room, Epoch: p.Epoch, Offset: p.Offset}
}

// Event is what somebody has said.
type Event struct {
	Payload
	// Name of the event, as "message".
	Name string
	// Namespace it was said in.
	Namespace string
	// Rooms it was said to; none for events to sessions, users or everyone.
	Rooms []string
	// Headers are key/value pairs from the sender. Not to be changed.
	Headers map[string]string
	// Key says which of several things it is about.
	Key string
	// ID is unique for ever.
	ID string
	// Offset and Epoch are its place in the history of its room; 0 when it is kept in none, or in several.
	Offset uint64
	Epoch  string
	// Positions are its places when it went to several rooms with histories.
	Positions []Position
	// Sender is the session that said it; empty when it was published without one.
	Sender string
	// User is who said it.
	User string
	// SentAt is when the node took it, by the node's clock.
	SentAt time.Time
	// Past holds when it was said before the session was a member of the room.
	Past bool

	replyToken string
	core       *core
	session    string
}

func eventOf(event *rialtov1.Event) *Event {
	content := event.GetContent()
	_, isText := content.GetBody().(*rialtov1.Content_Text)
	made := &Event{
		Payload:    payloadOf(content, isText),
		Name:       content.GetEvent(),
		Namespace:  event.GetNamespace(),
		Rooms:      event.GetRooms(),
		Headers:    content.GetHeaders(),
		Key:        content.GetKey(),
		ID:         event.GetEventId(),
		Offset:     event.GetOffset(),
		Epoch:      event.GetEpoch(),
		Sender:     event.GetSender().GetSession(),
		User:       event.GetSender().GetUser(),
		SentAt:     event.GetSentAt().AsTime(),
		replyToken: event.GetReplyToken(),
	}
	for _, at := range event.GetPositions() {
		made.Positions = append(made.Positions, positionOf(at))
	}
	return made
}

// WantsReply holds when the sender waits for an answer.
func (e *Event) WantsReply() bool { return e.core != nil && e.replyToken != "" }

// Reply answers the event. It ends when the answer is on its way; when the server does not take it,
// [ReportRefused] says so. The payload is what [Room.Emit] takes.
func (e *Event) Reply(ctx context.Context, payload any, options ...ReplyOption) error {
	made, err := encode(payload)
	if err != nil {
		return err
	}
	for _, option := range options {
		option.reply(&made)
	}
	reply := &rialtov1.Reply{ReplyToken: e.replyToken, ContentType: made.contentType}
	if made.text != nil {
		reply.Body = &rialtov1.Reply_Text{Text: *made.text}
	} else if made.binary != nil {
		reply.Body = &rialtov1.Reply_Binary{Binary: made.binary}
	}
	return e.answer(ctx, reply)
}

// ReplyError answers that what was asked cannot be done. The text is for the sender, at most 1 KiB.
func (e *Event) ReplyError(ctx context.Context, text string) error {
	return e.answer(ctx, &rialtov1.Reply{ReplyToken: e.replyToken, Body: &rialtov1.Reply_Error{Error: text}})
}

func (e *Event) answer(ctx context.Context, reply *rialtov1.Reply) error {
	if !e.WantsReply() {
		return invalid("the event asks for no answer")
	}
	c := newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Reply{Reply: reply}})
	c.session = e.session
	_, err := e.core.ask(ctx, c)
	return err
}
