package rialto

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Target is whom an event, or an operation of the directory, reaches: the union of rooms, sessions and users, each
// session once; or everyone; or any one member of a room.
type Target struct {
	// Rooms, at most 64; Sessions and Users, at most 256 each.
	Rooms, Sessions, Users []string
	// Everyone who has entered the namespace.
	Everyone bool
	// AnyOf is a room of which one member is chosen at random.
	AnyOf string
	// ExceptRooms and ExceptSessions are left out.
	ExceptRooms, ExceptSessions []string
	// IncludeSender: the sending session is reached too.
	IncludeSender bool
	// Local: only sessions of the node that takes the command.
	Local bool
}

// Rooms is a target of rooms alone.
func Rooms(rooms ...string) Target { return Target{Rooms: rooms} }

// Users is a target of users alone.
func Users(users ...string) Target { return Target{Users: users} }

func (t Target) wire() *rialtov1.Target {
	return &rialtov1.Target{
		Rooms: t.Rooms, Sessions: t.Sessions, Users: t.Users, Everyone: t.Everyone, AnyOf: t.AnyOf,
		ExceptRooms: t.ExceptRooms, ExceptSessions: t.ExceptSessions, IncludeSender: t.IncludeSender, Local: t.Local,
	}
}

// Callee is whom a call asks: one session, or any one member of a room.
type Callee struct{ Session, AnyOf string }

// Durability says how sure it is that something survives: "memory", "fsync", "replicated", "stored".
type Durability string

func durabilityOf(durability rialtov1.Durability) Durability {
	return Durability(lowerNamed(durability.String(), "DURABILITY_"))
}

// Accepted is what the server says of an event that it has taken.
type Accepted struct {
	// ID of the event, unique for ever.
	ID string
	// Recipients is how many sessions of the node it goes to.
	Recipients uint32
	// Offset and Epoch are its place in the history of its room; 0 when it is kept in none, or in several.
	Offset uint64
	Epoch  string
	// Positions are its places when it went to several rooms with histories.
	Positions []Position
	// Durability is what was obtained.
	Durability Durability
	// Duplicate holds when it had been taken before under its idempotency key.
	Duplicate bool
}

func acceptedOf(accepted *rialtov1.Accepted) Accepted {
	made := Accepted{
		ID:         accepted.GetEventId(),
		Recipients: accepted.GetRecipientsHere(),
		Offset:     accepted.GetOffset(),
		Epoch:      accepted.GetEpoch(),
		Durability: durabilityOf(accepted.GetDurability()),
		Duplicate:  accepted.GetDuplicate(),
	}
	for _, at := range accepted.GetPositions() {
		made.Positions = append(made.Positions, positionOf(at))
	}
	return made
}

// emission is an emit that is being made.
type emission struct {
	target      Target
	content     *rialtov1.Content
	contentType string
	delivery    []rialtov1.Delivery
	// key is the idempotency key; nil: by chance.
	key     *string
	timeout time.Duration
}

// EmitOption says how something is emitted, published, asked or called.
type EmitOption interface{ emit(*emission) }

type emitOption func(*emission)

func (o emitOption) emit(e *emission) { o(e) }

// Header adds a key/value pair for the receivers. At most 16, together 1 KiB.
func Header(key, value string) EmitOption {
	return emitOption(func(e *emission) {
		if e.content.Headers == nil {
			e.content.Headers = map[string]string{}
		}
		e.content.Headers[key] = value
	})
}

// Headers adds several of them.
func Headers(headers map[string]string) EmitOption {
	return emitOption(func(e *emission) {
		if e.content.Headers == nil {
			e.content.Headers = map[string]string{}
		}
		maps.Copy(e.content.Headers, headers)
	})
}

// Key says which of several things the event is about; at most 128 bytes.
func Key(key string) EmitOption { return emitOption(func(e *emission) { e.content.Key = key }) }

// IdempotencyKey names the emit for ever, in the place of a name by chance: another one with the same key is answered
// as the first one was. An empty key is none, and then an emit whose answer is lost is not said again to another
// session.
func IdempotencyKey(key string) EmitOption { return emitOption(func(e *emission) { e.key = &key }) }

