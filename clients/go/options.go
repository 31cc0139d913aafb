package rialto

import (
	"context"
	"crypto/tls"
	"maps"
	"time"
)

// Defaults and bounds of a session and of a client.
const (
	connectTimeout  = 10 * time.Second
	commandDeadline = 10 * time.Second
	eventsWaiting   = 256
	messageBytesMax = 16 << 20
)

// Overflow says what happens when the offline buffer is full.
type Overflow int

const (
	// Refuse has a new command fail with the code FULL.
	Refuse Overflow = iota
	// DropOldest has the oldest emits fail with the code MADE_ROOM.
	DropOldest
)

// OfflineBuffer bounds what waits while there is no connection.
type OfflineBuffer struct {
	// Commands is how many may wait; with 0 nothing waits.
	Commands int
	// Bytes of all of them. One alone may have more.
	Bytes int
	// Age is how long one may wait, never beyond its own deadline; 0: only its deadline counts.
	Age time.Duration
	// Overflow says what happens when it is full.
	Overflow Overflow
}

// DefaultOfflineBuffer is what holds unless [WithOfflineBuffer] says otherwise: 1,000 commands and 1 MiB.
func DefaultOfflineBuffer() OfflineBuffer { return OfflineBuffer{Commands: 1000, Bytes: 1 << 20} }

type settings struct {
	user           string
	token          tokenSource
	attributes     map[string]string
	program        [2]string
	deadline       time.Duration
	connectTimeout time.Duration
	offline        OfflineBuffer
	eventsWaiting  int
	patient        bool
	tls            *tls.Config
}

func newSettings(options []Option) settings {
	s := settings{
		program:        [2]string{"rialto-go", version},
		deadline:       commandDeadline,
		connectTimeout: connectTimeout,
		offline:        DefaultOfflineBuffer(),
		eventsWaiting:  eventsWaiting,
	}
	for _, option := range options {
		option(&s)
	}
	return s
}

// within gives ctx the deadline of a command, unless it has one of its own.
func (s *settings) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.deadline)
}

// Option says how [Connect] opens a session, or [NewClient] a client; a client takes no notice of those that are about
// sessions.
type Option func(*settings)

// WithUser names the user, for servers without authentication. Of sessions.
func WithUser(user string) Option { return func(s *settings) { s.user = user } }

// WithToken gives a token that is always the same: a JWT or an API key.
func WithToken(token string) Option {
	return func(s *settings) { s.token = tokenSource{fixed: &Token{Text: token}} }
}

// WithTokenFrom has ask called for a token before every attempt to connect, before the token that is in use expires,
// and by a client before each call.
func WithTokenFrom(ask func(context.Context) (Token, error)) Option {
	return func(s *settings) { s.token = tokenSource{ask: ask} }
}

// WithAttributes are what others see beside the session, for example a display name. At most 16 keys, together 1 KiB.
// Of sessions.
func WithAttributes(attributes map[string]string) Option {
	return func(s *settings) { s.attributes = maps.Clone(attributes) }
}

// WithProgram names the program, for logs and statistics of the server. Of sessions.
func WithProgram(name, version string) Option {
	return func(s *settings) { s.program = [2]string{name, version} }
}

// WithDeadline is how long a command or a call may take whose context has no deadline; 10 s if nothing is said.
// Waiting for the connection is part of it.
func WithDeadline(deadline time.Duration) Option { return func(s *settings) { s.deadline = deadline } }

// WithConnectTimeout is how long one attempt to connect may take; 10 s if nothing is said. Of sessions.
func WithConnectTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.connectTimeout = timeout }
}

// WithOfflineBuffer bounds what waits while there is no connection. Of sessions.
func WithOfflineBuffer(buffer OfflineBuffer) Option { return func(s *settings) { s.offline = buffer } }

// WithEventsWaiting is how many items wait in a stream before the session stops reading; 256 if nothing is said. Of
// sessions.
func WithEventsWaiting(items int) Option {
	return func(s *settings) { s.eventsWaiting = max(items, 1) }
}

// WithWaitForServer has [Connect] try again until the server is there, its context ends, or something closes the
// session. Of sessions.
func WithWaitForServer() Option { return func(s *settings) { s.patient = true } }

// WithTLS sets what holds for https addresses, as certificates.
func WithTLS(config *tls.Config) Option { return func(s *settings) { s.tls = config.Clone() } }
