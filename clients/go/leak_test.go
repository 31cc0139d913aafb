package rialto_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	rialto "rialto.dev/client"
)

// goroutines are the stacks of those that are of this client, or of the transport under it.
func goroutines() (stacks []string) {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	for _, stack := range strings.Split(string(all), "\n\n") {
		ours := strings.Contains(stack, "rialto.dev/client.") || strings.Contains(stack, "google.golang.org/grpc")
		if ours && !strings.Contains(stack, "rialto.dev/client_test.goroutines") && !strings.Contains(stack, "testing.(*T).Run") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// nothingIsLeft waits until no goroutine of the client is there any more, since the transport ends its own in its time.
func nothingIsLeft(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for len(goroutines()) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("these are left:\n%s", strings.Join(goroutines(), "\n\n"))
		}
		runtime.Gosched()
	}
}

func TestAClosedSessionLeavesNothingBehind(t *testing.T) {
	url, ctx := startNode(t), within(t)
	session := connected(t, url, "ann")
	room := session.Namespace("chat").Room("hall")
	events, reports, statuses := room.Events(), session.Reports(), session.StatusChanges()
	if _, err := room.Join(ctx, rialto.WithPresence(), rialto.WithState()); err != nil {
		t.Fatal(err)
	}
	replies, err := room.EmitWithReplies(context.Background(), "message", "anybody?", rialto.IncludeSender(), rialto.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	unread := room.Events()
	for range 300 {
		room.EmitAsync(ctx, "message", "to nobody who reads", rialto.IncludeSender())
	}
	if err := session.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for range events.C {
	}
	for range reports.C {
	}
	for range statuses.C {
	}
	var failed *rialto.Error
	if _, _, err := replies.All(); !errors.As(err, &failed) || failed.Kind != rialto.Closed {
		t.Error(err)
	}
	if events.Err() != nil || unread.Err() != nil {
		t.Error("this side has closed it", events.Err())
	}
	if _, err := room.Emit(ctx, "message", "late"); !errors.As(err, &failed) || failed.Code != "CLOSED" || failed.MayHaveHappened {
		t.Error(err)
	}
	nothingIsLeft(t)
}

func TestWhoIsNotReachedLeavesNothingBehind(t *testing.T) {
	ctx := within(t)
	if _, err := rialto.Connect(ctx, "http://127.0.0.1:1"); err == nil {
		t.Fatal("nobody listens there")
	}
	waiting, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := rialto.Connect(waiting, "http://127.0.0.1:1", rialto.WithWaitForServer())
	var failed *rialto.Error
	if !errors.As(err, &failed) || failed.Kind != rialto.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	nothingIsLeft(t)
}

func TestAWorkerAndItsClientLeaveNothingBehind(t *testing.T) {
	url, ctx := startNode(t), within(t)
	client, err := rialto.NewClient(url)
	if err != nil {
		t.Fatal(err)
	}
	jobs := client.Jobs("chat", "work")
	for range 3 {
		if _, err := jobs.Enqueue(ctx, rialto.NewJob{Payload: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	watch, err := jobs.WatchAll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	working, stop := context.WithCancel(ctx)
	worker := client.Worker("one", rialto.FromQueue("chat", "work"), rialto.Concurrency(2))
	begun := make(chan struct{}, 3)
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Run(working, func(ctx context.Context, job *rialto.WorkerJob) (any, error) {
			begun <- struct{}{}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
	}()
	<-begun
	<-begun
	stop()
	over, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := worker.Stop(over); err == nil {
		t.Error("the work does not end by itself")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	watch.Close()
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	var failed *rialto.Error
	if _, err := jobs.Queue(ctx); !errors.As(err, &failed) || failed.Kind != rialto.Closed {
		t.Error(err)
	}
	nothingIsLeft(t)
}
