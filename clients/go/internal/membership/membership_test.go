package membership

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

type positions map[string]*rialtov1.RoomPosition

func (p positions) Of(_, room string) *rialtov1.RoomPosition { return p[room] }

func joining(rooms ...string) *rialtov1.Join { return &rialtov1.Join{Namespace: "chat", Rooms: rooms} }

func TestRoomsAreJoinedAgainWithWhatWasAskedFor(t *testing.T) {
	var m Map
	m.Joined(joining("a", "b"))
	m.Joined(&rialtov1.Join{Namespace: "chat", Rooms: []string{"b"}, Presence: true})
	m.Joined(&rialtov1.Join{Namespace: "chat", Rooms: []string{"b"}, State: true, Newest: 9})
	at := &rialtov1.RoomPosition{Room: "a", Epoch: "e", Offset: 7}
	joins := m.Joins(positions{"a": at})
	wanted := []*rialtov1.Join{
		{Namespace: "chat", Rooms: []string{"a"}, Recover: []*rialtov1.RoomPosition{at}},
		{Namespace: "chat", Rooms: []string{"b"}, Presence: true, State: true},
	}
	if !slices.EqualFunc(joins, wanted, func(a, b *rialtov1.Join) bool { return proto.Equal(a, b) }) {
		t.Error(joins)
	}
}

func TestARoomThatWasPartedLeavesItsNamespaceEntered(t *testing.T) {
	var m Map
	m.Joined(joining("a"))
	m.Parted("chat", []string{"a"})
	if len(m.Joins(positions{})) != 0 || !slices.Equal(m.Enters(), []string{"chat"}) {
		t.Error(m.Joins(positions{}), m.Enters())
	}
	m.Left("chat")
	if len(m.Enters()) != 0 {
		t.Error(m.Enters())
	}
}

func TestNoJoinNamesMoreRoomsThanTheServerTakes(t *testing.T) {
	var m Map
	for number := range 130 {
		m.Joined(joining(fmt.Sprintf("room %d", number)))
	}
	var sizes []int
	for _, join := range m.Joins(positions{}) {
		sizes = append(sizes, len(join.GetRooms()))
	}
	if !slices.Equal(sizes, []int{64, 64, 2}) {
		t.Error(sizes)
	}
}

func TestAnotherSessionIsInNoRoomYet(t *testing.T) {
	var m Map
	m.Joined(joining("a"))
	m.Lost()
	if wanted, in := m.Is("chat", "a"); !wanted || in {
		t.Error(wanted, in)
	}
	if wanted, _ := m.Is("chat", "b"); wanted {
		t.Error("nobody has asked for it")
	}
}

func TestSeveralRoomsCanBeAskedForOneByOne(t *testing.T) {
	several := joining("a", "b")
	several.Recover = []*rialtov1.RoomPosition{{Room: "b", Offset: 3}}
	joins := OneByOne(several)
	if len(joins) != 2 || len(joins[0].GetRecover()) != 0 || joins[1].GetRecover()[0].GetOffset() != 3 {
		t.Error(joins)
	}
}
