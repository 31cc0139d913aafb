package rialto

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

type told struct{ problems []error }

func (t *told) tell(err error) { t.problems = append(t.problems, err) }

func workingOn(t *testing.T, tokens ...string) (*working, *told) {
	t.Helper()
	heard := &told{}
	w := newWorking(heard.tell)
	client, err := NewClient("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		w.hold(token, newWorkerJob(context.Background(), client, &rialtov1.Lease{Token: token, JobId: token}, make(chan struct{}, 1)))
	}
	return w, heard
}

func done(t *testing.T, result any, err error) *rialtov1.Settlement {
	t.Helper()
	made, _ := settlementOf(result, err)
	return made
}

func settledAs(request *rialtov1.SettleRequest, outcomes ...rialtov1.LeaseOutcome) *rialtov1.SettleResponse {
	return &rialtov1.SettleResponse{RequestId: request.GetRequestId(), Outcomes: outcomes}
}

const (
	ok        = rialtov1.LeaseOutcome_LEASE_OUTCOME_OK
	temporary = rialtov1.LeaseOutcome_LEASE_OUTCOME_TEMPORARY
	lost      = rialtov1.LeaseOutcome_LEASE_OUTCOME_LEASE_LOST
	senseless = rialtov1.LeaseOutcome_LEASE_OUTCOME_INVALID
)

func TestAnOutcomeIsSaidUntilItIsConfirmed(t *testing.T) {
	w, _ := workingOn(t, "a")
	w.done("a", done(t, "result", nil))
	_, first := w.settlements()
	if first == nil || !w.knows("a") {
		t.Fatal("it was not said")
	}
	w.disconnected()
	_, second := w.settlements()
	w.settled(settledAs(second, temporary))
	if _, now := w.settlements(); now != nil {
		t.Error("not at once")
	}
	w.extensions(true)
	_, third := w.settlements()
	w.settled(settledAs(third, ok))
	if !w.isDone() {
		t.Error("it is confirmed")
	}
}

func TestAnOutcomeThatMakesNoSenseFailsTheJobOnce(t *testing.T) {
	w, heard := workingOn(t, "a")
	w.done("a", done(t, "result", nil))
	_, request := w.settlements()
	w.settled(settledAs(request, senseless))
	_, again := w.settlements()
	if failed := again.GetItems()[0].GetFailed(); !failed.GetPermanent() || failed.GetCode() != "INVALID_OUTCOME" {
		t.Error(failed)
	}
	w.settled(settledAs(again, senseless))
	if !w.isDone() || len(heard.problems) != 1 {
		t.Error(heard.problems)
	}
}

func TestOfAJobWhoseLeaseIsLostNothingIsSaid(t *testing.T) {
	w, heard := workingOn(t, "a", "b")
	job := w.held["a"].job
	request := w.extensions(true)[0]
	w.extended(&rialtov1.ExtendResponse{RequestId: request.GetRequestId(), Outcomes: []rialtov1.LeaseOutcome{lost, ok}})
	var why *Error
	if !errors.As(context.Cause(job.ctx), &why) || why.Kind != LeaseLost || w.lostCount() != 1 {
		t.Error(why)
	}
	w.done("a", done(t, "late", nil))
	if _, settle := w.settlements(); settle != nil {
		t.Error(settle)
	}
	w.reconnected(false)
	if !w.isLost("b") || len(heard.problems) != 2 {
		t.Error(heard.problems)
	}
}

func TestNewsThatMayNotHaveArrivedGoesAgainUnlessThereIsNewer(t *testing.T) {
	w, _ := workingOn(t, "a")
	job := w.held["a"].job
	_ = job.Checkpoint([]byte("1"))
	job.Progress(1, 2, "half")
	if item := w.extensions(false)[0].GetItems()[0]; string(item.GetCheckpoint()) != "1" || item.GetProgress().GetDone() != 1 {
		t.Error(item)
	}
	if w.extensions(false) != nil {
		t.Error("there is nothing new")
	}
	w.disconnected()
	_ = job.Checkpoint([]byte("2"))
	if item := w.extensions(false)[0].GetItems()[0]; string(item.GetCheckpoint()) != "2" || item.GetProgress().GetDone() != 1 {
		t.Error(item)
	}
}

