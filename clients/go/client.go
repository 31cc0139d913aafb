package rialto

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// batchMax is how many events one batch may have.
const batchMax = 256

// Client makes calls without a session. It connects when it is first used, and again when the connection is lost. It
// may be used by several goroutines. Calls are not said again by themselves, unless their description says so.
type Client struct {
	settings settings
	line     *line
}

// NewClient makes a client; nothing is sent yet.
func NewClient(url string, options ...Option) (*Client, error) {
	settings := newSettings(options)
	at, err := parseAddress(url, settings.tls)
	if err != nil {
		return nil, err
	}
	return &Client{settings, newLine(at)}, nil
}

// Close ends the client: all calls fail with [Closed], also those under way.
func (c *Client) Close() error {
	c.line.close()
	return nil
}

// lane implements [lanes]. A callback is asked for each call.
func (c *Client) lane(ctx context.Context) (*line, string, error) {
	if c.line.isOver() {
		return nil, "", closedHere()
	}
	token, err := c.settings.token.fetch(ctx)
	return c.line, token.Text, err
}

func (c *Client) deadlines() *settings { return &c.settings }

// Publish says something to a target, without a session. With an [IdempotencyKey] it can be said again when nobody
// knows whether it has happened.
func (c *Client) Publish(
	ctx context.Context, namespace string, target Target, event string, payload any, options ...EmitOption,
) (Accepted, error) {
	request, err := Publication{namespace, target, event, payload, options}.wire()
	if err != nil {
		return Accepted{}, err
	}
	answer, err := call[rialtov1.PublishResponse](ctx, c, rialtov1.MessagingService_Publish_FullMethodName, request)
	return acceptedOf(answer.GetAccepted()), err
}

// Publication is an event to be published in a batch.
type Publication struct {
	Namespace string
	Target    Target
	Event     string
	// Payload is what [Room.Emit] takes.
	Payload any
	Options []EmitOption
}

func (p Publication) wire() (*rialtov1.PublishRequest, error) {
	made, err := newEmission(p.Target, p.Event, p.Payload, p.Options)
	if err != nil {
		return nil, err
	}
	request := &rialtov1.PublishRequest{
		Namespace: p.Namespace, Target: made.target.wire(), Content: made.content, Delivery: made.deliver(),
	}
	if made.key != nil {
		request.IdempotencyKey = *made.key
	}
	return request, nil
}

// PublishOutcome is what became of one event of a batch.
type PublishOutcome struct {
	Accepted Accepted
	// Err is the refusal; nil when the event was taken.
	Err error
}

// PublishBatch publishes up to 256 events, in order. Each is taken or refused by itself.
func (c *Client) PublishBatch(ctx context.Context, publications []Publication) ([]PublishOutcome, error) {
	if len(publications) > batchMax {
		return nil, invalid("a batch has at most %d events", batchMax)
	}
	request := &rialtov1.PublishBatchRequest{}
	for _, publication := range publications {
		entry, err := publication.wire()
		if err != nil {
			return nil, err
		}
		request.Entries = append(request.Entries, entry)
	}
	answer, err := call[rialtov1.PublishBatchResponse](ctx, c, rialtov1.MessagingService_PublishBatch_FullMethodName, request)
	if err != nil {
		return nil, err
	}
	if len(answer.GetOutcomes()) != len(publications) {
		return nil, other("the server gave another number of outcomes", nil)
	}
	var outcomes []PublishOutcome
	for _, outcome := range answer.GetOutcomes() {
		if refused := outcome.GetRefused(); refused != nil {
			outcomes = append(outcomes, PublishOutcome{Err: refusedBy(refused)})
		} else {
			outcomes = append(outcomes, PublishOutcome{Accepted: acceptedOf(outcome.GetAccepted())})
		}
	}
	return outcomes, nil
}

// Call asks one session, or any one member of a room, and gives its answer; see [Namespace.Call].
func (c *Client) Call(
	ctx context.Context, namespace string, callee Callee, event string, payload any, options ...EmitOption,
) (Reply, error) {
	made, err := newEmission(Target{}, event, payload, options)
	if err != nil {
		return Reply{}, err
	}
	if made.timeout <= 0 {
		made.timeout = repliesWanted
	}
	request := &rialtov1.CallRequest{
		Namespace: namespace, Content: made.content, Timeout: durationpb.New(made.timeout),
		Callee: &rialtov1.CallRequest_AnyOf{AnyOf: callee.AnyOf},
	}
	if callee.Session != "" {
		request.Callee = &rialtov1.CallRequest_Session{Session: callee.Session}
	}
	ctx, cancel := atLeast(ctx, made.timeout+serverGrace, &c.settings)
	defer cancel()
	answer, err := call[rialtov1.CallResponse](ctx, c, rialtov1.MessagingService_Call_FullMethodName, request)
	if err != nil {
		return Reply{}, err
	}
	return replyOf(answer.GetReply()), nil
}

// atLeast gives a call without a deadline of its own so much time, or more where that is the deadline of all calls.
func atLeast(ctx context.Context, span time.Duration, settings *settings) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, max(span, settings.deadline))
}

// History is what a room keeps.
func (c *Client) History(namespace, room string, options ...HistoryOption) *History {
	return newHistory(c, namespace, room, options)
}

// Presence is who is in a room.
func (c *Client) Presence(namespace, room string) *Presence {
	return &Presence{way: c, where: place{namespace, room}}
}

// State is the keyed state of a room.
func (c *Client) State(namespace, room string) *State {
	return &State{way: c, where: place{namespace, room}}
}

// Directory looks inside, and acts on what is there.
func (c *Client) Directory() *Directory { return &Directory{c} }

// Admin acts on who may come in.
func (c *Client) Admin() *Admin { return &Admin{c} }
