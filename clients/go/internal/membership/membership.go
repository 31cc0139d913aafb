// Package membership knows where a session wants to be: the namespaces and rooms that its application has entered,
// kept over reconnects. It says which commands bring a new session there.
package membership

import (
	"maps"
	"slices"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// RoomsPerJoin is how many rooms one Join may name.
const RoomsPerJoin = 64

// Positions says how far a room was handed on; nil when it keeps no history.
type Positions interface {
	Of(namespace, room string) *rialtov1.RoomPosition
}

// wishes are what was asked for with a room, beside its events.
type wishes struct{ presence, state, delta bool }

// membership is one room that is wanted.
type membership struct {
	wishes
	// in: the session that there is has joined it.
	in bool
}

// Map has all namespaces and rooms. The zero value is ready.
type Map struct {
	entered map[string]bool
	rooms   map[string]map[string]*membership
}

// Entered: the session is in the namespace.
func (m *Map) Entered(namespace string) {
	if m.entered == nil {
		m.entered = map[string]bool{}
	}
	m.entered[namespace] = true
}

// Joined: join was answered. Wishes add up over several joins, as they do at the server.
func (m *Map) Joined(join *rialtov1.Join) {
	m.Entered(join.GetNamespace())
	if m.rooms == nil {
		m.rooms = map[string]map[string]*membership{}
	}
	here := m.rooms[join.GetNamespace()]
	if here == nil {
		here = map[string]*membership{}
		m.rooms[join.GetNamespace()] = here
	}
	for _, room := range join.GetRooms() {
		known := here[room]
		if known == nil {
			known = &membership{}
			here[room] = known
		}
		known.in = true
		known.presence = known.presence || join.GetPresence()
		known.state = known.state || join.GetState()
		known.delta = known.delta || join.GetDelta()
	}
}

// Parted: the session is no longer in these rooms. It stays in the namespace, as at the server.
func (m *Map) Parted(namespace string, rooms []string) {
	here := m.rooms[namespace]
	for _, room := range rooms {
		delete(here, room)
	}
	if len(here) == 0 {
		delete(m.rooms, namespace)
	}
}

// Left: the session is no longer in this namespace.
func (m *Map) Left(namespace string) {
	delete(m.rooms, namespace)
	delete(m.entered, namespace)
}

// Lost: there is another session, which is in no room yet.
func (m *Map) Lost() {
	for _, here := range m.rooms {
		for _, room := range here {
			room.in = false
		}
	}
}

// Is says whether a room is wanted, and whether the session is in it.
func (m *Map) Is(namespace, room string) (wanted, in bool) {
	known := m.rooms[namespace][room]
	return known != nil, known != nil && known.in
}

// TakesDeltas holds when deltas may come to one of these rooms.
func (m *Map) TakesDeltas(namespace string, rooms []string) bool {
	here := m.rooms[namespace]
	return slices.ContainsFunc(rooms, func(room string) bool { return here[room] != nil && here[room].delta })
}

// Again is the join of one room with all that was asked for. False when it is not wanted.
func (m *Map) Again(namespace, room string) (*rialtov1.Join, bool) {
	known := m.rooms[namespace][room]
	if known == nil {
		return nil, false
	}
	return join(namespace, []string{room}, known.wishes), true
}

// Joins bring a session that is nowhere to where this one was, and to what it has not heard there.
func (m *Map) Joins(positions Positions) (joins []*rialtov1.Join) {
	for _, namespace := range slices.Sorted(maps.Keys(m.rooms)) {
		here := m.rooms[namespace]
		alike := map[wishes][]string{}
		var order []wishes
		for _, room := range slices.Sorted(maps.Keys(here)) {
			wanted := here[room].wishes
			if len(alike[wanted]) == 0 {
				order = append(order, wanted)
			}
			alike[wanted] = append(alike[wanted], room)
		}
		for _, wanted := range order {
			for rooms := range slices.Chunk(alike[wanted], RoomsPerJoin) {
				made := join(namespace, rooms, wanted)
				for _, room := range rooms {
					if at := positions.Of(namespace, room); at != nil {
						made.Recover = append(made.Recover, at)
					}
				}
				joins = append(joins, made)
			}
		}
	}
	return joins
}

// Enters are the namespaces of which no room is joined.
func (m *Map) Enters() (namespaces []string) {
	for _, namespace := range slices.Sorted(maps.Keys(m.entered)) {
		if len(m.rooms[namespace]) == 0 {
			namespaces = append(namespaces, namespace)
		}
	}
	return namespaces
}

func join(namespace string, rooms []string, wanted wishes) *rialtov1.Join {
	return &rialtov1.Join{
		Namespace: namespace, Rooms: rooms,
		Presence: wanted.presence, State: wanted.state, Delta: wanted.delta,
	}
}

// OneByOne is a join of several rooms as joins of one each: one that is refused then spares the others.
func OneByOne(several *rialtov1.Join) (joins []*rialtov1.Join) {
	wanted := wishes{several.GetPresence(), several.GetState(), several.GetDelta()}
	for _, room := range several.GetRooms() {
		single := join(several.GetNamespace(), []string{room}, wanted)
		for _, at := range several.GetRecover() {
			if at.GetRoom() == room {
				single.Recover = append(single.Recover, at)
			}
		}
		joins = append(joins, single)
	}
	return joins
}
