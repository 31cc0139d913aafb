package rialto

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// WorkerJob is a job that is being worked on. Its context is cancelled when the job is to be cancelled, when its lease
// is lost, and when the worker is given up; [context.Cause] is then an [Error] with the kind Cancelled, LeaseLost or
// Closed.
type WorkerJob struct {
	JobPayload
	Namespace, Queue, ID, Type string
	Attributes                 map[string]string
	// Attempt is which one this is, from 1; AttemptsMax how many there may be.
	Attempt, AttemptsMax uint32
	EnqueuedAt           time.Time
	OrderingKey          string
	// LastError is why the attempt before failed, LastProgress how far it had come; nil where there is none.
	LastError    *JobError
	LastProgress *Progress
	// LastCheckpoint is what the attempt before has left for this one.
	LastCheckpoint []byte
	// PreviousResult is what the job before it in its chain has found.
	PreviousResult JobPayload
	// Batch is the batch that it completes; nil when it completes none.
	Batch *Batch

	jobs *Jobs
	said *said
	// paused is closed when the job is to be paused.
	paused    chan struct{}
	pauseOnce sync.Once
	ctx       context.Context
	cancel    context.CancelCauseFunc
}

func newWorkerJob(parent context.Context, client *Client, lease *rialtov1.Lease, changed chan<- struct{}) *WorkerJob {
	job := &WorkerJob{
		JobPayload: jobPayloadOf(lease.GetBody()),
		Namespace:  lease.GetNamespace(), Queue: lease.GetQueue(), ID: lease.GetJobId(), Type: lease.GetType(),
		Attributes: lease.GetAttributes(), Attempt: lease.GetAttempt(), AttemptsMax: lease.GetAttemptsMax(),
		EnqueuedAt: timeOf(lease.GetEnqueueTime()), OrderingKey: lease.GetOrderingKey(),
		LastError: jobErrorOf(lease.GetLastError()), LastProgress: progressOf(lease.GetProgress()),
		LastCheckpoint: lease.GetCheckpoint(), PreviousResult: jobPayloadOf(lease.GetPreviousResult()),
		Batch:  batchOf(lease.GetBatch()),
		jobs:   client.Jobs(lease.GetNamespace(), lease.GetQueue()),
		said:   &said{changed: changed},
		paused: make(chan struct{}),
	}
	job.ctx, job.cancel = context.WithCancelCause(parent)
	return job
}

// Read reads the payload from any byte on, however it came.
func (j *WorkerJob) Read(ctx context.Context, offset uint64) io.ReadCloser {
	if j.Uploaded != nil {
		return j.jobs.Read(ctx, *j.Uploaded, offset)
	}
	whole := j.payload.Bytes()
	return io.NopCloser(bytes.NewReader(whole[min(offset, uint64(len(whole))):]))
}

// Progress says how far the work has come. The message is for people, at most 1 KiB. Of several that follow each other
// quickly the newest is sent.
func (j *WorkerJob) Progress(done, total uint64, message string) {
	j.said.progress(&rialtov1.JobProgress{Done: done, Total: total, Message: cut(message, progressMax)})
}

// Checkpoint leaves something for the next attempt, should this one fail or be given back; at most 64 KiB.
func (j *WorkerJob) Checkpoint(left []byte) error {
	if len(left) > checkpointMax {
		return &Error{Kind: Refused, Code: "PAYLOAD_TOO_LARGE", Advice: Never, Reason: "a checkpoint has at most 64 KiB"}
	}
	j.said.checkpoint(bytes.Clone(left))
	return nil
}

// ToPause is closed when somebody wants the job paused: work that leaves a checkpoint and returns a [Release] goes on
// from there later.
func (j *WorkerJob) ToPause() <-chan struct{} { return j.paused }

// cancelFor cancels the work.
func (j *WorkerJob) cancelFor(why *Error) { j.cancel(why) }

func (j *WorkerJob) pause() { j.pauseOnce.Do(func() { close(j.paused) }) }

// String names the job, and none of what it says.
func (j *WorkerJob) String() string { return strings.Join([]string{j.Namespace, j.Queue, j.ID}, "/") }

// said is what work has said of its job and was not sent yet.
type said struct {
	changed chan<- struct{}

	mu   sync.Mutex
	news news
}

// news is progress and a checkpoint; nil where there is none.
type news struct {
	progress   *rialtov1.JobProgress
	checkpoint []byte
}

func (n news) isEmpty() bool { return n.progress == nil && n.checkpoint == nil }

func (s *said) progress(progress *rialtov1.JobProgress) {
	s.mu.Lock()
	s.news.progress = progress
	s.mu.Unlock()
	s.rouse()
}

func (s *said) checkpoint(left []byte) {
	if left == nil {
		left = []byte{}
	}
	s.mu.Lock()
	s.news.checkpoint = left
	s.mu.Unlock()
	s.rouse()
}

func (s *said) rouse() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *said) isNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.news.isEmpty()
}

// take takes out what is to be sent.
func (s *said) take() (taken news) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken, s.news = s.news, news{}
	return taken
}

// putBack: what was sent may not have arrived. Something newer counts more.
func (s *said) putBack(sent news) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news.progress == nil {
		s.news.progress = sent.progress
	}
	if s.news.checkpoint == nil {
		s.news.checkpoint = sent.checkpoint
	}
}
