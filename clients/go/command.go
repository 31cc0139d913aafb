package rialto

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// commandBytesMax is more than any server takes in one command: 1 MiB of payload and what may stand around it.
const commandBytesMax = 1<<20 + 60<<10

// purpose says who waits for the answer to a command.
type purpose int

const (
	// asked: a caller waits for one answer.
	asked purpose = iota
	// rejoins: the session joins its rooms again.
	rejoins
	// mends: the session asks for a room as a whole that it is in.
	mends
	// renews: the session hands in a new token.
	renews
)

// command is something to be said over the session's stream, from its beginning to its one outcome.
type command struct {
	frame   *rialtov1.ClientFrame
	bytes   int
	purpose purpose
	// answers take what comes after Accepted, for an emit that asks.
	answers *Replies
	// session is the only one that a reply may go to.
	session string

	outcome chan outcome
	settled atomic.Bool
	// given up: nobody waits for the outcome any more.
	abandoned atomic.Bool

	// What follows belongs to the backlog or to the engine, whichever has the command.

	ref uint32
	// sentAt is when it was handed to a connection for the first time.
	sentAt time.Time
	// taken: a question that was taken, and whose answers are still to come.
	taken bool
}

type outcome struct {
	frame *rialtov1.ServerFrame
	err   *Error
}

// newCommand takes one of the commands of the contract.
func newCommand(frame *rialtov1.ClientFrame) *command {
	return &command{frame: frame, bytes: proto.Size(frame), outcome: make(chan outcome, 1)}
}

func joinCommand(join *rialtov1.Join) *command {
	return newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Join{Join: join}})
}

func enterCommand(namespace string) *command {
	enter := &rialtov1.Enter{Namespace: namespace}
	return newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Enter{Enter: enter}})
}

func pingCommand() *command {
	return newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Ping{Ping: &rialtov1.Ping{}}})
}

func refreshCommand(token string) *command {
	refresh := &rialtov1.Refresh{Token: token}
	return newCommand(&rialtov1.ClientFrame{Command: &rialtov1.ClientFrame_Refresh{Refresh: refresh}})
}

// end gives the outcome; only the first one counts.
func (c *command) end(frame *rialtov1.ServerFrame, err *Error) {
	if c.settled.CompareAndSwap(false, true) {
		c.outcome <- outcome{frame, err}
	}
}

// fits turns down what would cost the whole stream.
func (c *command) fits() error {
	if c.bytes <= commandBytesMax {
		return nil
	}
	return &Error{
		Kind: Refused, Code: "PAYLOAD_TOO_LARGE", Advice: Never, Limit: "payload_bytes_max",
		Reason: fmt.Sprintf("a command of %d bytes is more than any server takes", c.bytes),
	}
}

func (c *command) emit() *rialtov1.Emit { return c.frame.GetEmit() }

func (c *command) isVolatile() bool {
	return c.emit().GetDelivery() == rialtov1.Delivery_DELIVERY_VOLATILE
}

func (c *command) isReply() bool { return c.frame.GetReply() != nil }

// isMembership holds for commands whose answers the session needs too, also when their callers have given up.
func (c *command) isMembership() bool {
	switch c.frame.GetCommand().(type) {
	case *rialtov1.ClientFrame_Join, *rialtov1.ClientFrame_Part, *rialtov1.ClientFrame_Enter, *rialtov1.ClientFrame_Leave:
		return true
	}
	return false
}

// fitsAnswer holds when an answer is of the kind that this command has.
func (c *command) fitsAnswer(frame *rialtov1.ServerFrame) bool {
	var fits bool
	switch c.frame.GetCommand().(type) {
	case *rialtov1.ClientFrame_Join:
		fits = frame.GetJoined() != nil
	case *rialtov1.ClientFrame_Part:
		fits = frame.GetParted() != nil
	case *rialtov1.ClientFrame_Enter:
		fits = frame.GetEntered() != nil
	case *rialtov1.ClientFrame_Leave:
		fits = frame.GetLeft() != nil
	case *rialtov1.ClientFrame_Emit:
		fits = frame.GetAccepted() != nil
	case *rialtov1.ClientFrame_SetState:
		fits = frame.GetStateSet() != nil
	case *rialtov1.ClientFrame_Refresh:
		fits = frame.GetRefreshed() != nil
	case *rialtov1.ClientFrame_Ping:
		fits = frame.GetPong() != nil
	}
	return fits || frame.GetRefused() != nil
}

// randomName is a name that nobody else has: 32 hexadecimal digits.
func randomName() string {
	var bytes [16]byte
	_, _ = rand.Read(bytes[:])
	return hex.EncodeToString(bytes[:])
}
