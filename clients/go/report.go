package rialto

import "sync"

// Report is something that has happened to a session, apart from events: one of the types that are named Report… in
// this package.
type Report interface{ report() }

// MissedCause says why events are missed.
type MissedCause string

// The causes.
const (
	// MissedSaid: the server says so.
	MissedSaid MissedCause = "said"
	// MissedAfresh: there is another session, and nothing says what came between.
	MissedAfresh MissedCause = "afresh"
	// MissedDelta: an event could not be made whole.
	MissedDelta MissedCause = "delta"
)

type (
	// ReportReconnected: the session is attached again.
	ReportReconnected struct {
		// Before and Now are the ids of the session.
		Before, Now string
		// Resumed holds when it is the same session: nothing was lost.
		Resumed bool
		// Cause is why the stream before has ended.
		Cause error
	}
	// ReportRejoined: a new session is in these rooms again.
	ReportRejoined struct {
		Namespace string
		Rooms     []RoomState
	}
	// ReportRejoinRefused: a new session is not in a room again, and does not try any more.
	ReportRejoinRefused struct {
		// Room is empty when it is about the whole namespace.
		Namespace, Room string
		// Refusal says why.
		Refusal *Error
	}
	// ReportMissed: events do not come, or may not have come.
	ReportMissed struct {
		Namespace string
		// Rooms are empty for events to sessions, users or everyone.
		Rooms []string
		// Count is how many; 0: that is not known.
		Count uint32
		// From and To are the offsets of the first and of the last in the history; 0: not known.
		From, To uint64
		// Epoch is the life of the history in which the offsets count.
		Epoch string
		Cause MissedCause
	}
	// ReportJoined: somebody else had the session join rooms.
	ReportJoined struct {
		Namespace string
		Rooms     []string
	}
	// ReportParted: somebody else had the session part rooms, or leave the whole namespace when none is named.
	ReportParted struct {
		Namespace string
		Rooms     []string
	}
	// ReportRefused: something was refused whose answer nobody waits for, as an answer to an event.
	ReportRefused struct{ Refusal *Error }
	// ReportTokenUnavailable: the callback for tokens has failed; it is asked again after 5 s.
	ReportTokenUnavailable struct{ Cause error }
	// ReportDraining: the node will stop, and the session moves to another one.
	ReportDraining struct{}
	// ReportOverlooked: so many reports were not read in time.
	ReportOverlooked struct{ Count int }
)

func (ReportReconnected) report()      {}
func (ReportRejoined) report()         {}
func (ReportRejoinRefused) report()    {}
func (ReportMissed) report()           {}
func (ReportJoined) report()           {}
func (ReportParted) report()           {}
func (ReportRefused) report()          {}
func (ReportTokenUnavailable) report() {}
func (ReportDraining) report()         {}
func (ReportOverlooked) report()       {}

// reporter tells reports to all who want to know. A reader that is behind loses the oldest, and is told how many.
type reporter struct {
	mu      sync.Mutex
	over    bool
	readers []*reader
}

type reader struct {
	*queue[Report]
	overlooked int
}

func (r *reporter) listen() *Stream[Report] {
	r.mu.Lock()
	defer r.mu.Unlock()
	listening := &reader{queue: newQueue[Report](reportsKept)}
	if r.over {
		listening.end(nil)
	} else {
		r.readers = append(r.present(), listening)
	}
	return listening.stream()
}

func (r *reporter) present() (present []*reader) {
	for _, reader := range r.readers {
		if !reader.isGone() {
			present = append(present, reader)
		}
	}
	return present
}

func (r *reporter) tell(report Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reader := range r.readers {
		if reader.overlooked > 0 && reader.offer(ReportOverlooked{reader.overlooked}) {
			reader.overlooked = 0
		}
		reader.overlooked += reader.shove(report)
	}
}

func (r *reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, reader := range r.readers {
		reader.end(nil)
	}
	r.readers = nil
}
