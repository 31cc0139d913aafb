package rialto

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// itemsMax and itemBytesMax bound one request; a larger item goes alone.
	itemsMax     = 1000
	itemBytesMax = 512 << 10
)

// working is what a worker knows of its jobs, over all its streams: which it has, what became of them and was not
// confirmed, and what is to be said of them. It sends and hears nothing itself.
type working struct {
	// held are jobs that are worked on, or are to be, by their leases.
	held map[string]*holding
	// unsettled are jobs that are done, until that is confirmed.
	unsettled map[string]*unsettled
	// settling and extending were asked over this stream and not answered.
	settling  map[uint32][]string
	extending map[uint32][]extension
	requests  uint32
	// tell tells the application of a problem.
	tell func(error)
}

type holding struct {
	job *WorkerJob
	// lost: somebody else may have the job.
	lost bool
	// again: the lease is to be extended soon, without anything that was said.
	again bool
}

// due says when something is to be sent.
type due int

const (
	dueNow due = iota
	// dueLater: with the next leases that are extended.
	dueLater
	// dueNever: it was sent over this stream.
	dueNever
)

type unsettled struct {
	settlement *rialtov1.Settlement
	due        due
	// checkpoint was left for the next attempt, and is said before; nil when there is none.
	checkpoint []byte
	// refused: the server has taken one outcome not at all.
	refused bool
}

type extension struct {
	token string
	sent  news
}

func newWorking(tell func(error)) *working {
	return &working{
		held: map[string]*holding{}, unsettled: map[string]*unsettled{},
		settling: map[uint32][]string{}, extending: map[uint32][]extension{}, tell: tell,
	}
}

// knows holds when a lease is known, so that its job is not begun again.
func (w *working) knows(token string) bool {
	_, held := w.held[token]
	_, unsettled := w.unsettled[token]
	return held || unsettled
}

func (w *working) hold(token string, job *WorkerJob) { w.held[token] = &holding{job: job} }

// drop forgets a job that has not begun.
func (w *working) drop(token string) { delete(w.held, token) }

func (w *working) isLost(token string) bool {
	held, ok := w.held[token]
	return !ok || held.lost
}

// lostCount is how many jobs run whose leases are lost.
func (w *working) lostCount() (count int) {
	for _, held := range w.held {
		if held.lost {
			count++
		}
	}
	return count
}

// done: the work has returned. Of a job that is lost nothing is said.
func (w *working) done(token string, settlement *rialtov1.Settlement) {
	held, ok := w.held[token]
	if !ok {
		return
	}
	delete(w.held, token)
	if held.lost {
		return
	}
	settlement.Token = token
	made := &unsettled{settlement: settlement}
	if settlement.GetCompleted() == nil {
		made.checkpoint = held.job.said.take().checkpoint
	}
	w.unsettled[token] = made
}

func (w *working) nextRequest() uint32 {
	w.requests++
	return w.requests
}

