package rialto

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// StateEntry is a key of the state of a room.
type StateEntry struct {
	Payload
	Key string
	// Gone holds when the key was taken away, or has expired.
	Gone bool
	// Revision of the last change. Those of a room rise by one with every change of any of its keys.
	Revision uint64
	// By is who made it; empty for an expiry.
	By Sender
	// SetAt is when, by the node's clock; ExpiresAt when the value expires. Zero: not known, and never.
	SetAt, ExpiresAt time.Time
}

func stateEntryOf(entry *rialtov1.StateEntry) StateEntry {
	_, isText := entry.GetBody().(*rialtov1.StateEntry_Text)
	made := StateEntry{
		Payload:  payloadOf(entry, isText),
		Key:      entry.GetKey(),
		Gone:     entry.GetBody() == nil,
		Revision: entry.GetRevision(),
		By:       Sender{entry.GetBy().GetSession(), entry.GetBy().GetUser()},
	}
	made.SetAt, made.ExpiresAt = timeOf(entry.GetSetAt()), timeOf(entry.GetExpiresAt())
	return made
}

func stateEntries(entries []*rialtov1.StateEntry) []StateEntry {
	made := make([]StateEntry, len(entries))
	for index, entry := range entries {
		made[index] = stateEntryOf(entry)
	}
	return made
}

// StateChange says what became different in the state of a room.
type StateChange struct {
	// Entries that changed; keys that are gone come without a value.
	Entries []StateEntry
	// Whole holds when this is all there is.
	Whole bool
}

// StateSet says how a key was set.
type StateSet struct {
	// Revision that the key has by that.
	Revision uint64
	// Epoch is the life of the state in which revisions count.
	Epoch      string
	Durability Durability
}

// State is the keyed state of a room: the last value of each key.
type State struct {
	way lanes
	// core is nil for a client without a session.
	core  *core
	where place
}

// Get asks for one key. It is false when there is no such key.
func (s *State) Get(ctx context.Context, key string) (StateEntry, bool, error) {
	answer, err := s.ask(ctx, &rialtov1.GetStateRequest{Keys: []string{key}})
	if err != nil || len(answer.GetEntries()) == 0 {
		return StateEntry{}, false, err
	}
	return stateEntryOf(answer.GetEntries()[0]), true, nil
}

// StatePage is some of a state, by key.
type StatePage struct {
	Page[StateEntry]
	// Epoch and Revision are those of the last change.
	Epoch    string
	Revision uint64
}

// Page asks for some keys, by name.
func (s *State) Page(ctx context.Context, of PageOf) (StatePage, error) {
	answer, err := s.ask(ctx, &rialtov1.GetStateRequest{PageSize: of.Size, PageToken: of.Next})
	page := Page[StateEntry]{
		Items: stateEntries(answer.GetEntries()), Next: answer.GetNextPageToken(), TotalCount: answer.GetTotalCount(),
	}
	return StatePage{page, answer.GetEpoch(), answer.GetRevision()}, err
}

func (s *State) ask(ctx context.Context, request *rialtov1.GetStateRequest) (*rialtov1.GetStateResponse, error) {
	request.Namespace, request.Room = s.where.namespace, s.where.room
	return call[rialtov1.GetStateResponse](ctx, s.way, rialtov1.RoomService_GetState_FullMethodName, request)
}

type stateWrite struct {
	encoded
	expected *uint64
	expires  time.Duration
}

// SetOption says how a key is set or taken away.
type SetOption interface{ set(*stateWrite) }

type setOption func(*stateWrite)

func (o setOption) set(s *stateWrite) { o(s) }

// IfRevision: only if the key has this revision now. Otherwise it fails with CONFLICT, and [Error.Revision] has it.
func IfRevision(revision uint64) SetOption {
	return setOption(func(s *stateWrite) { s.expected = &revision })
}

// IfAbsent: only if there is no such key.
func IfAbsent() SetOption { return IfRevision(0) }

// ExpiresIn is how long the value holds; at least 1 s.
func ExpiresIn(span time.Duration) SetOption {
	return setOption(func(s *stateWrite) { s.expires = span })
}

// Set sets a key. The payload is what [Room.Emit] takes; nil is empty, and does not take the key away.
func (s *State) Set(ctx context.Context, key string, payload any, options ...SetOption) (StateSet, error) {
	made, err := encode(payload)
	if err != nil {
		return StateSet{}, err
	}
	if made.text == nil && made.binary == nil {
		made.binary = []byte{}
	}
	return s.write(ctx, key, stateWrite{encoded: made}, options)
}

// Remove takes a key away.
func (s *State) Remove(ctx context.Context, key string, options ...SetOption) (StateSet, error) {
	return s.write(ctx, key, stateWrite{}, options)
}

func (s *State) write(ctx context.Context, key string, write stateWrite, options []SetOption) (StateSet, error) {
	for _, option := range options {
		option.set(&write)
	}
	set := &rialtov1.SetState{
		Namespace: s.where.namespace, Room: s.where.room, Key: key,
		ContentType: write.contentType, ExpectedRevision: write.expected,
	}
	if write.expires > 0 {
		set.ExpiresIn = durationpb.New(write.expires)
	}
	if write.text != nil {
		set.Body = &rialtov1.SetState_Text{Text: *write.text}
	} else if write.binary != nil {
		set.Body = &rialtov1.SetState_Binary{Binary: write.binary}
	}
	done, err := s.send(ctx, set)
	return StateSet{done.GetRevision(), done.GetEpoch(), durabilityOf(done.GetDurability())}, err
}

// send goes over the stream of a session, or is a call.
func (s *State) send(ctx context.Context, set *rialtov1.SetState) (*rialtov1.StateSet, error) {
	if s.core != nil {
		answer, err := s.core.ask(ctx, newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_SetState{SetState: set}}))
		return answer.GetStateSet(), err
	}
	request := &rialtov1.SetStateRequest{Set: proto.CloneOf(set)}
	answer, err := call[rialtov1.SetStateResponse](ctx, s.way, rialtov1.RoomService_SetState_FullMethodName, request)
	return answer.GetSet(), err
}

// Watch gives all that is there, and then what became different, in a room that is joined [WithState].
func (s *State) Watch() (*Stream[StateChange], error) {
	if s.core == nil {
		return nil, invalid("changes are told to sessions alone")
	}
	return s.core.audience.listenState(s.where), nil
}

// Current gives the state as it is known, by key. It is false until all of it is known, in a room that is joined
// [WithState].
func (s *State) Current() ([]StateEntry, bool) {
	if s.core == nil {
		return nil, false
	}
	entries, whole := s.core.audience.currentState(s.where)
	return stateEntries(entries), whole
}
