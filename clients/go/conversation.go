package rialto

import (
	"context"
	"sync"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// sweepEvery is how often abandoned commands are forgotten.
	sweepEvery = time.Second
	// byeTimeout is how long a goodbye waits for its answer.
	byeTimeout = 2 * time.Second
	// seenAfterFrames, or seenAfter the first of them, the server is told what was handed on.
	seenAfterFrames = 64
	seenAfter       = 5 * time.Second
	// greetedTimeout is how long the joins of a greeting may take before they are asked for once more.
	greetedTimeout = 10 * time.Second
	// silence is how many ping intervals without a message mean that the stream is lost.
	silence = 2.5
)

// conversation is one stream in use, from its welcome to its end. It never connects, and never decides what comes
// after. What frames of the server mean is in intake.go.
type conversation struct {
	*engine
	opened *opening
	// inbox are frames that came and were not handed on yet.
	inbox []numbered

	inbound chan received
	// ready says that the writer takes a message, which goes into outbound then.
	ready    chan struct{}
	outbound chan *rialtov1.AttachRequest
	// handedOver says that everything that was parked has found room; nil when nothing is.
	handedOver chan struct{}
	over       context.Context
	parts      sync.WaitGroup

	renewal *renewal
	// moveFrom is from when on to look for a quiet moment to move, moveBy when to move at the latest.
	moveFrom, moveBy time.Time
	// told is the last frame that the server was told of, seenDue when to tell it of more.
	told     uint32
	seenDue  time.Time
	holds    bool
	heardAt  time.Time
	quietMax time.Duration
	sweepAt  time.Time
	greetBy  time.Time
	stopping bool
	// parting is until when the answer to the goodbye is waited for, bye that it is still to be said.
	parting time.Time
	bye     bool
	// stopBy is when what was said before is given up for the goodbye.
	stopBy time.Time
	// paceUntil is when the next emit may leave.
	paceUntil time.Time
}

// numbered is a frame with its number; 0: it has none.
type numbered struct {
	seq   uint32
	frame *rialtov1.ServerFrame
}

type received struct {
	message *rialtov1.AttachResponse
	err     error
}

func newConversation(e *engine, opened *opening) *conversation {
	now := time.Now()
	welcome := opened.welcome
	c := &conversation{
		engine:   e,
		opened:   opened,
		inbound:  make(chan received),
		ready:    make(chan struct{}),
		outbound: make(chan *rialtov1.AttachRequest, 1),
		renewal:  newRenewal(e.settings.token, opened.life),
		told:     e.kept.handed,
		holds:    span(welcome.GetResumeWindow()) > 0,
		heardAt:  now,
		quietMax: time.Duration(silence * float64(span(welcome.GetPingInterval()))),
		sweepAt:  now.Add(sweepEvery),
		greetBy:  now.Add(greetedTimeout),
	}
	c.enqueue(opened.seq, 1, opened.rest)
	return c
}

// enqueue puts frames into the inbox; the first of them is so far behind the number of its message.
func (c *conversation) enqueue(first uint32, behind int, frames []*rialtov1.ServerFrame) {
	for index, frame := range frames {
		seq := uint32(0)
		if first != 0 {
			seq = first + uint32(index+behind)
		}
		c.inbox = append(c.inbox, numbered{seq, frame})
	}
}

// run uses the stream until it ends.
func (c *conversation) run() *ending {
	over, stop := context.WithCancel(context.Background())
	c.over = over
	c.beside(c.read)
	c.beside(c.write)
	ended := c.converse()
	stop()
	c.opened.close()
	c.renewal.stop()
	c.parts.Wait()
	return ended
}

// beside runs a part of the conversation that ends with it.
func (c *conversation) beside(part func()) {
	c.parts.Add(1)
	go func() {
		defer c.parts.Done()
		part()
	}()
}

