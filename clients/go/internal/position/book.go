package position

import (
	"slices"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Bounds of what is remembered of what is over.
const (
	// formerMax are the sessions of this client whose events are known as its own.
	formerMax = 16
	// leftMax are the rooms that were left and whose positions can still be asked for.
	leftMax = 1024
)

type room struct{ namespace, name string }

// Book has the positions of all rooms of a session. The zero value is ready.
type Book struct {
	rooms map[room]*position
	// left are positions of rooms that are not joined any more, in the order in which they were left.
	left      map[room]*rialtov1.RoomPosition
	leftOrder []room
	// former are the sessions before this one, the newest last.
	former []string
	// echoes: the application has asked to hear what it says itself.
	echoes bool
}

// Of is the position of a room, for its recovery; nil when there is none.
func (b *Book) Of(namespace, name string) *rialtov1.RoomPosition {
	at, ok := b.rooms[room{namespace, name}]
	if !ok {
		return nil
	}
	return &rialtov1.RoomPosition{Room: name, Epoch: at.epoch, Offset: at.offset}
}

// Last is the same, also of a room that was left.
func (b *Book) Last(namespace, name string) *rialtov1.RoomPosition {
	if at := b.Of(namespace, name); at != nil {
		return at
	}
	return b.left[room{namespace, name}]
}

// Ended: a session is over that others knew by this id.
func (b *Book) Ended(session string) {
	b.former = append(b.former, session)
	b.former = b.former[max(0, len(b.former)-formerMax):]
}

// Emits: an emit goes out.
func (b *Book) Emits(emit *rialtov1.Emit) {
	b.echoes = b.echoes || emit.GetTarget().GetIncludeSender()
}

// Joined: join was answered. A nil join is one of somebody else.
func (b *Book) Joined(join *rialtov1.Join, joined *rialtov1.Joined) {
	for _, state := range joined.GetRooms() {
		b.found(room{joined.GetNamespace(), state.GetRoom()}, state, join)
	}
}

func (b *Book) found(where room, state *rialtov1.RoomState, join *rialtov1.Join) {
	delete(b.left, where)
	if state.Offset == nil {
		delete(b.rooms, where)
		return
	}
	var asked *rialtov1.RoomPosition
	for _, at := range join.GetRecover() {
		if at.GetRoom() == where.name {
			asked = at
		}
	}
	at, known := b.rooms[where]
	if !known {
		at = &position{}
		if b.rooms == nil {
			b.rooms = map[room]*position{}
		}
		b.rooms[where] = at
	}
	at.found(state, asked, join.GetNewest(), known)
}

// Take notes an event that is about to be handed on. It is not new when the application has had it, or has said it;
// it is past when it was said before the session was a member.
func (b *Book) Take(event *rialtov1.Event) (isNew, past bool) {
	isNew = true
	own := !b.echoes && slices.Contains(b.former, event.GetSender().GetSession())
	places := placesOf(event)
	for _, place := range places {
		at, ok := b.rooms[room{event.GetNamespace(), place.room}]
		if !ok {
			continue
		}
		at.begin(place.epoch, place.offset)
		said := own && place.offset <= at.recoversTo
		isNew = isNew && !said && !at.has(place.offset)
		past = past || place.offset <= at.joinedAt
	}
	for _, place := range places {
		at, ok := b.rooms[room{event.GetNamespace(), place.room}]
		switch {
		case !ok:
		case event.Offset != nil:
			// Events of one room come in their order.
			at.advance(place.offset)
		default:
			// One to several rooms comes once, where the first of them has it.
			at.mark(place.offset)
		}
	}
	return isNew, past
}

// Accepted: an own emit was taken. Its event does not come, unless that was asked for. The position does not jump,
// since events before it may still be on their way.
func (b *Book) Accepted(emit *rialtov1.Emit, accepted *rialtov1.Accepted) {
	if emit.GetTarget().GetIncludeSender() || accepted.GetDuplicate() {
		return
	}
	for _, place := range placesOfAccepted(emit, accepted) {
		at, ok := b.rooms[room{emit.GetNamespace(), place.room}]
		if !ok {
			continue
		}
		if at.epoch == "" {
			at.epoch = place.epoch
		}
		if at.epoch == place.epoch {
			at.mark(place.offset)
		}
	}
}

// Missed: the server has told that events will not come.
func (b *Book) Missed(missed *rialtov1.Missed) {
	if missed.ToOffset == nil || len(missed.GetRooms()) != 1 {
		return
	}
	at, ok := b.rooms[room{missed.GetNamespace(), missed.GetRooms()[0]}]
	if ok && at.epoch == missed.GetEpoch() {
		at.advance(missed.GetToOffset())
	}
}

// Parted: the session is no longer in these rooms.
func (b *Book) Parted(namespace string, names []string) {
	for _, name := range names {
		where := room{namespace, name}
		if at := b.Of(namespace, name); at != nil {
			delete(b.rooms, where)
			b.keep(where, at)
		}
	}
}

// Left: the session is no longer in this namespace.
func (b *Book) Left(namespace string) {
	for where := range b.rooms {
		if where.namespace == namespace {
			b.Parted(namespace, []string{where.name})
		}
	}
}

func (b *Book) keep(where room, at *rialtov1.RoomPosition) {
	if b.left == nil {
		b.left = map[room]*rialtov1.RoomPosition{}
	}
	b.left[where] = at
	b.leftOrder = slices.DeleteFunc(b.leftOrder, func(other room) bool { return other == where })
	b.leftOrder = append(b.leftOrder, where)
	if len(b.leftOrder) > leftMax {
		delete(b.left, b.leftOrder[0])
		b.leftOrder = b.leftOrder[1:]
	}
}