func TestNewsThatMakesNoSenseIsLeftOut(t *testing.T) {
	w, heard := workingOn(t, "a")
	w.held["a"].job.Progress(1, 2, "half")
	request := w.extensions(false)[0]
	again := w.extended(&rialtov1.ExtendResponse{RequestId: request.GetRequestId(), Outcomes: []rialtov1.LeaseOutcome{senseless}})
	if item := w.extensions(false)[0].GetItems()[0]; !again || item.GetProgress() != nil || len(heard.problems) != 1 {
		t.Error(item, heard.problems)
	}
}

func TestWhatAFailingJobHasLeftIsSaidBefore(t *testing.T) {
	w, _ := workingOn(t, "a", "b")
	for _, token := range []string{"a", "b"} {
		_ = w.held[token].job.Checkpoint([]byte(token))
	}
	w.done("a", done(t, nil, errors.New("stumbled")))
	w.done("b", done(t, "well", nil))
	last, settle := w.settlements()
	if len(last.GetItems()) != 1 || string(last.GetItems()[0].GetCheckpoint()) != "a" || len(settle.GetItems()) != 2 {
		t.Error(last, settle)
	}
}

func TestNoRequestIsLargerThanTheServerTakes(t *testing.T) {
	var tokens []string
	for number := range 1_100 {
		tokens = append(tokens, strings.Repeat("t", number+1))
	}
	w, _ := workingOn(t, tokens...)
	for _, request := range w.extensions(true) {
		if len(request.GetItems()) > itemsMax || proto.Size(request) > itemBytesMax+10_000 {
			t.Error(len(request.GetItems()), proto.Size(request))
		}
	}
	for _, token := range tokens[:20] {
		w.done(token, done(t, strings.Repeat("x", 60<<10), nil))
	}
	count := 0
	for _, settle := w.settlements(); settle != nil; _, settle = w.settlements() {
		if proto.Size(settle) > 1<<20 {
			t.Error(proto.Size(settle))
		}
		count += len(settle.GetItems())
	}
	if count != 20 {
		t.Error(count)
	}
}

func TestCancellingCountsMoreThanPausing(t *testing.T) {
	w, _ := workingOn(t, "a")
	job := w.held["a"].job
	w.cancel([]string{"a", "unknown"})
	w.pause([]string{"a"})
	select {
	case <-job.ToPause():
		t.Error("it is to be cancelled")
	case <-job.ctx.Done():
	}
}

type stumble struct{}

func (stumble) Error() string { return "stumbled" }

func TestWhatWorkReturnsIsItsOutcome(t *testing.T) {
	if made := done(t, nil, stumble{}).GetFailed(); made.GetCode() != "stumble" || made.GetPermanent() {
		t.Error(made)
	}
	if made := done(t, nil, &Fail{Code: strings.Repeat("ü", 60), Message: "m", Permanent: true}).GetFailed(); len(made.GetCode()) != 64 || !made.GetPermanent() {
		t.Error(made)
	}
	if done(t, nil, &Release{}).GetReleased() == nil || done(t, nil, &Discard{Reason: "r"}).GetDiscarded() == nil {
		t.Error("given back and discarded")
	}
	for _, result := range []any{strings.Repeat("x", resultMax+1), make(chan int), Uploaded{"u", 1}} {
		if made, problem := settlementOf(result, nil); made.GetFailed().GetCode() != "INVALID_OUTCOME" || problem == nil {
			t.Error(made, problem)
		}
	}
	panics := func(context.Context, *WorkerJob) (any, error) { panic("oh") }
	job := newWorkerJob(context.Background(), &Client{}, &rialtov1.Lease{JobId: "j"}, nil)
	if made, problem := carryOut(panics, job); made.GetFailed().GetCode() != "PANICKED" || problem == nil {
		t.Error(made)
	}
	if err := job.Checkpoint(make([]byte, checkpointMax+1)); asError(err).Code != "PAYLOAD_TOO_LARGE" {
		t.Error(err)
	}
}
