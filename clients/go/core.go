package rialto

import (
	"context"
	"sync"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// core is what all handles of a session share with the engine that owns its connection: commands go one way, the state
// of the session the other.
type core struct {
	settings settings
	backlog  *backlog
	audience *audience
	reports  *reporter
	board    *board
	line     *line

	// life ends when the engine has ended.
	life context.Context
	// closing is closed when the application wants no more; killed when it does not even wait.
	closing, killed chan struct{}
	closeOnce       sync.Once
	killOnce        sync.Once
	retry           chan struct{}

	// bearer is the token of calls beside the stream. It and kept are under this lock.
	mu     sync.Mutex
	bearer string
	kept   *kept
	// joining counts joins that are under way, by room.
	joining map[place]int
}

func newCore(settings settings, at address, life context.Context) *core {
	return &core{
		settings: settings,
		backlog:  newBacklog(settings.offline),
		audience: newAudience(settings.eventsWaiting),
		reports:  &reporter{},
		board:    newBoard(),
		line:     newLine(at),
		life:     life,
		closing:  make(chan struct{}),
		killed:   make(chan struct{}),
		retry:    make(chan struct{}, 1),
		kept:     newKept(),
		joining:  map[place]int{},
	}
}

func (c *core) close() { c.closeOnce.Do(func() { close(c.closing) }) }

func (c *core) kill() {
	c.close()
	c.killOnce.Do(func() { close(c.killed) })
}

func (c *core) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// ask carries out one command and gives its answer; it waits for the connection first.
func (c *core) ask(ctx context.Context, asked *command) (*rialtov1.ServerFrame, error) {
	ctx, cancel := c.settings.within(ctx)
	defer cancel()
	if err := c.begin(ctx, asked); err != nil {
		return nil, err
	}
	return c.finish(ctx, asked)
}

// begin gives a command its place in the order.
func (c *core) begin(ctx context.Context, asked *command) error {
	if err := asked.fits(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return givenUp(ctx, "the deadline was over before it began", false)
	}
	if err := c.backlog.put(ctx, asked); err != nil {
		return err
	}
	return nil
}

// finish waits for the outcome of a command that has its place.
func (c *core) finish(ctx context.Context, asked *command) (*rialtov1.ServerFrame, error) {
	var tooOld <-chan time.Time
	if c.settings.offline.Age > 0 {
		timer := time.NewTimer(c.settings.offline.Age)
		defer timer.Stop()
		tooOld = timer.C
	}
	for {
		select {
		case ended := <-asked.outcome:
			return result(ended)
		case <-tooOld:
			tooOld = nil
			if c.backlog.takeBack(asked) {
				return nil, unsent("TOO_OLD", "it waited too long for the connection")
			}
		case <-ctx.Done():
			return c.giveUp(ctx, asked)
		}
	}
}

func (c *core) giveUp(ctx context.Context, asked *command) (*rialtov1.ServerFrame, error) {
	if c.backlog.takeBack(asked) {
		return nil, givenUp(ctx, c.backlog.reason(), false)
	}
	select {
	case ended := <-asked.outcome:
		return result(ended)
	default:
	}
	asked.abandoned.Store(true)
	return nil, givenUp(ctx, "", true)
}

func result(ended outcome) (*rialtov1.ServerFrame, error) {
	if ended.err != nil {
		return nil, ended.err
	}
	return ended.frame, nil
}

// attachedNow waits until the session is attached.
func (c *core) attachedNow(ctx context.Context) error {
	for {
		now, changed := c.board.get()
		switch now.Phase {
		case Attached:
			return nil
		case Over:
			return now.Cause
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return givenUp(ctx, c.backlog.reason(), false)
		}
	}
}

// lane implements [lanes]: calls beside the stream go over the session's connection, with its token.
func (c *core) lane(ctx context.Context) (*line, string, error) {
	if err := c.attachedNow(ctx); err != nil {
		return nil, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.line, c.bearer, nil
}

func (c *core) deadlines() *settings { return &c.settings }
