package rialto

import (
	"context"
	"maps"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Member is a session in a room.
type Member struct {
	Session, User string
	// Attributes are what the session says of itself. Not to be changed.
	Attributes map[string]string
	// Away holds while its connection is lost; it may come back.
	Away bool
}

func memberOf(member *rialtov1.Member) Member {
	return Member{
		Session: member.GetWho().GetSession(), User: member.GetWho().GetUser(),
		Attributes: member.GetAttributes(), Away: member.GetAway(),
	}
}

func membersOf(members []*rialtov1.Member) []Member {
	made := make([]Member, len(members))
	for index, member := range members {
		made[index] = memberOf(member)
	}
	return made
}

// Sender is a session and its user.
type Sender struct{ Session, User string }

// PresenceChange says what became different in a room.
type PresenceChange struct {
	// Joined are those who came, whose attributes changed, or who are away or back.
	Joined []Member
	// Left are those who went.
	Left []Sender
	// MemberCount and UserCount are how many there are now. A room of more than 256 members is counted alone.
	MemberCount, UserCount uint32
}

func presenceChange(change *rialtov1.Presence) PresenceChange {
	made := PresenceChange{
		Joined: membersOf(change.GetJoined()), MemberCount: change.GetMemberCount(), UserCount: change.GetUserCount(),
	}
	for _, left := range change.GetLeft() {
		made.Left = append(made.Left, Sender{left.GetSession(), left.GetUser()})
	}
	return made
}

// presenceDifference is what became different while nobody told it.
func presenceDifference(
	before, now []*rialtov1.Member, state *rialtov1.RoomState,
) (change PresenceChange, differs bool) {
	known := map[string]*rialtov1.Member{}
	for _, member := range before {
		known[member.GetWho().GetSession()] = member
	}
	change = PresenceChange{MemberCount: state.GetMemberCount(), UserCount: state.GetUserCount()}
	for _, member := range now {
		session := member.GetWho().GetSession()
		was := known[session]
		delete(known, session)
		if was == nil || was.GetAway() != member.GetAway() || !maps.Equal(was.GetAttributes(), member.GetAttributes()) {
			change.Joined = append(change.Joined, memberOf(member))
		}
	}
	if len(now) > 0 {
		for _, gone := range known {
			change.Left = append(change.Left, Sender{gone.GetWho().GetSession(), gone.GetWho().GetUser()})
		}
	}
	return change, len(change.Joined)+len(change.Left) > 0
}

// Presence asks and tells who is in a room.
type Presence struct {
	way lanes
	// core is nil for a client without a session.
	core  *core
	where place
}

// Page is some of several things.
type Page[T any] struct {
	Items []T
	// Next asks for the page that follows; empty when there is none.
	Next string
	// TotalCount is how many there are in all, where the server says it.
	TotalCount uint32
	// NodesMissing did not answer: what is with them is not here.
	NodesMissing []string
}

// PageOf asks for a page. The zero value is the first, in the size that the server chooses.
type PageOf struct {
	// Size is how many items at most.
	Size uint32
	// Next is from the page before.
	Next string
}

// Counts are how many there are.
type Counts struct {
	Members, Users uint32
	NodesMissing   []string
}

// UserPresence is a user in a room.
type UserPresence struct {
	User string
	// Sessions is how many of its sessions are members.
	Sessions uint32
	// Away holds when all of them are.
	Away bool
}

// Counts asks how many are in the room. It costs the same however large that is.
func (p *Presence) Counts(ctx context.Context) (Counts, error) {
	answer, err := p.ask(ctx, &rialtov1.GetPresenceRequest{CountsOnly: true})
	return Counts{answer.GetMemberCount(), answer.GetUserCount(), answer.GetNodesMissing()}, err
}

// Members asks for the members, by session.
func (p *Presence) Members(ctx context.Context, of PageOf) (Page[Member], error) {
	answer, err := p.ask(ctx, &rialtov1.GetPresenceRequest{
		By: rialtov1.PresenceBy_PRESENCE_BY_SESSION, PageSize: of.Size, PageToken: of.Next,
	})
	return Page[Member]{
		membersOf(answer.GetMembers()), answer.GetNextPageToken(), answer.GetMemberCount(), answer.GetNodesMissing(),
	}, err
}

// Users asks for the users, by name. Sessions without a user are not among them.
func (p *Presence) Users(ctx context.Context, of PageOf) (Page[UserPresence], error) {
	answer, err := p.ask(ctx, &rialtov1.GetPresenceRequest{
		By: rialtov1.PresenceBy_PRESENCE_BY_USER, PageSize: of.Size, PageToken: of.Next,
	})
	page := Page[UserPresence]{
		Next: answer.GetNextPageToken(), TotalCount: answer.GetUserCount(), NodesMissing: answer.GetNodesMissing(),
	}
	for _, user := range answer.GetUsers() {
		page.Items = append(page.Items, UserPresence{user.GetUser(), user.GetSessionCount(), user.GetAway()})
	}
	return page, err
}

func (p *Presence) ask(
	ctx context.Context, request *rialtov1.GetPresenceRequest,
) (*rialtov1.GetPresenceResponse, error) {
	request.Namespace, request.Room = p.where.namespace, p.where.room
	return call[rialtov1.GetPresenceResponse](ctx, p.way, rialtov1.RoomService_GetPresence_FullMethodName, request)
}

// Changes gives who comes, changes and goes from now on, in a room that is joined [WithPresence].
func (p *Presence) Changes() (*Stream[PresenceChange], error) {
	if p.core == nil {
		return nil, invalid("changes are told to sessions alone")
	}
	return p.core.audience.listenPresence(p.where), nil
}

// Current is who is known to be in a room that is joined [WithPresence].
type Current struct {
	// Members that are named, by session.
	Members                []Member
	MemberCount, UserCount uint32
	// Complete holds when all members are named. Of more than 256 none is.
	Complete bool
}

// Current gives who is known to be there. Nobody is, unless the room is joined [WithPresence].
func (p *Presence) Current() Current {
	if p.core == nil {
		return Current{}
	}
	members, count, users, complete := p.core.audience.currentPresence(p.where)
	return Current{membersOf(members), count, users, complete}
}
