package rialto

import (
	"slices"
	"sync"

	"rialto.dev/client/internal/mirror"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// place is a room of a namespace.
type place struct{ namespace, room string }

// interest is what a listener wants to hear; empty fields stand for everything.
type interest struct{ namespace, room, name string }

func (i interest) covers(event *Event) bool {
	return (i.namespace == "" || i.namespace == event.Namespace) &&
		(i.room == "" || slices.Contains(event.Rooms, i.room)) &&
		(i.name == "" || i.name == event.Name)
}

type listener[T any] struct {
	interest
	*queue[T]
}

// seen is what is known of a room that was joined with its state or with presence.
type seen struct {
	state    mirror.State
	presence mirror.Presence
	// present: the room was joined with presence, and its members are known.
	present bool
}

// audience is who in the application listens to what. Every queue is bounded; what finds one full is parked, and the
// session reads nothing more until there is room, so that a slow application slows its own session alone.
type audience struct {
	waiting int

	mu        sync.Mutex
	over      bool
	why       *Error
	events    []listener[*Event]
	presences []listener[PresenceChange]
	states    []listener[StateChange]
	rooms     map[place]*seen
	// parked is what waits for room, in order. Each is true once it has found its place, or nobody listens any more.
	parked []func(over <-chan struct{}) bool
}

func newAudience(waiting int) *audience {
	return &audience{waiting: waiting, rooms: map[place]*seen{}}
}

func listen[T any](a *audience, listeners *[]listener[T], wanted interest) listener[T] {
	made := listener[T]{wanted, newQueue[T](a.waiting)}
	if a.over {
		made.end(a.why)
		return made
	}
	present := slices.DeleteFunc(*listeners, func(l listener[T]) bool { return l.isGone() })
	*listeners = append(present, made)
	return made
}

func (a *audience) listenEvents(wanted interest) *Stream[*Event] {
	a.mu.Lock()
	defer a.mu.Unlock()
	return listen(a, &a.events, wanted).stream()
}

func (a *audience) listenPresence(where place) *Stream[PresenceChange] {
	a.mu.Lock()
	defer a.mu.Unlock()
	return listen(a, &a.presences, interest{namespace: where.namespace, room: where.room}).stream()
}

// listenState gives first what is known already.
func (a *audience) listenState(where place) *Stream[StateChange] {
	a.mu.Lock()
	defer a.mu.Unlock()
	made := listen(a, &a.states, interest{namespace: where.namespace, room: where.room})
	if known, ok := a.rooms[where]; ok {
		if all, whole := known.state.Whole(); whole {
			made.offer(StateChange{Entries: stateEntries(all), Whole: true})
		}
	}
	return made.stream()
}

func give[T any](a *audience, listeners []listener[T], item T, covers func(interest) bool) {
	for _, l := range listeners {
		if l.isGone() || !covers(l.interest) {
			continue
		}
		if len(a.parked) > 0 || !l.offer(item) {
			a.parked = append(a.parked, func(over <-chan struct{}) bool { return l.put(item, over) || l.isGone() })
		}
	}
}

func (a *audience) event(event *Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	give(a, a.events, event, func(i interest) bool { return i.covers(event) })
}

func (a *audience) room(where place) *seen {
	known, ok := a.rooms[where]
	if !ok {
		known = &seen{}
		a.rooms[where] = known
	}
	return known
}

func (a *audience) tellPresence(where place, change PresenceChange) {
	give(a, a.presences, change, func(i interest) bool { return i.namespace == where.namespace && i.room == where.room })
}

// presence takes a change over. It is false when the names have a hole that another join fills.
func (a *audience) presence(change *rialtov1.Presence) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	where := place{change.GetNamespace(), change.GetRoom()}
	known := a.room(where)
	whole := known.presence.Take(change)
	a.tellPresence(where, presenceChange(change))
	return whole || !known.present
}

// joined takes a room over as an answer to a join with presence describes it. Who was known before is told what became
// different.
func (a *audience) joined(namespace string, state *rialtov1.RoomState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	where := place{namespace, state.GetRoom()}
	known := a.room(where)
	before, were := known.presence.Members(), known.present
	known.presence.Reset(state)
	known.present = true
	if were {
		if change, differs := presenceDifference(before, known.presence.Members(), state); differs {
			a.tellPresence(where, change)
		}
	}
}

func (a *audience) state(changes *rialtov1.StateChanges) {
	a.mu.Lock()
	defer a.mu.Unlock()
	where := place{changes.GetNamespace(), changes.GetRoom()}
	news, whole, ok := a.room(where).state.Take(changes)
	if !ok {
		return
	}
	change := StateChange{Entries: stateEntries(news), Whole: whole}
	give(a, a.states, change, func(i interest) bool { return i.namespace == where.namespace && i.room == where.room })
}

// parted: what is in these rooms is not told any more.
func (a *audience) parted(namespace string, rooms []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, room := range rooms {
		delete(a.rooms, place{namespace, room})
	}
}

// left: the same of a whole namespace.
func (a *audience) left(namespace string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for where := range a.rooms {
		if where.namespace == namespace {
			delete(a.rooms, where)
		}
	}
}

func (a *audience) currentPresence(where place) (members []*rialtov1.Member, count, users uint32, complete bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.rooms[where]
	if !ok || !known.present {
		return nil, 0, 0, false
	}
	count, users = known.presence.Counts()
	return known.presence.Members(), count, users, known.presence.Complete()
}

func (a *audience) currentState(where place) ([]*rialtov1.StateEntry, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.rooms[where]
	if !ok {
		return nil, false
	}
	return known.state.Whole()
}

func (a *audience) isFull() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.parked) > 0
}

// handOver waits until all that was parked has found room, or over.
func (a *audience) handOver(over <-chan struct{}) {
	for {
		first := a.firstParked()
		if first == nil || !first(over) {
			return
		}
		a.mu.Lock()
		a.parked = a.parked[1:]
		a.mu.Unlock()
	}
}

func (a *audience) firstParked() func(over <-chan struct{}) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.parked) == 0 {
		return nil
	}
	return a.parked[0]
}

// dismiss ends all streams: they give what they hold, and then nothing.
func (a *audience) dismiss(why *Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over, a.why = true, why
	endAll(a.events, why)
	endAll(a.presences, why)
	endAll(a.states, why)
	a.events, a.presences, a.states, a.parked = nil, nil, nil, nil
	a.rooms = map[place]*seen{}
}

func endAll[T any](listeners []listener[T], why *Error) {
	for _, l := range listeners {
		l.end(why)
	}
}