// settlements are what is to be said of some jobs that are done, and before that what they have left. Both are nil when
// there is nothing.
func (w *working) settlements() (last *rialtov1.ExtendRequest, settle *rialtov1.SettleRequest) {
	var items []*rialtov1.Settlement
	var left []*rialtov1.Extension
	bytes := 0
	for _, token := range slices.Sorted(maps.Keys(w.unsettled)) {
		done := w.unsettled[token]
		if done.due != dueNow {
			continue
		}
		size := proto.Size(done.settlement) + len(done.checkpoint)
		if len(items) == itemsMax || (len(items) > 0 && bytes+size > itemBytesMax) {
			break
		}
		done.due = dueNever
		bytes += size
		items = append(items, done.settlement)
		if done.checkpoint != nil {
			left = append(left, &rialtov1.Extension{Token: token, Checkpoint: done.checkpoint})
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	if len(left) > 0 {
		last = &rialtov1.ExtendRequest{RequestId: w.nextRequest(), Items: left}
	}
	settle = &rialtov1.SettleRequest{RequestId: w.nextRequest(), Items: items}
	for _, item := range items {
		w.settling[settle.RequestId] = append(w.settling[settle.RequestId], item.GetToken())
	}
	return last, settle
}

// settled says what became of that.
func (w *working) settled(answer *rialtov1.SettleResponse) {
	tokens := w.settling[answer.GetRequestId()]
	delete(w.settling, answer.GetRequestId())
	for index, token := range tokens {
		done, ok := w.unsettled[token]
		if !ok {
			continue
		}
		switch outcomeAt(answer.GetOutcomes(), index) {
		case rialtov1.LeaseOutcome_LEASE_OUTCOME_OK:
			delete(w.unsettled, token)
		case rialtov1.LeaseOutcome_LEASE_OUTCOME_LEASE_LOST, rialtov1.LeaseOutcome_LEASE_OUTCOME_NOT_FOUND:
			delete(w.unsettled, token)
			w.tell(leaseLost("what became of a job was said too late"))
		case rialtov1.LeaseOutcome_LEASE_OUTCOME_INVALID:
			w.invalid(token, done)
		default:
			done.due = dueLater
		}
	}
}

// invalid: what was said of a job makes no sense to the server, and would not the next time.
func (w *working) invalid(token string, done *unsettled) {
	if done.refused {
		delete(w.unsettled, token)
		return
	}
	w.tell(invalid("the server takes no such outcome of a job"))
	again := invalidOutcome("the server takes no such outcome")
	again.Token = token
	w.unsettled[token] = &unsettled{settlement: again, refused: true}
}

// outcomeAt is what became of one item; TEMPORARY when the server has said nothing of it.
func outcomeAt(outcomes []rialtov1.LeaseOutcome, index int) rialtov1.LeaseOutcome {
	if index >= len(outcomes) {
		return rialtov1.LeaseOutcome_LEASE_OUTCOME_TEMPORARY
	}
	return outcomes[index]
}

func leaseLost(reason string) *Error {
	return &Error{Kind: LeaseLost, Code: "LEASE_LOST", Reason: reason, MayHaveHappened: true}
}

// extensions are what is to be said of jobs that are worked on: of all, so that their leases go on, or of those of
// which there is news.
func (w *working) extensions(all bool) (requests []*rialtov1.ExtendRequest) {
	if all {
		for _, done := range w.unsettled {
			if done.due == dueLater {
				done.due = dueNow
			}
		}
	}
	var items []*rialtov1.Extension
	var sent []extension
	bytes := 0
	flush := func() {
		if len(items) > 0 {
			request := &rialtov1.ExtendRequest{RequestId: w.nextRequest(), Items: items}
			w.extending[request.RequestId] = sent
			requests = append(requests, request)
		}
		items, sent, bytes = nil, nil, 0
	}
	for _, token := range slices.Sorted(maps.Keys(w.held)) {
		held := w.held[token]
		if held.lost || (!all && !held.again && !held.job.said.isNew()) {
			continue
		}
		taken := news{}
		if !held.again {
			taken = held.job.said.take()
		}
		held.again = false
		item := &rialtov1.Extension{Token: token, Progress: taken.progress, Checkpoint: taken.checkpoint}
		size := proto.Size(item)
		if len(items) == itemsMax || bytes+size > itemBytesMax {
			flush()
		}
		items, sent, bytes = append(items, item), append(sent, extension{token, taken}), bytes+size
	}
	flush()
	return requests
}

// extended says what became of that. It holds when a lease is to be extended once more, soon.
func (w *working) extended(answer *rialtov1.ExtendResponse) (again bool) {
	sent := w.extending[answer.GetRequestId()]
	delete(w.extending, answer.GetRequestId())
	for index, said := range sent {
		held, ok := w.held[said.token]
		if !ok {
			continue
		}
		switch outcomeAt(answer.GetOutcomes(), index) {
		case rialtov1.LeaseOutcome_LEASE_OUTCOME_LEASE_LOST, rialtov1.LeaseOutcome_LEASE_OUTCOME_NOT_FOUND:
			w.lose(held)
		case rialtov1.LeaseOutcome_LEASE_OUTCOME_TEMPORARY:
			held.job.said.putBack(said.sent)
		case rialtov1.LeaseOutcome_LEASE_OUTCOME_INVALID:
			if !said.sent.isEmpty() {
				held.again, again = true, true
				w.tell(invalid("the server does not take what was said of the job %s", held.job.ID))
			}
		}
	}
	w.cancel(answer.GetCancelling())
	w.pause(answer.GetPausing())
	return again
}

// cancel: somebody wants these jobs cancelled.
func (w *working) cancel(tokens []string) {
	why := &Error{Kind: Cancelled, Code: "CANCELLED", Reason: "somebody wants the job cancelled", MayHaveHappened: true}
	for _, token := range tokens {
		if held, ok := w.held[token]; ok {
			held.job.cancelFor(why)
		}
	}
}

// pause: somebody wants these jobs paused. Cancelling counts more.
func (w *working) pause(tokens []string) {
	for _, token := range tokens {
		if held, ok := w.held[token]; ok && held.job.ctx.Err() == nil {
			held.job.pause()
		}
	}
}

func (w *working) lose(held *holding) {
	if held.lost {
		return
	}
	held.lost = true
	why := leaseLost("another worker may have the job " + held.job.ID)
	held.job.cancelFor(why)
	w.tell(why)
}

// disconnected: what was not answered over the stream that is lost is said again over the next one.
func (w *working) disconnected() {
	clear(w.settling)
	for _, done := range w.unsettled {
		done.due = dueNow
	}
	for _, sent := range w.extending {
		for _, said := range sent {
			w.putBack(said)
		}
	}
	clear(w.extending)
}

func (w *working) putBack(said extension) {
	if held, ok := w.held[said.token]; ok {
		held.job.said.putBack(said.sent)
		return
	}
	done, ok := w.unsettled[said.token]
	if ok && done.checkpoint == nil && done.settlement.GetCompleted() == nil && !done.refused {
		done.checkpoint = said.sent.checkpoint
	}
}

// reconnected: another stream is there. When the server does not know the worker any more, its leases are over.
func (w *working) reconnected(resumed bool) {
	if resumed {
		return
	}
	for _, held := range w.held {
		w.lose(held)
	}
}

// isDone holds when there is no job of which something is to be said.
func (w *working) isDone() bool { return len(w.held)+len(w.unsettled) == 0 }
