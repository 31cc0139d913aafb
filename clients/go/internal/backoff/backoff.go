// Package backoff says how long to wait before the next attempt: full jitter under a bound that doubles.
package backoff

import (
	"math/rand/v2"
	"time"
)

// First and last bound of the wait, and how long something has to hold so that the wait begins anew.
const (
	First  = 250 * time.Millisecond
	Last   = 30 * time.Second
	Stable = 10 * time.Second
)

// Backoff counts attempts. The zero value is ready.
type Backoff struct {
	attempts int
	// Max takes the place of Last, when it is set.
	Max time.Duration
}

// Bound is the longest that the next wait may be.
func (b *Backoff) Bound() time.Duration {
	last := Last
	if b.Max > 0 {
		last = b.Max
	}
	// Ten doublings are beyond any bound; more would overflow.
	return min(last, First<<min(b.attempts, 10))
}

// Next draws the wait before the next attempt, and counts it.
func (b *Backoff) Next() time.Duration {
	bound := b.Bound()
	b.attempts++
	return time.Duration(rand.Float64() * float64(bound))
}

// EndedAfter says how long the last attempt had held. Only one that held for long has the wait begin anew, so that a
// server that closes at once is not stormed.
func (b *Backoff) EndedAfter(held time.Duration) {
	if held >= Stable {
		b.attempts = 0
	}
}
