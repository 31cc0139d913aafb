package rialto

import (
	"context"
	"errors"
	"testing"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

func event(room, name string) *Event {
	return &Event{Namespace: "chat", Rooms: []string{room}, Name: name}
}

func heardBy(stream *Stream[*Event]) (names []string) {
	for event := range stream.C {
		names = append(names, event.Name)
	}
	return names
}

func TestAListenerHearsWhatItCovers(t *testing.T) {
	a := newAudience(8)
	room, named, all := a.listenEvents(interest{"chat", "a", ""}), a.listenEvents(interest{"chat", "", "typing"}), a.listenEvents(interest{})
	a.event(event("a", "message"))
	a.event(event("b", "typing"))
	a.event(event("a", "typing"))
	a.dismiss(nil)
	if heard := [3]int{len(heardBy(room)), len(heardBy(named)), len(heardBy(all))}; heard != [3]int{2, 2, 3} {
		t.Error(heard)
	}
}

func TestWhatFindsNoRoomWaitsInOrder(t *testing.T) {
	a := newAudience(1)
	slow := a.listenEvents(interest{})
	a.event(event("a", "1"))
	a.event(event("a", "2"))
	if !a.isFull() {
		t.Fatal("nothing was parked")
	}
	over := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		a.handOver(over)
		close(stopped)
	}()
	close(over)
	<-stopped
	if !a.isFull() {
		t.Fatal("a stream that breaks loses nothing")
	}
	go a.handOver(nil)
	if first, second := <-slow.C, <-slow.C; first.Name != "1" || second.Name != "2" {
		t.Error(first, second)
	}
}

func TestAListenerThatIsGoneHoldsNobodyUp(t *testing.T) {
	a := newAudience(1)
	gone := a.listenEvents(interest{})
	a.event(event("a", "1"))
	a.event(event("a", "2"))
	gone.Close()
	gone.Close()
	a.handOver(nil)
	if a.isFull() || len(heardBy(gone)) != 1 || gone.Err() != nil {
		t.Error("it is let go of, and gives what it held")
	}
}

func TestAReaderOfReportsLosesTheOldest(t *testing.T) {
	var r reporter
	reports := r.listen()
	for count := range reportsKept + 3 {
		r.tell(ReportOverlooked{count})
	}
	if first := <-reports.C; first != (ReportOverlooked{3}) {
		t.Error(first)
	}
	<-reports.C
	r.tell(ReportDraining{})
	r.close()
	var last []Report
	for report := range reports.C {
		last = append(last, report)
	}
	if told := last[len(last)-2:]; told[0] != (ReportOverlooked{3}) || told[1] != (ReportDraining{}) {
		t.Error(told)
	}
}

func TestAProducedStreamEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	numbers := produce(ctx, 0, func(ctx context.Context, give func(int) bool) error {
		for number := 0; give(number); number++ {
		}
		return asNil(ctx)
	})
	if <-numbers.C != 0 {
		t.Error("it has not begun")
	}
	cancel()
	for range numbers.C {
	}
	if !errors.Is(numbers.Err(), context.Canceled) {
		t.Error(numbers.Err())
	}
}

func TestAnswersWaitForNobody(t *testing.T) {
	replies := newReplies()
	replies.begin(context.Background(), context.Background(), repliesWanted)
	for range 10 * eventsWaiting {
		replies.add([]*rialtov1.ReplyItem{{From: &rialtov1.Sender{User: "bob"}, Body: &rialtov1.ReplyItem_Text{Text: "yes"}}})
	}
	replies.done(&rialtov1.RepliesDone{Answered: 10 * eventsWaiting})
	all, summary, err := replies.All()
	if err != nil || len(all) != 10*eventsWaiting || summary.Answered != 10*eventsWaiting || all[0].Text() != "yes" {
		t.Error(len(all), summary, err)
	}
}

func TestAnswersEndWithTheirSession(t *testing.T) {
	session, end := context.WithCancel(context.Background())
	replies := newReplies()
	replies.begin(context.Background(), session, repliesWanted)
	replies.add([]*rialtov1.ReplyItem{{}})
	replies.fail(closedHere())
	end()
	if all, _, err := replies.All(); len(all) != 1 || asError(err).Kind != Closed {
		t.Error(all, err)
	}
}
