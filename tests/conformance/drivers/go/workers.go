package main

import (
	"context"
	"errors"
	"io"
	"sync"

	rialto "rialto.dev/client"
)

// shift is a worker that runs, and what it works on.
type shift struct {
	name   string
	worker *rialto.Worker

	mu      sync.Mutex
	running map[string]*assignment
}

// assignment is a job that runs until somebody says how it ends.
type assignment struct {
	job *rialto.WorkerJob
	end chan end
}

type end struct {
	result any
	err    error
}

func work(_ context.Context, p *people, c *command) (any, error) {
	client, err := p.client(c)
	if err != nil {
		return nil, err
	}
	if c.text("shape") == "calls" {
		return nil, notHere("not here: work by single calls")
	}
	name := c.text("as")
	works := &shift{name: name, running: map[string]*assignment{}}
	works.worker = client.Worker(name, workerOptions(c)...)
	keep(p, p.shifts, name, works)
	go func() {
		if err := works.worker.Run(context.Background(), works.do); err != nil {
			tell(name, "failed", failure(err))
		}
		tell(name, "stopped", true)
	}()
	return nil, nil
}

func workerOptions(c *command) (options []rialto.WorkerOption) {
	for _, queue := range c.tables("queues") {
		options = append(options, rialto.FromQueue(c.text("namespace"), queue.text("queue"),
			rialto.AtMost(uint32(queue.number("concurrency"))), rialto.Weight(uint32(queue.number("weight")))))
	}
	if c.has("concurrency") {
		options = append(options, rialto.Concurrency(int(c.number("concurrency"))))
	}
	if c.has("lease_ms") {
		options = append(options, rialto.LeaseFor(c.span("lease_ms")))
	}
	if c.flag("signals") {
		options = append(options, rialto.StopOnSignals())
	}
	return options
}

// do works on a job until somebody says how it ends.
func (s *shift) do(ctx context.Context, job *rialto.WorkerJob) (any, error) {
	assigned := &assignment{job: job, end: make(chan end, 1)}
	s.mu.Lock()
	s.running[job.ID] = assigned
	s.mu.Unlock()
	s.tellBegun(job)
	cancelled, paused := ctx.Done(), job.ToPause()
	for {
		select {
		case <-cancelled:
			cancelled = nil
			var why *rialto.Error
			if errors.As(context.Cause(ctx), &why) && why.Kind == rialto.LeaseLost {
				tell(s.name, "lease_lost", job.ID)
			} else {
				tell(s.name, "cancelling", job.ID)
			}
		case <-paused:
			paused = nil
			tell(s.name, "pausing", job.ID)
		case ended := <-assigned.end:
			return ended.result, ended.err
		}
	}
}

func (s *shift) tellBegun(job *rialto.WorkerJob) {
	what := told{
		"job_id": job.ID, "queue": job.Queue, "type": job.Type, "attempt": job.Attempt, "checkpoint": string(job.LastCheckpoint),
	}
	what["previous_result"], _ = job.PreviousResult.Text()
	if text, err := job.Text(); err == nil && job.IsText() {
		what["text"] = text
	}
	if job.ContentType != "" {
		what["content_type"] = job.ContentType
	}
	tell(s.name, "begun", what)
}

func stopWork(ctx context.Context, p *people, c *command) (any, error) {
	works, err := find(p, p.shifts, c.by, "does not work")
	if err != nil {
		return nil, err
	}
	return nil, works.worker.Stop(ctx)
}

// assigned is the job that a command is about.
func assigned(p *people, c *command) (*shift, *assignment, error) {
	works, err := find(p, p.shifts, c.by, "does not work")
	if err != nil {
		return nil, nil, err
	}
	works.mu.Lock()
	defer works.mu.Unlock()
	found, ok := works.running[c.text("job_id")]
	if !ok {
		return nil, nil, notHere(c.text("job_id") + " is not worked on")
	}
	return works, found, nil
}

func finish(_ context.Context, p *people, c *command) (any, error) {
	works, found, err := assigned(p, c)
	if err != nil {
		return nil, err
	}
	works.mu.Lock()
	delete(works.running, c.text("job_id"))
	works.mu.Unlock()
	found.end <- endOf(c)
	return nil, nil
}

func endOf(c *command) end {
	switch {
	case c.has("fail"):
		fail := c.of(c.table("fail"))
		return end{err: &rialto.Fail{
			Message: fail.text("message"), Permanent: fail.flag("permanent"), RetryAfter: fail.span("retry_after_ms"),
		}}
	case c.has("release"):
		return end{err: &rialto.Release{Delay: c.of(c.table("release")).span("delay_ms")}}
	case c.has("discard"):
		return end{err: &rialto.Discard{Reason: c.of(c.table("discard")).text("reason")}}
	}
	return end{result: c.text("result")}
}

func progress(_ context.Context, p *people, c *command) (any, error) {
	_, found, err := assigned(p, c)
	if err != nil {
		return nil, err
	}
	done := c.number("done")
	if c.has("at") {
		done = c.number("at")
	}
	found.job.Progress(done, c.number("total"), c.text("message"))
	return nil, nil
}

func checkpoint(_ context.Context, p *people, c *command) (any, error) {
	_, found, err := assigned(p, c)
	if err != nil {
		return nil, err
	}
	return nil, found.job.Checkpoint([]byte(c.text("text")))
}

func readPayload(ctx context.Context, p *people, c *command) (any, error) {
	_, found, err := assigned(p, c)
	if err != nil {
		return nil, err
	}
	offset := c.number("offset")
	reading := found.job.Read(ctx, offset)
	defer reading.Close()
	read, err := io.ReadAll(reading)
	if err != nil {
		return nil, err
	}
	right := true
	for index, value := range read {
		right = right && uint64(value) == (offset+uint64(index))%251
	}
	return told{"bytes": len(read), "right": right}, nil
}
