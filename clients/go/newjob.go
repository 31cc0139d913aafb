package rialto

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// NewJob is a job to be put into a queue. Only what it needs is to be set.
type NewJob struct {
	// ID is its name in the queue: a job of the same name and content is the same job. Empty: a name by chance.
	ID string
	// Type says what kind of job it is.
	Type string
	// Payload is text, []byte, nil, a value that is sent as JSON, or what was [Uploaded]. At most 256 KiB, unless it was
	// uploaded.
	Payload any
	// ContentType is its media type.
	ContentType string
	// Attributes are pairs by which it is found again. At most 16, together 1 KiB.
	Attributes map[string]string
	// Priority is -16 to 15; higher ones are served first.
	Priority int32
	// FairnessKey is on whose behalf it is; FairnessWeight, 1 to 1,000, how much of the workers its key gets.
	FairnessKey    string
	FairnessWeight uint32
	// OrderingKey: jobs of one key are worked on one after the other.
	OrderingKey string
	// UniqueKey: while a job of this key has not ended, another one is not put in.
	UniqueKey string
	// Delay or RunAt, not both, say when it may begin.
	Delay time.Duration
	RunAt time.Time
	// TTL: when it has not begun so long after it might, it expires. 0: never.
	TTL time.Duration
	// Retry says what happens after an attempt that failed; nil: as the queue says.
	Retry *RetryPolicy
	// Notify says which rooms are told about it. At most 4.
	Notify []JobNotify
	// Batch names the job that completes the batch to which it belongs.
	Batch string
	// CompletesBatch: it begins once the batch of its name is closed, and all jobs of that have ended.
	CompletesBatch bool
	// Chain are jobs that follow, each once the one before is completed. At most 16.
	Chain []ChainedJob
}

// ChainedJob is a job that follows another one.
type ChainedJob struct {
	// Queue it goes into; empty: that of the first job.
	Queue string
	Job   NewJob
}

// RetryPolicy says how often and when a job is tried again.
type RetryPolicy struct {
	// AttemptsMax is how many attempts there are in all, 1 to 1,000.
	AttemptsMax uint32
	// Base is the longest wait before the second attempt. It doubles with each, up to Max.
	Base, Max time.Duration
}

func (r *RetryPolicy) wire() *rialtov1.RetryPolicy {
	if r == nil {
		return nil
	}
	return &rialtov1.RetryPolicy{AttemptsMax: r.AttemptsMax, Base: durationOf(r.Base), Max: durationOf(r.Max)}
}

// JobNotify has a room told what becomes of a job, by events "job.<state>".
type JobNotify struct {
	// Namespace of the room; empty: that of the queue.
	Namespace, Room string
	// States of which it is told; none: those in which a job ends.
	States []JobState
}

// durationOf is absent for zero.
func durationOf(span time.Duration) *durationpb.Duration {
	if span == 0 {
		return nil
	}
	return durationpb.New(span)
}

// wire is the job as it is sent; a name by chance is made only where one is wanted.
func (j NewJob) wire(named bool) (*rialtov1.NewJob, error) {
	body, err := jobBody(j.Payload, j.ContentType)
	if err != nil {
		return nil, err
	}
	if j.Delay != 0 && !j.RunAt.IsZero() {
		return nil, invalid("a job has a delay or a time at which it runs, not both")
	}
	made := &rialtov1.NewJob{
		JobId: j.ID, Type: j.Type, Body: body, Attributes: j.Attributes, Priority: j.Priority,
		FairnessKey: j.FairnessKey, FairnessWeight: j.FairnessWeight, OrderingKey: j.OrderingKey, UniqueKey: j.UniqueKey,
		Ttl: durationOf(j.TTL), Retry: j.Retry.wire(), BatchId: j.Batch, CompletesBatch: j.CompletesBatch,
	}
	if named && made.JobId == "" {
		made.JobId = randomName()
	}
	switch {
	case j.Delay != 0:
		made.Start = &rialtov1.NewJob_Delay{Delay: durationpb.New(j.Delay)}
	case !j.RunAt.IsZero():
		made.Start = &rialtov1.NewJob_RunAt{RunAt: timestamppb.New(j.RunAt)}
	}
	for _, notify := range j.Notify {
		states, err := statesWire(notify.States)
		if err != nil {
			return nil, err
		}
		made.Notify = append(made.Notify, &rialtov1.JobNotify{Namespace: notify.Namespace, Room: notify.Room, States: states})
	}
	for _, next := range j.Chain {
		job, err := next.Job.wire(false)
		if err != nil {
			return nil, err
		}
		made.Chain = append(made.Chain, &rialtov1.ChainedJob{Queue: next.Queue, Job: job})
	}
	return made, nil
}