// Volatile: dropped when a receiver is behind, and not waiting when there is no connection.
func Volatile() EmitOption { return delivery(rialtov1.Delivery_DELIVERY_VOLATILE) }

// Latest: of several that wait for a receiver only the newest of the same rooms, name and key is kept.
func Latest() EmitOption { return delivery(rialtov1.Delivery_DELIVERY_LATEST) }

func delivery(delivery rialtov1.Delivery) EmitOption {
	return emitOption(func(e *emission) { e.delivery = append(e.delivery, delivery) })
}

// IncludeSender: the sending session hears the event too, if it is reached.
func IncludeSender() EmitOption {
	return emitOption(func(e *emission) { e.target.IncludeSender = true })
}

// ExceptRooms leaves the members of rooms out.
func ExceptRooms(rooms ...string) EmitOption {
	return emitOption(func(e *emission) {
		e.target.ExceptRooms = slices.Concat(e.target.ExceptRooms, rooms)
	})
}

// ExceptSessions leaves sessions out.
func ExceptSessions(sessions ...string) EmitOption {
	return emitOption(func(e *emission) {
		e.target.ExceptSessions = slices.Concat(e.target.ExceptSessions, sessions)
	})
}

// Local: only sessions of the node that takes the command.
func Local() EmitOption { return emitOption(func(e *emission) { e.target.Local = true }) }

// Timeout is how long answers are waited for, of a question or a call: 5 s if nothing is said, at most 60 s.
func Timeout(timeout time.Duration) EmitOption {
	return emitOption(func(e *emission) { e.timeout = timeout })
}

// ReplyOption says how an event is answered.
type ReplyOption interface{ reply(*encoded) }

// contentType is an option of everything that has a payload.
type contentType string

// ContentType gives the media type of a payload, at most 128 bytes.
func ContentType(media string) interface {
	EmitOption
	ReplyOption
	SetOption
} {
	return contentType(media)
}

func (c contentType) emit(e *emission)  { e.contentType = string(c) }
func (c contentType) reply(e *encoded)  { e.contentType = string(c) }
func (c contentType) set(s *stateWrite) { s.contentType = string(c) }

func newEmission(target Target, name string, payload any, options []EmitOption) (*emission, error) {
	made, err := encode(payload)
	if err != nil {
		return nil, err
	}
	e := &emission{target: target, content: &rialtov1.Content{Event: name}, contentType: made.contentType}
	if made.text != nil {
		e.content.Body = &rialtov1.Content_Text{Text: *made.text}
	} else if made.binary != nil {
		e.content.Body = &rialtov1.Content_Binary{Binary: made.binary}
	}
	for _, option := range options {
		option.emit(e)
	}
	e.content.ContentType = e.contentType
	if len(e.delivery) > 1 && e.delivery[0] != e.delivery[1] {
		return nil, invalid("an event is volatile or latest, not both")
	}
	return e, nil
}

func (e *emission) deliver() rialtov1.Delivery {
	if len(e.delivery) == 0 {
		return rialtov1.Delivery_DELIVERY_UNSPECIFIED
	}
	return e.delivery[0]
}

// idempotency is the key that the emit has each time it is sent. Volatile ones have none of their own.
func (e *emission) idempotency() string {
	switch {
	case e.key != nil:
		return *e.key
	case e.deliver() == rialtov1.Delivery_DELIVERY_VOLATILE:
		return ""
	}
	return randomName()
}

func (e *emission) command(namespace string) *command {
	return newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Emit{Emit: &rialtov1.Emit{
		Namespace: namespace, Target: e.target.wire(), Content: e.content,
		Delivery: e.deliver(), IdempotencyKey: e.idempotency(),
	}}})
}

// question is the same as an emit that asks, and how long its answers may take.
func (e *emission) question(namespace string) (*command, time.Duration) {
	timeout := e.timeout
	if timeout <= 0 {
		timeout = repliesWanted
	}
	c := e.command(namespace)
	c.frame.GetEmit().ExpectReplies = &rialtov1.ExpectReplies{Timeout: durationpb.New(timeout)}
	asked := newCommand(c.frame)
	asked.answers = newReplies()
	return asked, timeout
}
