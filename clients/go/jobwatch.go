package rialto

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"rialto.dev/client/internal/backoff"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// watchedMax is how many jobs can be watched by their names.
	watchedMax = 64
	// awayMax is the last bound of the wait for watches and workers.
	awayMax = 5 * time.Second
)

// Watch gives each of these jobs, at most 64, as it is, and then each change, and ends when all have ended. It goes on
// over lost connections for as long as ctx lasts. A watch of none ends at once.
func (j *Jobs) Watch(ctx context.Context, ids ...string) (*Stream[Job], error) {
	watch := &jobWatch{jobs: j, pending: map[string]*rialtov1.Job{}}
	for _, id := range ids {
		watch.pending[id] = nil
	}
	if len(watch.pending) > watchedMax {
		return nil, invalid("at most %d jobs are watched by their names", watchedMax)
	}
	if len(ids) == 0 {
		return produce(ctx, 0, func(context.Context, func(Job) bool) error { return nil }), nil
	}
	return watch.begin(ctx)
}

// WatchAll gives all jobs of the queue that are put in or change from now on, for as long as ctx lasts. It misses
// nothing over lost connections; a job may come again. When too much has happened meanwhile it ends with LIMIT_REACHED:
// then list what there is, and watch anew.
func (j *Jobs) WatchAll(ctx context.Context) (*Stream[Job], error) {
	return (&jobWatch{jobs: j}).begin(ctx)
}

// jobWatch is one watch, over all its streams.
type jobWatch struct {
	jobs *Jobs
	// pending are jobs that were not seen at their end, each as it was told last; nil when all are watched.
	pending map[string]*rialtov1.Job
	// resume is where another watch of all goes on.
	resume string

	call   *opened
	stream grpc.ServerStreamingClient[rialtov1.WatchJobsResponse]
}

func (w *jobWatch) begin(ctx context.Context) (*Stream[Job], error) {
	// The stream may outlive this context's deadline for opening, but not the context.
	ctx, cancel := context.WithCancel(ctx)
	if err := w.open(ctx); err != nil {
		cancel()
		return nil, err
	}
	return produce(ctx, eventsWaiting, func(inner context.Context, give func(Job) bool) error {
		defer cancel()
		defer context.AfterFunc(inner, cancel)()
		return w.run(ctx, give)
	}), nil
}

func (w *jobWatch) open(ctx context.Context) (err error) {
	request := &rialtov1.WatchJobsRequest{Namespace: w.jobs.namespace, Queue: w.jobs.queue, Resume: w.resume}
	for id := range w.pending {
		request.JobIds = append(request.JobIds, id)
	}
	w.call, err = openCall(ctx, w.jobs.way, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		w.stream, err = started(rialtov1.NewJobServiceClient(conn).WatchJobs(ctx, request))
		return err
	})
	return err
}

// run gives what comes, and comes back after each loss that passes.
func (w *jobWatch) run(ctx context.Context, give func(Job) bool) error {
	wait := backoff.Backoff{Max: awayMax}
	for {
		began := time.Now()
		failure, done := w.hear(give)
		w.call.close()
		wait.EndedAfter(time.Since(began))
		for {
			switch {
			case done && ctx.Err() == nil:
				return nil
			case ctx.Err() != nil:
				return givenUp(ctx, "", true)
			case !failure.passes() && !w.jobs.way.deadlines().token.mayHaveExpired(failure):
				return failure
			}
			if !sleep(ctx, max(wait.Next(), failure.After)) {
				return givenUp(ctx, "", true)
			}
			err := w.open(ctx)
			if err == nil {
				break
			}
			failure = asError(err)
		}
	}
}

// hear gives what one stream says, until it is lost or nobody wants more.
func (w *jobWatch) hear(give func(Job) bool) (failure *Error, done bool) {
	for {
		said, err := w.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return unknownOutcome("the server ended the watch"), false
		case err != nil:
			return w.call.failure(err), false
		}
		if said.GetResume() != "" {
			w.resume = said.GetResume()
		}
		if job := said.GetJob(); job != nil && w.isNews(job) && !give(jobOf(job)) {
			return nil, true
		}
		if w.pending != nil && len(w.pending) == 0 {
			return nil, true
		}
	}
}

// isNews notes a job, and holds when it differs from what was told last.
func (w *jobWatch) isNews(job *rialtov1.Job) bool {
	if w.pending == nil {
		return true
	}
	last, wanted := w.pending[job.GetJobId()]
	if !wanted || (last != nil && proto.Equal(last, job)) {
		return false
	}
	w.pending[job.GetJobId()] = job
	if stateOf(job.GetState()).Ended() {
		delete(w.pending, job.GetJobId())
	}
	return true
}