func (c *conversation) converse() *ending {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	closing := c.closing
	for {
		if ended := c.takeInbox(); ended != nil {
			return ended
		}
		now := time.Now()
		if ended := c.lookAtClock(now); ended != nil {
			return ended
		}
		c.sayGoodbye(now)
		ready, inbound := c.ready, c.inbound
		if !c.speaks(now) {
			ready = nil
		}
		if c.handedOver != nil || len(c.inbox) > 0 {
			inbound = nil
		}
		alarm.Reset(time.Until(c.nextAlarm(now)))
		select {
		case <-c.handedOver:
			c.handedOver = nil
		case message := <-inbound:
			if ended := c.receive(message); ended != nil {
				return ended
			}
		case <-ready:
			c.outbound <- &rialtov1.AttachRequest{Frames: c.nextMessage(time.Now())}
		case <-c.backlog.wake:
		case renewed := <-c.renewal.fetched:
			c.renew(renewed)
		case <-closing:
			c.stopping, closing = true, nil
			c.stopBy = time.Now().Add(c.settings.deadline)
		case <-c.killed:
			return &ending{kind: endStopped, err: closedHere()}
		case <-alarm.C:
		}
	}
}

// read hands messages over one by one, so that what is not taken stays with the transport, which slows the server.
func (c *conversation) read() {
	for {
		message, err := c.opened.stream.Recv()
		select {
		case c.inbound <- received{message, err}:
		case <-c.over.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// write sends what it is given. When the stream takes nothing more, its end is on its way to read.
func (c *conversation) write() {
	for {
		select {
		case c.ready <- struct{}{}:
		case <-c.over.Done():
			return
		}
		// Who says that it takes a message is given one at once.
		message := <-c.outbound
		if len(message.GetFrames()) > 0 && c.opened.stream.Send(message) != nil {
			return
		}
	}
}

// receive takes a message into the inbox.
func (c *conversation) receive(got received) *ending {
	if got.err != nil {
		return streamEnded(got.err)
	}
	c.heardAt = time.Now()
	c.enqueue(got.message.GetFirstSeq(), 0, got.message.GetFrames())
	return nil
}

// takeInbox hands on what has come, until something finds no room.
func (c *conversation) takeInbox() *ending {
	for c.handedOver == nil && len(c.inbox) > 0 {
		if c.audience.isFull() {
			c.handOver()
			return nil
		}
		next := c.inbox[0]
		c.inbox = c.inbox[1:]
		if ended := c.takeNumbered(next); ended != nil {
			return ended
		}
	}
	if len(c.inbox) == 0 {
		c.inbox = nil
	}
	if c.handedOver == nil && c.audience.isFull() {
		c.handOver()
	}
	return nil
}

// takeNumbered passes over what was handed on before. A hole in the numbers would be a silent gap: then the session is
// resumed from before it.
func (c *conversation) takeNumbered(next numbered) *ending {
	if next.seq != 0 {
		c.mu.Lock()
		handed := c.kept.handed
		c.mu.Unlock()
		switch {
		case next.seq <= handed:
			return nil
		case next.seq != handed+1:
			return lostBy("a frame is missing")
		}
	}
	if ended := c.take(next.frame); ended != nil {
		return ended
	}
	if next.seq != 0 {
		c.mu.Lock()
		c.kept.handed = next.seq
		c.mu.Unlock()
		c.noteHanded(next.seq)
	}
	return nil
}

// handOver waits beside the conversation until what is parked has found room.
func (c *conversation) handOver() {
	done := make(chan struct{})
	c.handedOver = done
	c.beside(func() {
		defer close(done)
		c.audience.handOver(c.over.Done())
	})
}

func (c *conversation) noteHanded(seq uint32) {
	switch {
	case !c.holds:
	case seq-c.told >= seenAfterFrames:
		c.seenDue = time.Now()
	case c.seenDue.IsZero():
		c.seenDue = time.Now().Add(seenAfter)
	}
}
