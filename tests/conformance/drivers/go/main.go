// The driver of the Go client: commands come as lines of JSON, answers and reports go out as such. What the lines mean
// is in tests/conformance/README.md. This file reads them and finds who carries them out.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sync"
)

func main() {
	d := &driver{running: map[uint64]context.CancelFunc{}, people: newPeople()}
	lines := bufio.NewReaderSize(os.Stdin, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			d.begin(line)
		}
		if err != nil {
			return
		}
	}
}

// driver carries commands out side by side. Only their beginning is in the order of the lines.
type driver struct {
	people *people

	mu      sync.Mutex
	running map[uint64]context.CancelFunc
}

// verbs say who carries a command out. What is given is what is left to do once the command has begun.
var verbs = map[string]func(context.Context, *people, *command) func() (any, error){
	"connect": later(connect), "close": later(closeSession), "session": later(session), "ping": later(ping),
	"refresh": later(refresh), "retry_now": later(retryNow), "clear_buffer": later(clearBuffer),
	"enter": later(enter), "leave": later(leave), "join": later(join), "part": later(part), "room": now(room),
	"listen": now(listen), "let_go": now(letGo), "reply": later(reply), "emit": emit, "ask": later(ask),
	"history": later(history), "presence": later(presence), "who": now(who), "watch_presence": now(watchPresence),
	"get_state": later(getState), "all_state": later(allState), "set_state": later(setState),
	"remove_state": later(setState), "watch_state": now(watchState),
	"client": now(client), "publish": later(publish), "publish_batch": later(publishBatch), "call": later(call),
	"rooms": later(rooms), "disconnect": later(disconnect),
	"enqueue": later(enqueue), "get_job": later(getJob), "wait_job": later(waitJob), "list_jobs": later(listJobs),
	"watch_jobs": later(watchJobs), "cancel_job": later(cancelJob), "pause_job": later(pauseJob),
	"resume_job": later(resumeJob), "redrive_jobs": later(redriveJobs), "queue": later(queue),
	"pause_queue": later(pauseQueue), "resume_queue": later(resumeQueue), "purge_queue": later(purgeQueue),
	"put_schedule": later(putSchedule), "delete_schedule": later(deleteSchedule), "schedules": later(schedules),
	"close_batch": later(closeBatch),
	"work":        now(work), "stop_work": later(stopWork), "finish": now(finish), "progress": now(progress),
	"checkpoint": now(checkpoint), "read_payload": later(readPayload),
}

type carryOut func(context.Context, *people, *command) (any, error)

// later is for what begins and ends beside the reading of lines.
func later(do carryOut) func(context.Context, *people, *command) func() (any, error) {
	return func(ctx context.Context, p *people, c *command) func() (any, error) {
		return func() (any, error) { return do(ctx, p, c) }
	}
}

// now is for what has ended when the next line is read.
func now(do carryOut) func(context.Context, *people, *command) func() (any, error) {
	return func(ctx context.Context, p *people, c *command) func() (any, error) {
		done, err := do(ctx, p, c)
		return func() (any, error) { return done, err }
	}
}

func (d *driver) begin(line []byte) {
	c, err := readCommand(line)
	if err != nil {
		fmt.Fprintf(os.Stderr, "no command: %s: %v\n", line, err)
		return
	}
	if c.verb == "cancel" {
		d.cancel(c.number("command"))
		answer(c.id, nil, nil)
		return
	}
	do, ok := verbs[c.verb]
	if !ok {
		answer(c.id, nil, notHere("not here: "+c.verb))
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.mu.Lock()
	d.running[c.id] = cancel
	d.mu.Unlock()
	end := do(ctx, d.people, c)
	go func() {
		done, err := end()
		d.cancel(c.id)
		answer(c.id, done, err)
	}()
}

func (d *driver) cancel(id uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cancel, ok := d.running[id]; ok {
		cancel()
		delete(d.running, id)
	}
}
