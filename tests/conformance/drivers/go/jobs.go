package main

import (
	"bytes"
	"context"

	rialto "rialto.dev/client"
)

func jobsOf(p *people, c *command) (*rialto.Jobs, error) {
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	return client.Jobs(c.text("namespace"), c.text("queue")), nil
}

func enqueue(ctx context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	var all []rialto.NewJob
	for _, item := range c.tables("jobs") {
		job, err := newJob(ctx, jobs, item)
		if err != nil {
			return nil, err
		}
		all = append(all, job)
	}
	outcomes, err := jobs.EnqueueAll(ctx, all)
	taken := []told{}
	for _, outcome := range outcomes {
		if outcome.Err != nil {
			taken = append(taken, told{"refused": codeOf(outcome.Err)})
		} else {
			taken = append(taken, told{"job_id": outcome.Enqueued.ID, "duplicate": outcome.Enqueued.Duplicate})
		}
	}
	return told{"jobs": taken}, err
}

func newJob(ctx context.Context, jobs *rialto.Jobs, c *command) (rialto.NewJob, error) {
	job := rialto.NewJob{
		ID: c.text("job_id"), Type: c.text("type"), Payload: payload(c), ContentType: c.text("content_type"),
		Attributes: c.pairs("attributes"), Priority: int32(c.number("priority")), FairnessKey: c.text("fairness_key"),
		OrderingKey: c.text("ordering_key"), UniqueKey: c.text("unique_key"), Delay: c.span("delay_ms"), TTL: c.span("ttl_ms"),
		Batch: c.text("batch"), CompletesBatch: c.flag("completes_batch"),
	}
	if c.has("attempts_max") || c.has("backoff_ms") {
		job.Retry = &rialto.RetryPolicy{
			AttemptsMax: uint32(c.number("attempts_max")), Base: c.span("backoff_ms"), Max: c.span("backoff_ms"),
		}
	}
	if c.has("notify_room") {
		job.Notify = []rialto.JobNotify{{Room: c.text("notify_room")}}
	}
	for _, next := range c.tables("then") {
		following, err := newJob(ctx, jobs, next)
		if err != nil {
			return job, err
		}
		job.Chain = append(job.Chain, rialto.ChainedJob{Job: following})
	}
	if !c.has("upload_bytes") {
		return job, nil
	}
	uploaded, err := jobs.Upload(ctx, bytes.NewReader(pattern(c.number("upload_bytes"))))
	job.Payload = uploaded
	return job, err
}

// pattern is bytes by which a reader sees whether they are right.
func pattern(length uint64) []byte {
	made := make([]byte, length)
	for index := range made {
		made[index] = byte(index % 251)
	}
	return made
}

func jobTold(job rialto.Job) told {
	what := told{"job_id": job.ID, "state": job.State, "ended": job.State.Ended(), "attempt": job.Attempt}
	if job.State == rialto.JobCompleted {
		what["result"], _ = job.Result.Text()
	}
	if job.Error != nil {
		what["error"] = job.Error.Message
	}
	if job.Progress != nil {
		what["progress"] = told{"done": job.Progress.Done, "total": job.Progress.Total, "message": job.Progress.Message}
	}
	return what
}

// oneJob carries out what gives one job.
func oneJob(p *people, c *command, do func(*rialto.Jobs, string) (rialto.Job, error)) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	job, err := do(jobs, c.text("job_id"))
	return jobTold(job), err
}

func getJob(ctx context.Context, p *people, c *command) (any, error) {
	return oneJob(p, c, func(jobs *rialto.Jobs, id string) (rialto.Job, error) { return jobs.Get(ctx, id) })
}

func waitJob(ctx context.Context, p *people, c *command) (any, error) {
	if c.has("timeout_ms") {
		limited, cancel := context.WithTimeout(ctx, c.span("timeout_ms"))
		defer cancel()
		ctx = limited
	}
	return oneJob(p, c, func(jobs *rialto.Jobs, id string) (rialto.Job, error) { return jobs.Wait(ctx, id) })
}

