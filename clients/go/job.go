package rialto

import (
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// JobState says where a job is.
type JobState string

// The states of a job. In the last five it has ended.
const (
	JobDelayed   JobState = "delayed"
	JobWaiting   JobState = "waiting"
	JobRunning   JobState = "running"
	JobBlocked   JobState = "blocked"
	JobPaused    JobState = "paused"
	JobCompleted JobState = "completed"
	JobDead      JobState = "dead"
	JobCancelled JobState = "cancelled"
	JobExpired   JobState = "expired"
	JobDiscarded JobState = "discarded"
)

// Ended holds for the states in which a job stays.
func (s JobState) Ended() bool {
	switch s {
	case JobCompleted, JobDead, JobCancelled, JobExpired, JobDiscarded:
		return true
	}
	return false
}

func stateOf(state rialtov1.JobState) JobState {
	return JobState(lowerNamed(state.String(), "JOB_STATE_"))
}

func statesWire(states []JobState) (made []rialtov1.JobState, err error) {
	for _, state := range states {
		value, ok := rialtov1.JobState_value["JOB_STATE_"+upper(string(state))]
		if !ok {
			return nil, invalid("%q is no state of a job", state)
		}
		made = append(made, rialtov1.JobState(value))
	}
	return made, nil
}

// Progress says how far a worker has come.
type Progress struct {
	// Done of Total; a total of 0 is not known.
	Done, Total uint64
	// Message is for people, at most 1 KiB.
	Message string
}

func progressOf(progress *rialtov1.JobProgress) *Progress {
	if progress == nil {
		return nil
	}
	return &Progress{progress.GetDone(), progress.GetTotal(), progress.GetMessage()}
}

// JobError says why an attempt failed.
type JobError struct {
	// Code is for programs. Upper-case ones are Rialto's own: LEASE_EXPIRED, WORKER_LOST, DELIVERIES_EXHAUSTED.
	Code string
	// Message is for people.
	Message string
}

func jobErrorOf(failed *rialtov1.JobError) *JobError {
	if failed == nil {
		return nil
	}
	return &JobError{failed.GetCode(), failed.GetMessage()}
}

// Batch is a batch as it is now, and from when it is complete as it was then.
type Batch struct {
	// Closed: no more jobs can be put into it.
	Closed bool
	// Live jobs have not ended; the others say how many have, and in which way.
	Live, Completed, Dead, Cancelled, Expired, Discarded uint32
}

func batchOf(batch *rialtov1.JobBatch) *Batch {
	if batch == nil {
		return nil
	}
	return &Batch{
		batch.GetClosed(), batch.GetLiveCount(), batch.GetCompletedCount(), batch.GetDeadCount(),
		batch.GetCancelledCount(), batch.GetExpiredCount(), batch.GetDiscardedCount(),
	}
}

// Job is a job as it is now.
type Job struct {
	Namespace, Queue, ID, Type string
	State                      JobState
	// Payload is there in [Jobs.Get] alone, and not once the job has ended well.
	Payload    JobPayload
	Attributes map[string]string
	Priority   int32
	// FairnessKey, OrderingKey and UniqueKey are those that it was put in with.
	FairnessKey, OrderingKey, UniqueKey string
	// EnqueuedAt, DueAt, StartedAt and EndedAt are when it was put in, may begin, began last and ended; zero: not so far.
	EnqueuedAt, DueAt, StartedAt, EndedAt time.Time
	// Attempt runs or ran last, 0 before the first; AttemptsMax is how many there may be; Deliveries is how often it was
	// given to a worker.
	Attempt, AttemptsMax, Deliveries uint32
	// Worker has it, or had it last; until LeaseEndsAt, unless that is put off.
	Worker      string
	LeaseEndsAt time.Time
	// Progress says how far it has come; nil: nothing was said.
	Progress *Progress
	// Result is what was found, of a job that is completed.
	Result JobPayload
	// Error is why the last attempt failed, or why it was discarded or cancelled; nil where there is none.
	Error *JobError
	// Cancelling and Pausing: somebody wants that while a worker has it.
	Cancelling, Pausing bool
	// ForgottenAt is when it may be forgotten, once it has ended.
	ForgottenAt time.Time
	// BatchID is the batch that it belongs to, Batch the one that it completes.
	BatchID string
	Batch   *Batch
	// ChainLength is how many jobs of its chain are still to be put in.
	ChainLength uint32
	// ScheduleID is the schedule that has put it in.
	ScheduleID string
}

func jobOf(job *rialtov1.Job) Job {
	return Job{
		Namespace: job.GetNamespace(), Queue: job.GetQueue(), ID: job.GetJobId(), Type: job.GetType(),
		State: stateOf(job.GetState()), Payload: jobPayloadOf(job.GetBody()), Attributes: job.GetAttributes(),
		Priority: job.GetPriority(), FairnessKey: job.GetFairnessKey(), OrderingKey: job.GetOrderingKey(),
		UniqueKey: job.GetUniqueKey(), EnqueuedAt: timeOf(job.GetEnqueueTime()), DueAt: timeOf(job.GetDueTime()),
		StartedAt: timeOf(job.GetStartTime()), EndedAt: timeOf(job.GetEndTime()), Attempt: job.GetAttempt(),
		AttemptsMax: job.GetAttemptsMax(), Deliveries: job.GetDeliveries(), Worker: job.GetWorkerId(),
		LeaseEndsAt: timeOf(job.GetLeaseEndTime()), Progress: progressOf(job.GetProgress()),
		Result: jobPayloadOf(job.GetResult()), Error: jobErrorOf(job.GetError()), Cancelling: job.GetCancelling(),
		Pausing: job.GetPausing(), ForgottenAt: timeOf(job.GetForgetTime()), BatchID: job.GetBatchId(),
		Batch: batchOf(job.GetBatch()), ChainLength: job.GetChainLength(), ScheduleID: job.GetScheduleId(),
	}
}
