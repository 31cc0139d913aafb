package mirror

import (
	"fmt"
	"slices"
	"testing"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func entry(key, value string, revision uint64) *rialtov1.StateEntry {
	made := &rialtov1.StateEntry{Key: key, Revision: revision}
	if value != "" {
		made.Body = &rialtov1.StateEntry_Text{Text: value}
	}
	return made
}

func changes(reset, complete bool, entries ...*rialtov1.StateEntry) *rialtov1.StateChanges {
	return &rialtov1.StateChanges{Epoch: "e", Reset_: reset, Complete: complete, Entries: entries}
}

func taken(s *State, changes *rialtov1.StateChanges) (told []string) {
	news, whole, ok := s.Take(changes)
	if !ok {
		return nil
	}
	told = []string{fmt.Sprint(whole)}
	for _, entry := range news {
		told = append(told, entry.GetKey()+"="+entry.GetText())
	}
	return told
}

func TestAStateIsToldWhenItIsWhole(t *testing.T) {
	var s State
	if told := taken(&s, changes(true, false, entry("a", "1", 1))); told != nil {
		t.Error(told)
	}
	if _, whole := s.Whole(); whole {
		t.Error("half a state is shown")
	}
	if told := taken(&s, changes(false, true, entry("b", "2", 2))); !slices.Equal(told, []string{"true", "a=1", "b=2"}) {
		t.Error(told)
	}
	var empty State
	if told := taken(&empty, changes(true, true)); !slices.Equal(told, []string{"true"}) {
		t.Error(told)
	}
}

func TestChangesAreToldOnceAndOldOnesNever(t *testing.T) {
	var s State
	taken(&s, changes(true, true, entry("a", "1", 5)))
	if told := taken(&s, changes(false, true, entry("a", "0", 4))); told != nil {
		t.Error(told)
	}
	if told := taken(&s, changes(false, true, entry("a", "", 6))); !slices.Equal(told, []string{"false", "a="}) {
		t.Error(told)
	}
}

func TestAFreshBeginningTellsOnlyWhatDiffers(t *testing.T) {
	var s State
	taken(&s, changes(true, true, entry("a", "1", 1), entry("b", "2", 2), entry("c", "3", 3)))
	if told := taken(&s, changes(true, false, entry("a", "1", 1))); told != nil {
		t.Error(told)
	}
	told := taken(&s, changes(false, true, entry("c", "4", 4), entry("d", "5", 5)))
	if !slices.Equal(told, []string{"false", "b=", "c=4", "d=5"}) {
		t.Error(told)
	}
	other := changes(true, true, entry("a", "2", 1))
	other.Epoch = "f"
	if told := taken(&s, other); !slices.Contains(told, "a=2") {
		t.Error("in another epoch revisions begin again", told)
	}
}

func member(session string) *rialtov1.Member {
	return &rialtov1.Member{Who: &rialtov1.Sender{Session: session, User: session}}
}

func TestNamesAreAddedAndRemovedAndReplaced(t *testing.T) {
	var p Presence
	p.Reset(&rialtov1.RoomState{MemberCount: 1, UserCount: 1, Members: []*rialtov1.Member{member("a")}})
	if !p.Take(&rialtov1.Presence{MemberCount: 2, Joined: []*rialtov1.Member{member("b")}}) {
		t.Error("nothing is missing")
	}
	if p.Take(&rialtov1.Presence{MemberCount: 4, Joined: []*rialtov1.Member{member("c")}}) {
		t.Error("somebody is missing")
	}
	if !p.Take(&rialtov1.Presence{MemberCount: 1, Joined: []*rialtov1.Member{member("d")}}) || len(p.Members()) != 1 {
		t.Error("all are named", p.Members())
	}
}

func TestALargeRoomIsCounted(t *testing.T) {
	var p Presence
	p.Reset(&rialtov1.RoomState{MemberCount: 1, Members: []*rialtov1.Member{member("a")}})
	if !p.Take(&rialtov1.Presence{MemberCount: NamedMax + 1}) || len(p.Members()) != 0 || p.Complete() {
		t.Error("names of a large room are not kept up")
	}
	if count, _ := p.Counts(); count != NamedMax+1 {
		t.Error(count)
	}
}
