package rialto

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// enqueueMax is how many jobs one request may have.
	enqueueMax = 1000
	// waitDeadline is how long [Jobs.Wait] waits for a job without a deadline of its own.
	waitDeadline = 60 * time.Second
	// waitCall is how long one call of it may be silent, because proxies give up what is silent for a minute.
	waitCall = 30 * time.Second
)

// Jobs is a handle on a queue of jobs.
type Jobs struct {
	way              lanes
	namespace, queue string
}

// Jobs is a handle on a queue; it sends nothing.
func (c *Client) Jobs(namespace, queue string) *Jobs { return &Jobs{c, namespace, queue} }

// Enqueued says how a job was taken.
type Enqueued struct {
	// ID is its name in the queue.
	ID string
	// Duplicate holds when it was there before.
	Duplicate  bool
	Durability Durability
}

// EnqueueOutcome is what became of one job of several.
type EnqueueOutcome struct {
	Enqueued Enqueued
	// Err is the refusal; nil when the job was taken.
	Err error
}

// Enqueue puts a job in. It is said again under the same name until the server answers or its deadline is over, and is
// one job.
func (j *Jobs) Enqueue(ctx context.Context, job NewJob) (Enqueued, error) {
	outcomes, err := j.EnqueueAll(ctx, []NewJob{job})
	if err != nil {
		return Enqueued{}, err
	}
	return outcomes[0].Enqueued, outcomes[0].Err
}

// EnqueueAll puts up to 1,000 jobs in at once. Each is taken or refused by itself; the outcomes are in their order.
func (j *Jobs) EnqueueAll(ctx context.Context, jobs []NewJob) ([]EnqueueOutcome, error) {
	if len(jobs) == 0 || len(jobs) > enqueueMax {
		return nil, invalid("1 to %d jobs are put in at once", enqueueMax)
	}
	request := &rialtov1.EnqueueRequest{Namespace: j.namespace, Queue: j.queue}
	for _, job := range jobs {
		made, err := job.wire(true)
		if err != nil {
			return nil, err
		}
		request.Jobs = append(request.Jobs, made)
	}
	ctx, cancel := j.way.deadlines().within(ctx)
	defer cancel()
	answer, err := again(ctx, func() (*rialtov1.EnqueueResponse, error) {
		return callWithin[rialtov1.EnqueueResponse](ctx, j.way, rialtov1.JobService_Enqueue_FullMethodName, request)
	})
	if err != nil {
		return nil, err
	}
	if len(answer.GetOutcomes()) != len(jobs) {
		return nil, other("the server gave another number of outcomes", nil)
	}
	var outcomes []EnqueueOutcome
	for _, outcome := range answer.GetOutcomes() {
		if refused := outcome.GetRefused(); refused != nil {
			outcomes = append(outcomes, EnqueueOutcome{Err: refusedBy(refused)})
			continue
		}
		taken := outcome.GetEnqueued()
		outcomes = append(outcomes, EnqueueOutcome{
			Enqueued: Enqueued{taken.GetJobId(), taken.GetDuplicate(), durabilityOf(answer.GetDurability())},
		})
	}
	return outcomes, nil
}

// Get is a job as it is, with its payload.
func (j *Jobs) Get(ctx context.Context, id string) (Job, error) {
	request := &rialtov1.GetJobRequest{Namespace: j.namespace, Queue: j.queue, JobId: id}
	answer, err := call[rialtov1.GetJobResponse](ctx, j.way, rialtov1.JobService_GetJob_FullMethodName, request)
	return jobOf(answer.GetJob()), err
}

// Wait gives a job once it has ended, in whatever way. It goes on over lost connections, and fails as [TimedOut] at the
// deadline of ctx, or after 60 s.
func (j *Jobs) Wait(ctx context.Context, id string) (Job, error) {
	if _, has := ctx.Deadline(); !has {
		limited, cancel := context.WithTimeout(ctx, waitDeadline)
		defer cancel()
		ctx = limited
	}
	for {
		answer, err := again(ctx, func() (*rialtov1.WaitJobResponse, error) { return j.waitOnce(ctx, id) })
		if failure := asError(err); failure != nil {
			if !failure.passes() && ctx.Err() == nil {
				return Job{}, failure
			}
			// There is no time for another call.
			<-ctx.Done()
			return Job{}, givenUp(ctx, "", true)
		}
		if job := jobOf(answer.GetJob()); job.State.Ended() {
			return job, nil
		}
		if ctx.Err() != nil {
			return Job{}, givenUp(ctx, "", true)
		}
	}
}

