package mirror

import (
	"maps"
	"slices"
	"strings"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// NamedMax is the size up to which the members of a room are named.
const NamedMax = 256

// Presence is who is in one room. The zero value knows nobody.
type Presence struct {
	members map[string]*rialtov1.Member
	count   uint32
	users   uint32
}

// Reset takes the room as an answer to a join describes it.
func (p *Presence) Reset(state *rialtov1.RoomState) {
	p.count, p.users = state.GetMemberCount(), state.GetUserCount()
	p.replace(state.GetMembers())
}

func (p *Presence) replace(members []*rialtov1.Member) {
	p.members = make(map[string]*rialtov1.Member, len(members))
	for _, member := range members {
		p.members[member.GetWho().GetSession()] = member
	}
}

// Take takes a change over. It is false when the names have a hole that another join fills.
func (p *Presence) Take(change *rialtov1.Presence) bool {
	p.count, p.users = change.GetMemberCount(), change.GetUserCount()
	if p.count > NamedMax {
		// Beyond that nobody is named, and names that are known would not be kept up.
		p.members = nil
		return true
	}
	if uint32(len(change.GetJoined())) == p.count {
		p.replace(change.GetJoined())
		return true
	}
	if p.members == nil {
		p.members = map[string]*rialtov1.Member{}
	}
	for _, sender := range change.GetLeft() {
		delete(p.members, sender.GetSession())
	}
	for _, member := range change.GetJoined() {
		p.members[member.GetWho().GetSession()] = member
	}
	// Names that are longer than a frame are counted too: then there are none at all.
	counted := len(change.GetJoined())+len(change.GetLeft()) == 0
	return counted || p.Complete()
}

// Complete holds when all members are named.
func (p *Presence) Complete() bool { return uint32(len(p.members)) == p.count }

// Members are those that are named, by session.
func (p *Presence) Members() []*rialtov1.Member {
	bySession := func(a, b *rialtov1.Member) int {
		return strings.Compare(a.GetWho().GetSession(), b.GetWho().GetSession())
	}
	return slices.SortedFunc(maps.Values(p.members), bySession)
}

// Counts are how many sessions and users there are.
func (p *Presence) Counts() (members, users uint32) { return p.count, p.users }
