package rialto

import (
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// burstShare is the part of the burst that is used, so that a full buffer is not refused when it is sent.
const burstShare = 0.8

// pace has emits leave no faster than the server takes them: a bucket of tokens that fills with time.
type pace struct {
	rate, burst, tokens float64
	filledAt            time.Time
}

// limit takes the limits of a session. One that goes on keeps what is left in the bucket.
func (p *pace) limit(limits *rialtov1.Limits, resumed bool, now time.Time) {
	p.fill(now)
	p.rate = float64(limits.GetEmitsPerSecond())
	p.burst = max(1, burstShare*float64(limits.GetEmitsBurst()))
	if !resumed {
		p.tokens = p.burst
	}
	p.filledAt = now
}

func (p *pace) fill(now time.Time) {
	p.tokens = min(p.burst, p.tokens+p.rate*now.Sub(p.filledAt).Seconds())
	p.filledAt = now
}

// wait is how long the next emit has to wait; a rate of 0 is none.
func (p *pace) wait(now time.Time) time.Duration {
	if p.rate == 0 {
		return 0
	}
	p.fill(now)
	if p.tokens >= 1 {
		return 0
	}
	return max(time.Millisecond, time.Duration((1-p.tokens)/p.rate*float64(time.Second)))
}

// leaves takes one emit out of the bucket.
func (p *pace) leaves() { p.tokens-- }
