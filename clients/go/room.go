package rialto

import (
	"context"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Room is a handle on a room of a session.
type Room struct {
	core      *core
	namespace *Namespace
	name      string
}

// RoomStatus says how a session stands to a room.
type RoomStatus string

// How a session stands to a room.
const (
	// Out: it is not a member, and does not want to be.
	Out RoomStatus = "out"
	// Joining: a join is under way.
	Joining RoomStatus = "joining"
	// In: it is a member.
	In RoomStatus = "in"
	// Recovering: it was a member, and will be again.
	Recovering RoomStatus = "recovering"
)

// Recovery says what became of the wish to recover what was missed.
type Recovery string

// What became of a recovery.
const (
	// RecoveryNone: there was no such wish.
	RecoveryNone Recovery = ""
	// RecoveryWhole: everything comes.
	RecoveryWhole Recovery = "whole"
	// RecoveryPartial: the history does not reach back so far. What is missing is reported, and the rest comes.
	RecoveryPartial Recovery = "partial"
	// RecoveryLost: that history is gone, or the right for it is missing.
	RecoveryLost Recovery = "lost"
)

// RoomState is a room as a new member finds it.
type RoomState struct {
	Room string
	// Members are named where the join asked for presence, and there are at most 256.
	Members []Member
	// MemberCount and UserCount count sessions, and users, of whom each counts once.
	MemberCount, UserCount uint32
	// KeepsHistory holds when the room has a history. Then Offset is that of the last event before the session became a
	// member, 0 if there is none, and FirstOffset that of the oldest that is kept.
	KeepsHistory        bool
	Epoch               string
	Offset, FirstOffset uint64
	Recovery            Recovery
}

func roomStateOf(state *rialtov1.RoomState) RoomState {
	made := RoomState{
		Room:         state.GetRoom(),
		Members:      membersOf(state.GetMembers()),
		MemberCount:  state.GetMemberCount(),
		UserCount:    state.GetUserCount(),
		KeepsHistory: state.Offset != nil,
		Epoch:        state.GetEpoch(),
		Offset:       state.GetOffset(),
		FirstOffset:  state.GetFirstOffset(),
	}
	if state.GetRecovery() != rialtov1.Recovery_RECOVERY_UNSPECIFIED {
		made.Recovery = Recovery(lowerNamed(state.GetRecovery().String(), "RECOVERY_"))
	}
	return made
}

// JoinOption says how a room is joined.
type JoinOption interface{ join(*rialtov1.Join) }

type joinOption func(*rialtov1.Join)

func (o joinOption) join(join *rialtov1.Join) { o(join) }

// Newest asks for the newest events: of a join at most 300, which come before what is new; of a history as many as
// there are.
func Newest(events uint32) interface {
	JoinOption
	HistoryOption
} {
	return newest(events)
}

type newest uint32

func (n newest) join(join *rialtov1.Join) { join.Newest = uint32(n) }

// WithPresence asks who is in the room, and who comes and goes; see [Presence].
func WithPresence() JoinOption { return joinOption(func(join *rialtov1.Join) { join.Presence = true }) }

// WithState asks for the keyed state of the room; see [State].
func WithState() JoinOption { return joinOption(func(join *rialtov1.Join) { join.State = true }) }

// WithDelta lets events travel as differences to the one before. They arrive whole.
func WithDelta() JoinOption { return joinOption(func(join *rialtov1.Join) { join.Delta = true }) }

// Recover asks for everything after a position, as [Room.Position] has told it, also to another session.
func Recover(from Position) JoinOption {
	return joinOption(func(join *rialtov1.Join) { join.Recover = append(join.Recover, from.wire()) })
}

// Name of the room.
func (r *Room) Name() string { return r.name }

// Join makes the session a member. It stays one over lost connections, and another session joins again. To join once
// more is harmless, and adds what is asked for with it.
func (r *Room) Join(ctx context.Context, options ...JoinOption) (RoomState, error) {
	states, err := r.namespace.Join(ctx, []string{r.name}, options...)
	if err != nil {
		return RoomState{}, err
	}
	if len(states) == 0 {
		return RoomState{Room: r.name}, nil
	}
	return states[0], nil
}

// Part ends the membership, and says whether there was one. Afterwards nothing more from the room is heard.
func (r *Room) Part(ctx context.Context) (bool, error) {
	parted, err := r.namespace.Part(ctx, r.name)
	return len(parted) > 0, err
}

// Status says how the session stands to the room.
func (r *Room) Status() RoomStatus {
	now, _ := r.core.board.get()
	r.core.mu.Lock()
	defer r.core.mu.Unlock()
	wanted, in := r.core.kept.membership.Is(r.namespace.name, r.name)
	switch {
	case now.Phase == Over:
		return Out
	case in && now.Phase == Attached:
		return In
	case wanted:
		return Recovering
	case r.core.joining[place{r.namespace.name, r.name}] > 0:
		return Joining
	}
	return Out
}

// Position is how far the history of the room was handed on, also after the room was left. False when it keeps none.
func (r *Room) Position() (Position, bool) {
	r.core.mu.Lock()
	defer r.core.mu.Unlock()
	at := r.core.kept.positions.Last(r.namespace.name, r.name)
	return positionOf(at), at != nil
}

// Events gives every event of the room that the session hears from now on.
func (r *Room) Events() *Stream[*Event] { return r.On("") }

// On gives the events of one name.
func (r *Room) On(event string) *Stream[*Event] {
	return r.core.audience.listenEvents(interest{r.namespace.name, r.name, event})
}

// Emit says something to the members of the room. The payload is text, []byte, nil, or a value that is sent as JSON.
func (r *Room) Emit(ctx context.Context, event string, payload any, options ...EmitOption) (Accepted, error) {
	return r.namespace.EmitTo(ctx, Rooms(r.name), event, payload, options...)
}

// EmitAsync is the same, but only begins; see [Namespace.EmitToAsync].
func (r *Room) EmitAsync(ctx context.Context, event string, payload any, options ...EmitOption) *Emission {
	return r.namespace.EmitToAsync(ctx, Rooms(r.name), event, payload, options...)
}

// EmitWithReplies asks every member for an answer; see [Namespace.EmitToWithReplies].
func (r *Room) EmitWithReplies(
	ctx context.Context, event string, payload any, options ...EmitOption,
) (*Replies, error) {
	return r.namespace.EmitToWithReplies(ctx, Rooms(r.name), event, payload, options...)
}

// joins counts a join that is under way, until what it gives is called.
func (c *core) joins(namespace string, rooms []string) (ended func()) {
	count := func(by int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, room := range rooms {
			where := place{namespace, room}
			if c.joining[where] += by; c.joining[where] == 0 {
				delete(c.joining, where)
			}
		}
	}
	count(1)
	return func() { count(-1) }
}

// History is what the room keeps.
func (r *Room) History(options ...HistoryOption) *History {
	return newHistory(r.core, r.namespace.name, r.name, options)
}

// Presence is who is in the room.
func (r *Room) Presence() *Presence {
	return &Presence{r.core, r.core, place{r.namespace.name, r.name}}
}

// State is the keyed state of the room.
func (r *Room) State() *State { return &State{r.core, r.core, place{r.namespace.name, r.name}} }
