package rialto_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	rialto "rialto.dev/client"
)

// startNode starts a node of its own for a test, and gives its address. Without RIALTO_BIN the test is passed over.
func startNode(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("RIALTO_BIN")
	if binary == "" {
		t.Skip("RIALTO_BIN names no binary of the server")
	}
	node := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	node.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Kill()
		_ = node.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, address, listens := strings.Cut(strings.TrimSpace(line), " is listening on ")
	if err != nil || !listens {
		t.Fatalf("no address in %q: %v", line, err)
	}
	return "http://" + address
}

// within is the time that a test has for something that does not hang.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func connected(t *testing.T, url, user string) *rialto.Session {
	t.Helper()
	session, err := rialto.Connect(within(t), url, rialto.WithUser(user))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestWhatIsSaidIsHeard(t *testing.T) {
	url, ctx := startNode(t), within(t)
	ann, bob := connected(t, url, "ann"), connected(t, url, "bob")
	defer ann.Close(ctx)
	defer bob.Close(ctx)
	heard := bob.Namespace("chat").Room("hall").Events()
	for _, session := range []*rialto.Session{ann, bob} {
		if _, err := session.Namespace("chat").Room("hall").Join(ctx); err != nil {
			t.Fatal(err)
		}
	}
	accepted, err := ann.Namespace("chat").Room("hall").Emit(ctx, "message", map[string]int{"n": 1}, rialto.Key("k"))
	if err != nil || accepted.Recipients != 1 {
		t.Fatal(accepted, err)
	}
	event := <-heard.C
	var value map[string]int
	if err := event.JSON(&value); err != nil || value["n"] != 1 || event.User != "ann" || event.Key != "k" || event.ID != accepted.ID {
		t.Error(event, err)
	}
	if bob.Namespace("chat").Room("hall").Status() != rialto.In || bob.Namespace("chat").Room("yard").Status() != rialto.Out {
		t.Error("bob is in the hall alone")
	}
}

func TestWhoIsThereIsKnown(t *testing.T) {
	url, ctx := startNode(t), within(t)
	ann := connected(t, url, "ann")
	defer ann.Close(ctx)
	room := ann.Namespace("chat").Room("hall")
	changes, err := room.Presence().Changes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := room.Join(ctx, rialto.WithPresence(), rialto.WithState()); err != nil {
		t.Fatal(err)
	}
	bob := connected(t, url, "bob")
	if _, err := bob.Namespace("chat").Room("hall").Join(ctx); err != nil {
		t.Fatal(err)
	}
	for change := range changes.C {
		if change.MemberCount == 2 {
			break
		}
	}
	if now := room.Presence().Current(); len(now.Members) != 2 || !now.Complete {
		t.Error(now)
	}
	if err := bob.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for change := range changes.C {
		if len(change.Left) == 1 && change.Left[0].User == "bob" {
			break
		}
	}
	if now := room.Presence().Current(); len(now.Members) != 1 || now.MemberCount != 1 {
		t.Error(now)
	}
}

func TestAStateIsWatched(t *testing.T) {
	url, ctx := startNode(t), within(t)
	ann := connected(t, url, "ann")
	defer ann.Close(ctx)
	state := ann.Namespace("chat").Room("hall").State()
	watch, err := state.Watch()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ann.Namespace("chat").Room("hall").Join(ctx, rialto.WithState()); err != nil {
		t.Fatal(err)
	}
	if first := <-watch.C; !first.Whole || len(first.Entries) != 0 {
		t.Error(first)
	}
	set, err := state.Set(ctx, "seat", "7", rialto.IfAbsent(), rialto.ContentType("text/plain"))
	if err != nil {
		t.Fatal(err)
	}
	if change := <-watch.C; change.Entries[0].Text() != "7" || change.Entries[0].ContentType != "text/plain" {
		t.Error(change)
	}
	if _, err := state.Remove(ctx, "seat", rialto.IfRevision(set.Revision)); err != nil {
		t.Fatal(err)
	}
	if change := <-watch.C; !change.Entries[0].Gone {
		t.Error(change)
	}
	if entries, whole := state.Current(); !whole || len(entries) != 0 {
		t.Error(entries)
	}
}

func TestTheDirectoryActsOnWhatIsThere(t *testing.T) {
	url, ctx := startNode(t), within(t)
	ann := connected(t, url, "ann")
	if _, err := ann.Namespace("chat").Room("hall").Join(ctx); err != nil {
		t.Fatal(err)
	}
	client, err := rialto.NewClient(url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	directory := client.Directory()
	rooms, err := directory.WatchRooms(ctx, "chat", "")
	if err != nil {
		t.Fatal(err)
	}
	defer rooms.Close()
	if first := <-rooms.C; first.Kind != "watching" {
		t.Error(first)
	}
	info, err := directory.Session(ctx, ann.ID())
	if err != nil || info.Program != "rialto-go" || info.Rooms["chat"][0] != "hall" {
		t.Error(info, err)
	}
	if moved, err := directory.JoinMembers(ctx, "chat", rialto.Users("ann"), "yard"); err != nil || moved.Changed != 1 {
		t.Error(moved, err)
	}
	for event := range rooms.C {
		if event.Kind == "joined" && event.Room == "yard" {
			break
		}
	}
	reports := ann.Reports()
	if ended, err := directory.DisconnectMembers(ctx, "chat", rialto.Users("ann"), "closing time", rialto.ThenStayAway); err != nil || ended.Changed != 1 {
		t.Error(ended, err)
	}
	for range reports.C {
	}
	if status := ann.Status(); status.Phase != rialto.Over || ann.Ping(ctx) == nil {
		t.Error(status)
	}
}
