package rialto

import (
	"context"
	"time"

	"rialto.dev/client/internal/backoff"
)

// again says something until it does not fail in a way that passes, or the next wait would go beyond the deadline.
func again[A any](ctx context.Context, say func() (A, error)) (A, error) {
	var wait backoff.Backoff
	for {
		answer, err := say()
		failure := asError(err)
		if failure == nil || !failure.passes() || ctx.Err() != nil {
			return answer, err
		}
		delay := max(wait.Next(), failure.After)
		if until, has := ctx.Deadline(); has && time.Now().Add(delay).After(until) {
			return answer, err
		}
		if !sleep(ctx, delay) {
			return answer, err
		}
	}
}

// sleep is false when ctx was over first.
func sleep(ctx context.Context, span time.Duration) bool {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
