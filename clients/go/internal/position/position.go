// Package position knows how far each room with history has been handed to the application: one position a room, and
// above it what came out of turn. It says whether an event is new, and where recovery begins. It is never ahead of
// what was handed on.
package position

import (
	"slices"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// rangesMax bounds the ranges above a position. Beyond, the lowest is forgotten: to hear something twice is better
// than a gap.
const rangesMax = 64

// span is a range of offsets, both ends included.
type span struct{ first, last uint64 }

// position is how far one room has been handed on.
type position struct {
	epoch string
	// offset: everything up to here was handed on, was not for this session, or was told as missed.
	offset uint64
	// marked are rising ranges above offset that came, or that this session has said itself.
	marked []span
	// recoversTo: what comes up to here comes out of the history, after the session was lost.
	recoversTo uint64
	// joinedAt is the last offset before the session became a member.
	joinedAt uint64
}

func (p *position) has(offset uint64) bool {
	if offset <= p.offset {
		return true
	}
	return slices.ContainsFunc(p.marked, func(s span) bool { return s.first <= offset && offset <= s.last })
}

// advance: everything up to offset has come, or will not.
func (p *position) advance(offset uint64) {
	p.offset = max(p.offset, offset)
	for len(p.marked) > 0 && p.marked[0].first <= p.offset+1 {
		p.offset = max(p.offset, p.marked[0].last)
		p.marked = p.marked[1:]
	}
}

// mark: this one has come; those before it may still come.
func (p *position) mark(offset uint64) {
	if p.has(offset) {
		return
	}
	at := slices.IndexFunc(p.marked, func(s span) bool { return s.first > offset })
	if at < 0 {
		at = len(p.marked)
	}
	joinsBelow := at > 0 && p.marked[at-1].last+1 == offset
	joinsAbove := at < len(p.marked) && p.marked[at].first == offset+1
	switch {
	case joinsBelow && joinsAbove:
		p.marked[at-1].last = p.marked[at].last
		p.marked = slices.Delete(p.marked, at, at+1)
	case joinsBelow:
		p.marked[at-1].last = offset
	case joinsAbove:
		p.marked[at].first = offset
	default:
		p.marked = slices.Insert(p.marked, at, span{offset, offset})
	}
	p.advance(p.offset)
	if len(p.marked) > rangesMax {
		p.marked = p.marked[1:]
	}
}

// begin takes the epoch of the first event of a history, and begins anew when it is another one.
func (p *position) begin(epoch string, offset uint64) {
	if p.epoch == "" {
		p.epoch = epoch
	}
	if p.epoch != epoch {
		*p = position{epoch: epoch, offset: max(offset, 1) - 1}
	}
}

// found takes over how a room was found by who joins it. asked is the position that was to be recovered.
func (p *position) found(state *rialtov1.RoomState, asked *rialtov1.RoomPosition, newest uint32, known bool) {
	if asked != nil && (!known || p.epoch != asked.GetEpoch()) {
		*p, known = position{epoch: asked.GetEpoch(), offset: asked.GetOffset()}, true
	}
	end := state.GetOffset()
	oldest := min(max(state.GetFirstOffset(), 1)-1, end)
	recovery := state.GetRecovery()
	recovers := recovery == rialtov1.Recovery_RECOVERY_WHOLE || recovery == rialtov1.Recovery_RECOVERY_PARTIAL
	sameLife := known && (p.epoch == state.GetEpoch() || p.epoch == "")
	switch {
	case asked != nil && sameLife && recovers:
		p.epoch, p.recoversTo, p.joinedAt = state.GetEpoch(), end, end
	case asked != nil && sameLife && p.offset <= end:
		// The right to recover is missing: what came between is not handed on.
		p.joinedAt = end
	case asked != nil:
		// Another life, or a shorter history: everything that it keeps comes.
		*p = position{epoch: state.GetEpoch(), offset: oldest, recoversTo: end, joinedAt: end}
	case sameLife:
		// Who was a member stays where it was.
	case newest > 0:
		*p = position{epoch: state.GetEpoch(), offset: max(end-min(uint64(newest), end), oldest), joinedAt: end}
	default:
		*p = position{epoch: state.GetEpoch(), offset: end, joinedAt: end}
	}
}

// place is where an event stands in the history of one room.
type place struct {
	room, epoch string
	offset      uint64
}

func placesOf(event *rialtov1.Event) []place {
	var places []place
	if event.Offset != nil && len(event.GetRooms()) > 0 {
		places = append(places, place{event.GetRooms()[0], event.GetEpoch(), event.GetOffset()})
	}
	for _, at := range event.GetPositions() {
		places = append(places, place{at.GetRoom(), at.GetEpoch(), at.GetOffset()})
	}
	return places
}

func placesOfAccepted(emit *rialtov1.Emit, accepted *rialtov1.Accepted) []place {
	var places []place
	if rooms := emit.GetTarget().GetRooms(); accepted.Offset != nil && len(rooms) == 1 {
		places = append(places, place{rooms[0], accepted.GetEpoch(), accepted.GetOffset()})
	}
	for _, at := range accepted.GetPositions() {
		places = append(places, place{at.GetRoom(), at.GetEpoch(), at.GetOffset()})
	}
	return places
}
