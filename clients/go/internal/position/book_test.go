package position

import (
	"testing"

	"google.golang.org/protobuf/proto"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func said(offset uint64, epoch, session string) *rialtov1.Event {
	return &rialtov1.Event{
		Namespace: "chat", Rooms: []string{"a"}, Offset: &offset, Epoch: epoch, Sender: &rialtov1.Sender{Session: session},
	}
}

func saidToTwo(a, b uint64) *rialtov1.Event {
	return &rialtov1.Event{Namespace: "chat", Rooms: []string{"a", "b"}, Positions: []*rialtov1.RoomPosition{
		{Room: "a", Epoch: "e", Offset: a}, {Room: "b", Epoch: "e", Offset: b},
	}}
}

func found(room string, offset uint64) *rialtov1.RoomState {
	return &rialtov1.RoomState{Room: room, Epoch: "e", Offset: &offset, FirstOffset: proto.Uint64(1)}
}

func joined(b *Book, join *rialtov1.Join, states ...*rialtov1.RoomState) {
	b.Joined(join, &rialtov1.Joined{Namespace: "chat", Rooms: states})
}

func offset(t *testing.T, b *Book, room string, wanted uint64) {
	t.Helper()
	if at := b.Of("chat", room); at.GetOffset() != wanted {
		t.Errorf("%s is at %d, not %d", room, at.GetOffset(), wanted)
	}
}

func TestAnEventIsHandedOnOnce(t *testing.T) {
	var b Book
	joined(&b, &rialtov1.Join{}, found("a", 5))
	for _, step := range []struct {
		offset uint64
		isNew  bool
	}{{5, false}, {6, true}, {9, true}, {7, false}, {9, false}} {
		if isNew, _ := b.Take(said(step.offset, "e", "s")); isNew != step.isNew {
			t.Errorf("%d: %v", step.offset, isNew)
		}
	}
	offset(t, &b, "a", 9)
}

func TestTheNewestAreStillToComeAndPast(t *testing.T) {
	var b Book
	joined(&b, &rialtov1.Join{Newest: 2}, found("a", 5))
	offset(t, &b, "a", 3)
	if isNew, past := b.Take(said(4, "e", "s")); !isNew || !past {
		t.Error(isNew, past)
	}
	if isNew, past := b.Take(said(6, "e", "s")); !isNew || past {
		t.Error(isNew, past)
	}
	state := found("b", 5)
	state.FirstOffset = proto.Uint64(5)
	joined(&b, &rialtov1.Join{Newest: 300}, state)
	offset(t, &b, "b", 4)
}

func TestAnEventOfSeveralRoomsIsMarkedInEach(t *testing.T) {
	var b Book
	joined(&b, &rialtov1.Join{}, found("a", 0), found("b", 0))
	b.Take(saidToTwo(2, 1))
	offset(t, &b, "a", 0)
	offset(t, &b, "b", 1)
	if isNew, _ := b.Take(saidToTwo(2, 1)); isNew {
		t.Error("it was handed on before")
	}
	b.Take(said(1, "e", "s"))
	offset(t, &b, "a", 2)
}

func TestAnOwnEmitIsMarkedAndDoesNotJump(t *testing.T) {
	var b Book
	joined(&b, &rialtov1.Join{}, found("a", 0))
	emit := &rialtov1.Emit{Namespace: "chat", Target: &rialtov1.Target{Rooms: []string{"a"}}}
	b.Accepted(emit, &rialtov1.Accepted{Offset: proto.Uint64(3), Epoch: "e"})
	offset(t, &b, "a", 0)
	b.Take(said(2, "e", "s"))
	offset(t, &b, "a", 3)
	b.Accepted(emit, &rialtov1.Accepted{Offset: proto.Uint64(4), Epoch: "e", Duplicate: true})
	offset(t, &b, "a", 3)
}

func TestWhatWasMissedCountsAsHandedOn(t *testing.T) {
	var b Book
	joined(&b, &rialtov1.Join{}, found("a", 2))
	b.Missed(&rialtov1.Missed{Namespace: "chat", Rooms: []string{"a"}, ToOffset: proto.Uint64(6), Epoch: "other"})
	offset(t, &b, "a", 2)
	b.Missed(&rialtov1.Missed{Namespace: "chat", Rooms: []string{"a"}, ToOffset: proto.Uint64(6), Epoch: "e"})
	offset(t, &b, "a", 6)
}

func TestTheFirstEpochIsTakenAndAnotherBeginsAnew(t *testing.T) {
	var b Book
	state := found("a", 0)
	state.Epoch = ""
	joined(&b, &rialtov1.Join{}, state)
	b.Take(said(1, "e", "s"))
	if at := b.Of("chat", "a"); at.GetEpoch() != "e" || at.GetOffset() != 1 {
		t.Error(at)
	}
	if isNew, _ := b.Take(said(1, "f", "s")); !isNew {
		t.Error("another life begins with 1 too")
	}
}

func recovering(b *Book, state *rialtov1.RoomState, recovery rialtov1.Recovery) {
	state.Recovery = recovery
	joined(b, &rialtov1.Join{Recover: []*rialtov1.RoomPosition{b.Of("chat", "a")}}, state)
}

func TestARecoveryGoesOnWhereItWas(t *testing.T) {
	for _, step := range []struct {
		epoch    string
		end      uint64
		recovery rialtov1.Recovery
		wanted   uint64
	}{
		{"e", 9, rialtov1.Recovery_RECOVERY_WHOLE, 5},
		{"e", 9, rialtov1.Recovery_RECOVERY_PARTIAL, 5},
		{"f", 9, rialtov1.Recovery_RECOVERY_LOST, 0},
		{"e", 3, rialtov1.Recovery_RECOVERY_LOST, 0},
		{"e", 9, rialtov1.Recovery_RECOVERY_LOST, 5},
	} {
		var b Book
		joined(&b, &rialtov1.Join{}, found("a", 5))
		state := found("a", step.end)
		state.Epoch = step.epoch
		recovering(&b, state, step.recovery)
		offset(t, &b, "a", step.wanted)
	}
}

func TestWhatAFormerSessionHasSaidIsNotHeardInARecovery(t *testing.T) {
	var b Book
	joined(&b, &rialtov1.Join{}, found("a", 0))
	b.Ended("mine")
	recovering(&b, found("a", 2), rialtov1.Recovery_RECOVERY_WHOLE)
	if isNew, _ := b.Take(said(1, "e", "mine")); isNew {
		t.Error("it was said by this client")
	}
	if isNew, _ := b.Take(said(3, "e", "mine")); !isNew {
		t.Error("it came after what is recovered")
	}
	b.Emits(&rialtov1.Emit{Target: &rialtov1.Target{IncludeSender: true}})
	if isNew, _ := b.Take(said(4, "e", "mine")); !isNew {
		t.Error("the application hears itself")
	}
}

func TestPositionsOfRoomsThatWereLeftAreBounded(t *testing.T) {
	var b Book
	for number := range leftMax + 5 {
		name := string(rune('a' + number))
		joined(&b, &rialtov1.Join{}, found(name, 1))
		b.Parted("chat", []string{name})
	}
	if len(b.rooms) != 0 || len(b.left) != leftMax || len(b.leftOrder) != leftMax {
		t.Error(len(b.rooms), len(b.left), len(b.leftOrder))
	}
	if b.Last("chat", "a") != nil || b.Last("chat", string(rune('a'+leftMax))).GetOffset() != 1 {
		t.Error("the oldest go first")
	}
}

func TestMarksAreBoundedAndNeverMakeAGap(t *testing.T) {
	p := &position{}
	for offset := uint64(2); offset < 1000; offset += 2 {
		p.mark(offset)
	}
	if len(p.marked) != rangesMax || p.offset != 0 || p.has(2) || !p.has(998) {
		t.Error(len(p.marked), p.offset)
	}
}