func cancelJob(ctx context.Context, p *people, c *command) (any, error) {
	return oneJob(p, c, func(jobs *rialto.Jobs, id string) (rialto.Job, error) { return jobs.Cancel(ctx, id, c.text("reason")) })
}

func pauseJob(ctx context.Context, p *people, c *command) (any, error) {
	return oneJob(p, c, func(jobs *rialto.Jobs, id string) (rialto.Job, error) { return jobs.PauseJob(ctx, id) })
}

func resumeJob(ctx context.Context, p *people, c *command) (any, error) {
	return oneJob(p, c, func(jobs *rialto.Jobs, id string) (rialto.Job, error) { return jobs.ResumeJob(ctx, id) })
}

func closeBatch(ctx context.Context, p *people, c *command) (any, error) {
	return oneJob(p, c, func(jobs *rialto.Jobs, id string) (rialto.Job, error) { return jobs.CloseBatch(ctx, id) })
}

func redriveJobs(ctx context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	count, err := jobs.Redrive(ctx, c.texts("job_ids")...)
	return told{"count": count}, err
}

func listJobs(ctx context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	filter := rialto.JobFilter{Type: c.text("type"), Attributes: c.pairs("attributes")}
	for _, state := range c.texts("states") {
		filter.States = append(filter.States, rialto.JobState(state))
	}
	found, err := pages(func(of rialto.PageOf) (rialto.Page[rialto.Job], error) { return jobs.List(ctx, filter, of) })
	all := []told{}
	for _, job := range found {
		all = append(all, told{"job_id": job.ID, "state": job.State})
	}
	return told{"jobs": all}, err
}

func watchJobs(_ context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	// The watch outlives the command.
	ctx := context.Background()
	watch := jobs.WatchAll
	if c.has("job_ids") {
		watch = func(ctx context.Context) (*rialto.Stream[rialto.Job], error) {
			return jobs.Watch(ctx, c.texts("job_ids")...)
		}
	}
	seen, err := watch(ctx)
	if err != nil {
		return nil, err
	}
	name := c.text("as")
	go func() {
		for job := range seen.C {
			tell(name, "job", jobTold(job))
		}
		if err := seen.Err(); err != nil {
			tell(name, "failed", failure(err))
			return
		}
		tell(name, "ended", true)
	}()
	return nil, nil
}

// oneQueue carries out what gives the queue.
func oneQueue(p *people, c *command, do func(*rialto.Jobs) (rialto.Queue, error)) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	queue, err := do(jobs)
	return told{"paused": queue.Paused, "waiting": queue.Waiting, "running": queue.Running, "dead": queue.Dead}, err
}

func queue(ctx context.Context, p *people, c *command) (any, error) {
	return oneQueue(p, c, func(jobs *rialto.Jobs) (rialto.Queue, error) { return jobs.Queue(ctx) })
}

func pauseQueue(ctx context.Context, p *people, c *command) (any, error) {
	return oneQueue(p, c, func(jobs *rialto.Jobs) (rialto.Queue, error) { return jobs.Pause(ctx) })
}

func resumeQueue(ctx context.Context, p *people, c *command) (any, error) {
	return oneQueue(p, c, func(jobs *rialto.Jobs) (rialto.Queue, error) { return jobs.Resume(ctx) })
}

func purgeQueue(ctx context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	count, err := jobs.Purge(ctx)
	return told{"count": count}, err
}

func putSchedule(ctx context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	_, err = jobs.PutSchedule(ctx, rialto.Schedule{
		ID: c.text("schedule_id"), Cron: c.text("cron"), TimeZone: c.text("time_zone"), Job: rialto.NewJob{Payload: payload(c)},
	})
	return nil, err
}

func deleteSchedule(ctx context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	return nil, jobs.DeleteSchedule(ctx, c.text("schedule_id"))
}

func schedules(ctx context.Context, p *people, c *command) (any, error) {
	jobs, err := jobsOf(p, c)
	if err != nil {
		return nil, err
	}
	found, err := jobs.Schedules(ctx)
	names := []string{}
	for _, schedule := range found {
		names = append(names, schedule.ID)
	}
	return told{"schedules": names}, err
}
