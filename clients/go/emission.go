package rialto

import "context"

// Emission is an emit that has its place in the order of the session, and whose outcome is still to come.
type Emission struct {
	done     chan struct{}
	accepted Accepted
	err      error
}

// Done is closed once the outcome is there.
func (e *Emission) Done() <-chan struct{} { return e.done }

// Wait gives the outcome. The context that the emit was begun with ends it.
func (e *Emission) Wait() (Accepted, error) {
	<-e.done
	return e.accepted, e.err
}

func failedEmission(err error) *Emission {
	made := &Emission{done: make(chan struct{}), err: err}
	close(made.done)
	return made
}

func (c *core) emits(ctx context.Context, asked *command) *Emission {
	ctx, cancel := c.settings.within(ctx)
	if err := c.begin(ctx, asked); err != nil {
		cancel()
		return failedEmission(err)
	}
	made := &Emission{done: make(chan struct{})}
	go func() {
		defer cancel()
		defer close(made.done)
		answer, err := c.finish(ctx, asked)
		if err != nil {
			made.err = err
			return
		}
		made.accepted = acceptedOf(answer.GetAccepted())
	}()
	return made
}