func (j *Jobs) waitOnce(ctx context.Context, id string) (*rialtov1.WaitJobResponse, error) {
	until, _ := ctx.Deadline()
	patience := min(waitCall, time.Until(until))
	request := &rialtov1.WaitJobRequest{
		Namespace: j.namespace, Queue: j.queue, JobId: id, Timeout: durationpb.New(max(patience, time.Millisecond)),
	}
	ctx, cancel := context.WithTimeout(ctx, patience+serverGrace)
	defer cancel()
	return callWithin[rialtov1.WaitJobResponse](ctx, j.way, rialtov1.JobService_WaitJob_FullMethodName, request)
}

// JobFilter says which jobs are listed; what is not set takes all.
type JobFilter struct {
	States     []JobState
	Type       string
	Attributes map[string]string
	Batch      string
	// EnqueuedFrom and EnqueuedBefore bound when they were put in.
	EnqueuedFrom, EnqueuedBefore time.Time
}

// List gives some jobs of the queue, the last one put in first.
func (j *Jobs) List(ctx context.Context, filter JobFilter, of PageOf) (Page[Job], error) {
	states, err := statesWire(filter.States)
	if err != nil {
		return Page[Job]{}, err
	}
	request := &rialtov1.ListJobsRequest{
		Namespace: j.namespace, Queue: j.queue, States: states, Type: filter.Type, Attributes: filter.Attributes,
		BatchId: filter.Batch, PageSize: of.Size, PageToken: of.Next,
		EnqueuedFrom: stampOf(filter.EnqueuedFrom), EnqueuedBefore: stampOf(filter.EnqueuedBefore),
	}
	answer, err := call[rialtov1.ListJobsResponse](ctx, j.way, rialtov1.JobService_ListJobs_FullMethodName, request)
	page := Page[Job]{Next: answer.GetNextPageToken()}
	for _, job := range answer.GetJobs() {
		page.Items = append(page.Items, jobOf(job))
	}
	return page, err
}

// Cancel ends a job that waits, and asks the worker of one that runs to end it. The reason is for people.
func (j *Jobs) Cancel(ctx context.Context, id, reason string) (Job, error) {
	request := &rialtov1.CancelJobRequest{Namespace: j.namespace, Queue: j.queue, JobId: id, Reason: reason}
	answer, err := call[rialtov1.CancelJobResponse](ctx, j.way, rialtov1.JobService_CancelJob_FullMethodName, request)
	return jobOf(answer.GetJob()), err
}

// PauseJob has a job wait until it is resumed, and asks the worker of one that runs to give it back.
func (j *Jobs) PauseJob(ctx context.Context, id string) (Job, error) {
	request := &rialtov1.PauseJobRequest{Namespace: j.namespace, Queue: j.queue, JobId: id}
	answer, err := call[rialtov1.PauseJobResponse](ctx, j.way, rialtov1.JobService_PauseJob_FullMethodName, request)
	return jobOf(answer.GetJob()), err
}

// ResumeJob has a paused job go on.
func (j *Jobs) ResumeJob(ctx context.Context, id string) (Job, error) {
	request := &rialtov1.ResumeJobRequest{Namespace: j.namespace, Queue: j.queue, JobId: id}
	answer, err := call[rialtov1.ResumeJobResponse](ctx, j.way, rialtov1.JobService_ResumeJob_FullMethodName, request)
	return jobOf(answer.GetJob()), err
}

// Redrive gives these dead jobs, at most 1,000, all their attempts again, and says how many. Of none it redrives none.
func (j *Jobs) Redrive(ctx context.Context, ids ...string) (uint32, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	return j.redrive(ctx, ids)
}

// RedriveAll gives all dead jobs of the queue all their attempts again, and says how many.
func (j *Jobs) RedriveAll(ctx context.Context) (uint32, error) { return j.redrive(ctx, nil) }

func (j *Jobs) redrive(ctx context.Context, ids []string) (uint32, error) {
	request := &rialtov1.RedriveJobsRequest{Namespace: j.namespace, Queue: j.queue, JobIds: ids}
	answer, err := call[rialtov1.RedriveJobsResponse](ctx, j.way, rialtov1.JobService_RedriveJobs_FullMethodName, request)
	return answer.GetRedrivenCount(), err
}

// CloseBatch: no more jobs are put into the batch that the job of this name completes.
func (j *Jobs) CloseBatch(ctx context.Context, id string) (Job, error) {
	request := &rialtov1.CloseBatchRequest{Namespace: j.namespace, Queue: j.queue, BatchId: id}
	answer, err := call[rialtov1.CloseBatchResponse](ctx, j.way, rialtov1.JobService_CloseBatch_FullMethodName, request)
	return jobOf(answer.GetJob()), err
}

// stampOf is absent for the zero time.
func stampOf(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}
