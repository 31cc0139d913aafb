package rialto

import (
	"context"
	"time"

	"google.golang.org/grpc"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Directory looks inside, and acts on what is there. Reading needs the right "presence", changing "admin".
type Directory struct{ way lanes }

// RoomInfo is a room that has members.
type RoomInfo struct {
	Namespace, Room string
	MemberCount     uint32
}

// SessionInfo is a session as the directory shows it.
type SessionInfo struct {
	Member Member
	// Program and ProgramVersion are what the session has said of itself.
	Program, ProgramVersion string
	// Node holds it, Since it began.
	Node  string
	Since time.Time
	// Rooms it is in, by namespace.
	Rooms map[string][]string
	// OutboxFrames and OutboxBytes wait for it.
	OutboxFrames, OutboxBytes uint32
}

// Affected says how many sessions were changed.
type Affected struct {
	// Changed is how many, Refused how many could not, because of their limits.
	Changed, Refused uint32
	// NodesMissing did not answer: what is with them is not counted.
	NodesMissing []string
}

// Then is what sessions that are disconnected are told to do next.
type Then string

// What they can be told.
const (
	// ThenStayAway: not to come back; the same as nothing.
	ThenStayAway Then = "stay-away"
	// ThenReconnect: to come back as another session.
	ThenReconnect Then = "reconnect"
	// ThenResume: to go on.
	ThenResume Then = "resume"
)

func (t Then) wire() rialtov1.Then {
	switch t {
	case ThenReconnect:
		return rialtov1.Then_THEN_RECONNECT
	case ThenResume:
		return rialtov1.Then_THEN_RESUME
	case ThenStayAway:
		return rialtov1.Then_THEN_STAY_AWAY
	}
	return rialtov1.Then_THEN_UNSPECIFIED
}

// Rooms lists the rooms of a namespace that have members, by name.
func (d *Directory) Rooms(ctx context.Context, namespace, prefix string, of PageOf) (Page[RoomInfo], error) {
	request := &rialtov1.ListRoomsRequest{Namespace: namespace, Prefix: prefix, PageSize: of.Size, PageToken: of.Next}
	answer, err := call[rialtov1.ListRoomsResponse](ctx, d.way, rialtov1.DirectoryService_ListRooms_FullMethodName, request)
	page := Page[RoomInfo]{
		Next: answer.GetNextPageToken(), TotalCount: answer.GetTotalCount(), NodesMissing: answer.GetNodesMissing(),
	}
	for _, room := range answer.GetRooms() {
		page.Items = append(page.Items, RoomInfo{room.GetNamespace(), room.GetRoom(), room.GetMemberCount()})
	}
	return page, err
}

// Room is one room with its count, and the nodes that did not answer. One without members has a count of 0.
func (d *Directory) Room(ctx context.Context, namespace, room string) (RoomInfo, []string, error) {
	request := &rialtov1.GetRoomRequest{Namespace: namespace, Room: room}
	answer, err := call[rialtov1.GetRoomResponse](ctx, d.way, rialtov1.DirectoryService_GetRoom_FullMethodName, request)
	found := answer.GetRoom()
	return RoomInfo{found.GetNamespace(), found.GetRoom(), found.GetMemberCount()}, answer.GetNodesMissing(), err
}

// Members lists the members of a room, or everyone in the namespace when the room is empty, by session.
func (d *Directory) Members(ctx context.Context, namespace, room string, of PageOf) (Page[Member], error) {
	request := &rialtov1.ListMembersRequest{Namespace: namespace, Room: room, PageSize: of.Size, PageToken: of.Next}
	answer, err := call[rialtov1.ListMembersResponse](ctx, d.way, rialtov1.DirectoryService_ListMembers_FullMethodName, request)
	return Page[Member]{
		membersOf(answer.GetMembers()), answer.GetNextPageToken(), answer.GetTotalCount(), answer.GetNodesMissing(),
	}, err
}

// Session is one session with its rooms.
func (d *Directory) Session(ctx context.Context, id string) (SessionInfo, error) {
	request := &rialtov1.GetSessionRequest{SessionId: id}
	answer, err := call[rialtov1.GetSessionResponse](ctx, d.way, rialtov1.DirectoryService_GetSession_FullMethodName, request)
	found := answer.GetSession()
	info := SessionInfo{
		Member:  memberOf(found.GetMember()),
		Program: found.GetClient().GetName(), ProgramVersion: found.GetClient().GetVersion(),
		Node: found.GetNode(), Since: timeOf(found.GetSince()), Rooms: map[string][]string{},
		OutboxFrames: found.GetOutboxFrames(), OutboxBytes: found.GetOutboxBytes(),
	}
	for _, membership := range found.GetMemberships() {
		info.Rooms[membership.GetNamespace()] = membership.GetRooms()
	}
	return info, err
}

// JoinMembers makes sessions join rooms, at most 64. It is in force for the next event when it returns.
func (d *Directory) JoinMembers(
	ctx context.Context, namespace string, target Target, rooms ...string,
) (Affected, error) {
	request := &rialtov1.JoinMembersRequest{Namespace: namespace, Target: target.wire(), Rooms: rooms}
	answer, err := call[rialtov1.JoinMembersResponse](ctx, d.way, rialtov1.DirectoryService_JoinMembers_FullMethodName, request)
	return Affected{answer.GetSessionsChanged(), answer.GetSessionsRefused(), answer.GetNodesMissing()}, err
}

// PartMembers makes sessions part rooms, at most 64. It is in force for the next event when it returns.
func (d *Directory) PartMembers(
	ctx context.Context, namespace string, target Target, rooms ...string,
) (Affected, error) {
	request := &rialtov1.PartMembersRequest{Namespace: namespace, Target: target.wire(), Rooms: rooms}
	answer, err := call[rialtov1.PartMembersResponse](ctx, d.way, rialtov1.DirectoryService_PartMembers_FullMethodName, request)
	return Affected{Changed: answer.GetSessionsChanged(), NodesMissing: answer.GetNodesMissing()}, err
}

// DisconnectMembers ends sessions. The reason is for them, at most 256 bytes.
func (d *Directory) DisconnectMembers(
	ctx context.Context, namespace string, target Target, reason string, then Then,
) (Affected, error) {
	request := &rialtov1.DisconnectMembersRequest{
		Namespace: namespace, Target: target.wire(), Reason: reason, Then: then.wire(),
	}
	answer, err := call[rialtov1.DisconnectMembersResponse](ctx, d.way, rialtov1.DirectoryService_DisconnectMembers_FullMethodName, request)
	return Affected{Changed: answer.GetSessionsChanged(), NodesMissing: answer.GetNodesMissing()}, err
}

// UpdateAttributes sets and removes attributes of sessions.
func (d *Directory) UpdateAttributes(
	ctx context.Context, namespace string, target Target, set map[string]string, remove ...string,
) (Affected, error) {
	request := &rialtov1.UpdateAttributesRequest{Namespace: namespace, Target: target.wire(), Set: set, Remove: remove}
	answer, err := call[rialtov1.UpdateAttributesResponse](ctx, d.way, rialtov1.DirectoryService_UpdateAttributes_FullMethodName, request)
	return Affected{answer.GetSessionsChanged(), answer.GetSessionsRefused(), answer.GetNodesMissing()}, err
}

// RoomEvent is something that has happened in a namespace.
type RoomEvent struct {
	// Kind is "watching", "created", "joined", "left", "deleted" or "missed".
	Kind string
	Room string
	// Who has joined or left.
	Who Sender
	// MemberCount is how many members the room has now, MissedCount how many events were not reported.
	MemberCount, MissedCount uint32
	// NodesMissing have not answered, of "watching": what happens there is reported when they do.
	NodesMissing []string
}

// WatchRooms gives what happens in the rooms of a namespace, or in one of them. It begins within the deadline, and
// then lasts as long as ctx. It is not taken up again by itself, since nobody could tell its gap.
func (d *Directory) WatchRooms(ctx context.Context, namespace, room string) (*Stream[RoomEvent], error) {
	request := &rialtov1.WatchRoomsRequest{Namespace: namespace, Room: room}
	var stream grpc.ServerStreamingClient[rialtov1.WatchRoomsResponse]
	watch, err := openCall(ctx, d.way, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		stream, err = started(rialtov1.NewDirectoryServiceClient(conn).WatchRooms(ctx, request))
		return err
	})
	if err != nil {
		return nil, err
	}
	return produce(ctx, eventsWaiting, func(ctx context.Context, give func(RoomEvent) bool) error {
		defer watch.close()
		defer context.AfterFunc(ctx, watch.close)()
		for {
			seen, err := stream.Recv()
			if err != nil {
				return watch.failure(err)
			}
			event := RoomEvent{
				Kind: lowerNamed(seen.GetKind().String(), "ROOM_EVENT_KIND_"), Room: seen.GetRoom(),
				Who:         Sender{seen.GetWho().GetSession(), seen.GetWho().GetUser()},
				MemberCount: seen.GetMemberCount(), MissedCount: seen.GetMissedCount(), NodesMissing: seen.GetNodesMissing(),
			}
			if !give(event) {
				return asNil(ctx)
			}
		}
	}), nil
}

// asNil is why a stream ends that nobody takes items of any more.
func asNil(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return givenUp(ctx, "", true)
}
