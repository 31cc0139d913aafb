package rialto

import (
	"context"
	"time"
)

// renewal asks for the next token while a stream lasts, before the one that is in use expires.
type renewal struct {
	source  tokenSource
	fetched chan renewed
	ctx     context.Context
	cancel  context.CancelFunc
	timer   *time.Timer
}

// renewed is what a callback has answered.
type renewed struct {
	token Token
	err   error
}

func newRenewal(source tokenSource, life time.Duration) *renewal {
	ctx, cancel := context.WithCancel(context.Background())
	r := &renewal{source: source, fetched: make(chan renewed, 1), ctx: ctx, cancel: cancel}
	r.lasts(life)
	return r
}

// lasts: the token that is in use is good for so long from now; 0: that is not known.
func (r *renewal) lasts(life time.Duration) {
	r.again(time.Duration(renewAt*float64(life)), life > 0)
}

func (r *renewal) again(after time.Duration, wanted bool) {
	if r.timer != nil {
		r.timer.Stop()
	}
	if wanted && r.source.renewable() {
		r.timer = time.AfterFunc(after, r.fetch)
	}
}

func (r *renewal) fetch() {
	token, err := r.source.fetch(r.ctx)
	select {
	case r.fetched <- renewed{token, err}:
	case <-r.ctx.Done():
	}
}

// took: the answer was taken from fetched. After a failure the callback is asked once more.
func (r *renewal) took(got renewed) {
	if got.err != nil {
		r.again(askAgain, true)
		return
	}
	r.lasts(got.token.life(time.Now()))
}

func (r *renewal) stop() {
	r.cancel()
	r.again(0, false)
}
