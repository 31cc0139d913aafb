package rialto

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// What the transport is given: it notices a dead connection by itself, and its windows bound what waits unread.
const (
	pingAfter        = 20 * time.Second
	pingAnswered     = 10 * time.Second
	streamWindow     = 256 << 10
	connectionWindow = 512 << 10
)

// address is where a server is.
type address struct {
	host string
	tls  *tls.Config
}

func parseAddress(text string, config *tls.Config) (address, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" {
		return address{}, invalid("%q is no address: one begins with http:// or https://", text)
	}
	port := parsed.Port()
	switch parsed.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
		config = nil
	case "https":
		if port == "" {
			port = "443"
		}
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	default:
		return address{}, invalid("%q is no address: one begins with http:// or https://", text)
	}
	return address{host: net.JoinHostPort(parsed.Hostname(), port), tls: config}, nil
}

// connection is one connection to a server, for as long as somebody uses it.
type connection struct {
	*grpc.ClientConn
	users   int
	retired bool
}

func (a address) connect() (*connection, error) {
	secured := insecure.NewCredentials()
	if a.tls != nil {
		secured = credentials.NewTLS(a.tls.Clone())
	}
	conn, err := grpc.NewClient("dns:///"+a.host,
		grpc.WithTransportCredentials(secured),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingAnswered}),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax)),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithStatsHandler(tracer{}),
		grpc.WithUserAgent("rialto-go/"+version),
	)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return &connection{ClientConn: conn}, nil
}

// line is the connection that calls go over. It is made when it is first used, and another one takes its place when
// it is lost; who still uses the old one is let end.
type line struct {
	address address
	// life ends when the line is closed, and with it what is under way.
	life context.Context
	end  context.CancelFunc

	mu      sync.Mutex
	current *connection
}

func newLine(address address) *line {
	life, end := context.WithCancel(context.Background())
	return &line{address: address, life: life, end: end}
}

// acquire gives a connection to use until it is released.
func (l *line) acquire() (*connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isOver() {
		return nil, closedHere()
	}
	if l.current != nil {
		switch l.current.GetState() {
		case connectivity.TransientFailure, connectivity.Shutdown:
			l.retire()
		}
	}
	if l.current == nil {
		made, err := l.address.connect()
		if err != nil {
			return nil, err
		}
		l.current = made
	}
	l.current.users++
	return l.current, nil
}

func (l *line) release(used *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	used.users--
	if used.retired && used.users == 0 {
		_ = used.Close()
	}
}

// renew has the next who acquires get another connection.
func (l *line) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retire()
}

func (l *line) retire() {
	if l.current == nil {
		return
	}
	l.current.retired = true
	if l.current.users == 0 {
		_ = l.current.Close()
	}
	l.current = nil
}

// close ends the connection, and the calls that are under way.
func (l *line) close() {
	l.end()
	l.renew()
}

func (l *line) isOver() bool { return l.life.Err() != nil }

// bearing adds a token to what is sent with a call.
func bearing(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// trace notes how far a call has come, because a status alone does not say whether anything was sent.
type trace struct{ sent, answered atomic.Bool }

type traceKey struct{}

func traced(ctx context.Context) (context.Context, *trace) {
	made := &trace{}
	return context.WithValue(ctx, traceKey{}, made), made
}

// tracer fills the trace of each call.
type tracer struct{}

func (tracer) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (tracer) HandleRPC(ctx context.Context, event stats.RPCStats) {
	noted, ok := ctx.Value(traceKey{}).(*trace)
	if !ok {
		return
	}
	switch event.(type) {
	case *stats.OutHeader:
		noted.sent.Store(true)
	case *stats.InTrailer:
		noted.answered.Store(true)
	}
}

func (tracer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (tracer) HandleConn(context.Context, stats.ConnStats)                       {}

// failure says what became of a call that ended with err. ctx is the caller's.
func (t *trace) failure(ctx context.Context, err error) *Error {
	if known, ok := err.(*Error); ok {
		return known
	}
	if errors.Is(err, io.EOF) {
		return unknownOutcome("the server ended the stream")
	}
	stated, _ := status.FromError(err)
	if said := announced(stated); said != nil {
		return said
	}
	sent := t.sent.Load()
	switch {
	case ctx.Err() == context.Canceled:
		return &Error{Kind: Cancelled, Reason: "the caller gave up", MayHaveHappened: sent, cause: ctx.Err()}
	case !sent:
		return &Error{Kind: Unavailable, Reason: stated.Message(), cause: ctx.Err()}
	case stated.Code() == codes.DeadlineExceeded || ctx.Err() != nil:
		return &Error{Kind: TimedOut, Reason: "no answer in time", MayHaveHappened: true, cause: ctx.Err()}
	case stated.Code() == codes.Unavailable, stated.Code() == codes.Canceled:
		return unknownOutcome(stated.Message())
	case stated.Code() == codes.Unknown && !t.answered.Load():
		return unknownOutcome(stated.Message())
	}
	return other(stated.Code().String()+": "+stated.Message(), err)
}
