package main

import (
	"fmt"
	"log"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// batchMax is how many events are handed over at once, at most.
const batchMax = 64

// pacer says events at a rate, or as fast as the window of events that were not heard yet lets it.
type pacer struct {
	voice  voice
	window int64

	mu      sync.Mutex
	changed *sync.Cond
	heard   int64
	said    int64
	rate    int64
	speaks  bool
	// toRest is set from when it was told to rest until it has said so.
	toRest bool
	began  time.Time
	// saidBefore is what was said when the rate was set.
	saidBefore int64
}

func newPacer(voice voice, window int64) *pacer {
	made := &pacer{voice: voice, window: window}
	made.changed = sync.NewCond(&made.mu)
	go func() {
		for {
			if err := made.step(); err != nil {
				log.Fatal(err)
			}
		}
	}()
	return made
}

// told carries out one line: `pace N` (events a second; 0: as many as the window lets through), `rest`, or `heard N`.
func (p *pacer) told(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed.Signal()
	if word == "rest" {
		p.speaks, p.toRest = false, true
		return nil
	}
	number, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return err
	}
	switch word {
	case "pace":
		p.rate, p.speaks, p.began, p.saidBefore = number, true, time.Now(), p.said
	case "heard":
		p.heard = max(p.heard, number)
	default:
		return fmt.Errorf("nothing is called %q", word)
	}
	return nil
}

// step says what is due now, or waits until something is.
func (p *pacer) step() error {
	p.mu.Lock()
	due, wait := p.due()
	p.said += due
	said, rests := p.said, p.toRest && p.said%step == 0
	if rests {
		p.toRest = false
	} else if due == 0 && wait == 0 {
		p.changed.Wait()
	}
	p.mu.Unlock()
	if due > 0 {
		if err := p.voice.say(int(due)); err != nil {
			return err
		}
	}
	if rests {
		fmt.Printf("said %d\n", said)
	}
	if wait > 0 {
		return sleep(wait)
	}
	return nil
}

// due is how many events are to be said now, and, when there are none, how long until the next; both are 0 when only a
// line can change that.
func (p *pacer) due() (count int64, wait time.Duration) {
	count = min(batchMax, p.window-(p.said-p.heard))
	if !p.speaks {
		// Up to the next multiple, which the receiver says that it has.
		return min(count, (step-p.said%step)%step), 0
	}
	if count == 0 || p.rate == 0 {
		return count, 0
	}
	next := p.said - p.saidBefore
	at := func(event int64) time.Duration { return time.Duration(event * int64(time.Second) / p.rate) }
	passed := time.Since(p.began)
	ready := int64(passed)*p.rate/int64(time.Second) + 1 - next
	if ready <= 0 {
		return 0, max(at(next)-passed, time.Microsecond)
	}
	return min(count, ready), 0
}

// sleep takes the kernel's timers: those of the runtime come up to a millisecond late, and events would come in groups.
func sleep(wait time.Duration) error {
	left := syscall.NsecToTimespec(wait.Nanoseconds())
	if err := syscall.Nanosleep(&left, nil); err != nil && err != syscall.EINTR {
		return err
	}
	return nil
}
