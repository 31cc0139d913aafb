package rialto

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// historyPageMax is the largest page that servers give.
const historyPageMax = 300

// History reads what a room keeps, whether the room was joined or not.
type History struct {
	way   lanes
	query historyQuery
}

type historyQuery struct {
	request *rialtov1.GetHistoryRequest
	newest  uint32
	starts  int
}

// HistoryOption says where a history is read from, and how far. Without a start it is read backward from the newest
// event.
type HistoryOption interface{ history(*historyQuery) }

type historyOption func(*historyQuery)

func (o historyOption) history(q *historyQuery) { o(q) }

func (n newest) history(q *historyQuery) {
	q.newest = uint32(n)
	q.starts++
}

// From reads forward, with the event of this offset first; 0: with the oldest that is kept.
func From(offset uint64) HistoryOption {
	return historyOption(func(q *historyQuery) {
		q.request.Start = &rialtov1.GetHistoryRequest_FromOffset{FromOffset: offset}
		q.starts++
	})
}

// Before reads backward, with the event before this offset first.
func Before(offset uint64) HistoryOption {
	return historyOption(func(q *historyQuery) {
		q.request.Start = &rialtov1.GetHistoryRequest_BeforeOffset{BeforeOffset: offset}
		q.starts++
	})
}

// Since reads forward, with the first event that was taken at this time or later.
func Since(at time.Time) HistoryOption {
	return historyOption(func(q *historyQuery) {
		q.request.Start = &rialtov1.GetHistoryRequest_Since{Since: timestamppb.New(at)}
		q.starts++
	})
}

// To ends with the event of this offset, when it is read forward.
func To(offset uint64) HistoryOption {
	return historyOption(func(q *historyQuery) { q.request.ToOffset = &offset })
}

// InEpoch reads this life of the history alone; another one is refused with POSITION_GONE.
func InEpoch(epoch string) HistoryOption {
	return historyOption(func(q *historyQuery) { q.request.Epoch = epoch })
}

// PageSize is how many events a page has: 50 if nothing is said, at most 300.
func PageSize(events uint32) HistoryOption {
	return historyOption(func(q *historyQuery) { q.request.PageSize = &events })
}

func newHistory(way lanes, namespace, room string, options []HistoryOption) *History {
	query := historyQuery{request: &rialtov1.GetHistoryRequest{Namespace: namespace, Room: room}}
	for _, option := range options {
		option.history(&query)
	}
	return &History{way: way, query: query}
}

// HistoryPage is some of a history.
type HistoryPage struct {
	// Events by rising offset.
	Events []*Event
	// Next asks for the page that follows; empty when there is none.
	Next string
	// Epoch is the life of the history; empty when the room keeps none, or never had an event.
	Epoch string
	// FirstOffset is that of the oldest event that is kept, NextOffset the one that the next event will have.
	FirstOffset, NextOffset uint64
}

// Page gives one page: the first, or the one that the page before has named as Next.
func (h *History) Page(ctx context.Context, next string) (HistoryPage, error) {
	if h.query.starts > 1 {
		return HistoryPage{}, invalid("a history has one start")
	}
	request := proto.CloneOf(h.query.request)
	request.PageToken = next
	if h.query.newest > 0 && request.PageSize == nil {
		request.PageSize = proto.Uint32(min(h.query.newest, historyPageMax))
	}
	answer, err := call[rialtov1.GetHistoryResponse](ctx, h.way, rialtov1.RoomService_GetHistory_FullMethodName, request)
	if err != nil {
		return HistoryPage{}, err
	}
	page := HistoryPage{
		Next: answer.GetNextPageToken(), Epoch: answer.GetEpoch(),
		FirstOffset: answer.GetFirstOffset(), NextOffset: answer.GetNextOffset(),
	}
	for _, event := range answer.GetEvents() {
		made := eventOf(event)
		made.Past = true
		page.Events = append(page.Events, made)
	}
	return page, nil
}

// Pages gives one page after the other until there is none, or one fails. With [Newest] it ends once there are so many
// events.
func (h *History) Pages(ctx context.Context) *Stream[HistoryPage] {
	return produce(ctx, 1, func(ctx context.Context, give func(HistoryPage) bool) error {
		left := int(h.query.newest)
		for next := ""; ; {
			page, err := h.Page(ctx, next)
			if err != nil {
				return err
			}
			if h.query.newest > 0 {
				page.Events = page.Events[max(0, len(page.Events)-left):]
				left -= len(page.Events)
			}
			next = page.Next
			if !give(page) || next == "" || (h.query.newest > 0 && left == 0) {
				return nil
			}
		}
	})
}

// All gives the events of all pages, by rising offset. It is meant with [Newest], or from an offset that is near: a
// whole history may be large.
func (h *History) All(ctx context.Context) ([]*Event, error) {
	pages := h.Pages(ctx)
	defer pages.Close()
	var all []*Event
	for page := range pages.C {
		if h.goesForward() {
			all = append(all, page.Events...)
		} else {
			all = slices.Concat(page.Events, all)
		}
	}
	return all, pages.Err()
}

func (h *History) goesForward() bool {
	switch h.query.request.GetStart().(type) {
	case *rialtov1.GetHistoryRequest_FromOffset, *rialtov1.GetHistoryRequest_Since:
		return true
	}
	return false
}
