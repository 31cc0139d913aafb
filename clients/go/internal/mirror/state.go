// Package mirror keeps what a session knows of a room right through changes and fresh beginnings: its keyed state and
// its members. Whoever watches sees what became different, and nothing of how it came.
package mirror

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

type entries map[string]*rialtov1.StateEntry

// State is the keyed state of one room. The zero value waits for the whole of it.
type State struct {
	epoch   string
	entries entries
	// arriving is a state that is not whole yet.
	arriving entries
	known    bool
}

// Whole is all that is there, by key; ok is false until that is known.
func (s *State) Whole() (all []*rialtov1.StateEntry, ok bool) {
	if !s.known {
		return nil, false
	}
	byKey := func(a, b *rialtov1.StateEntry) int { return strings.Compare(a.GetKey(), b.GetKey()) }
	return slices.SortedFunc(maps.Values(s.entries), byKey), true
}

// Take gives what became different by changes, and whether it is all there is. ok is false when nothing is to be told.
func (s *State) Take(changes *rialtov1.StateChanges) (news []*rialtov1.StateEntry, whole, ok bool) {
	begun := s.known || s.arriving != nil
	if changes.GetReset_() || !begun || (s.arriving == nil && changes.GetEpoch() != s.epoch) {
		s.arriving = entries{}
	}
	if s.arriving == nil {
		for _, entry := range changes.GetEntries() {
			if s.entries.set(entry) {
				news = append(news, entry)
			}
		}
		return news, false, len(news) > 0
	}
	for _, entry := range changes.GetEntries() {
		s.arriving.set(entry)
	}
	if !changes.GetComplete() {
		return nil, false, false
	}
	return s.arrived(changes.GetEpoch())
}

func (s *State) arrived(epoch string) (news []*rialtov1.StateEntry, whole, ok bool) {
	before, sameEpoch, first := s.entries, s.epoch == epoch, !s.known
	s.entries, s.arriving, s.epoch, s.known = s.arriving, nil, epoch, true
	news = difference(before, s.entries, sameEpoch)
	return news, first, first || len(news) > 0
}

// set takes an entry over, unless what is known is as new.
func (e entries) set(entry *rialtov1.StateEntry) bool {
	if known, ok := e[entry.GetKey()]; ok && known.GetRevision() >= entry.GetRevision() {
		return false
	}
	if entry.GetBody() == nil {
		_, was := e[entry.GetKey()]
		delete(e, entry.GetKey())
		return was
	}
	e[entry.GetKey()] = entry
	return true
}

func difference(before, now entries, sameEpoch bool) (news []*rialtov1.StateEntry) {
	for key, entry := range before {
		if _, stays := now[key]; !stays {
			news = append(news, &rialtov1.StateEntry{Key: key, Revision: entry.GetRevision()})
		}
	}
	for key, entry := range now {
		known, was := before[key]
		if !sameEpoch || !was || known.GetRevision() != entry.GetRevision() {
			news = append(news, entry)
		}
	}
	slices.SortFunc(news, func(a, b *rialtov1.StateEntry) int { return cmp.Compare(a.GetRevision(), b.GetRevision()) })
	return news
}
