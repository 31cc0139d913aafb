package rialto

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// NamespaceSettings are what may be set for a namespace. Fields that are nil keep their default, or in an update the
// present value.
type NamespaceSettings struct {
	// FallingBehind is what becomes of events for a receiver whose outbox is full: "close", "drop" or "latest".
	FallingBehind *string
	// EmitRequiresMember: only members of a room may emit to it.
	EmitRequiresMember *bool
	// PayloadBytesMax is the largest payload, at most 1 MiB.
	PayloadBytesMax *uint32
	// RoomsMax is how many rooms may have members.
	RoomsMax *uint32
	// RoomEmitsPerSecond is how many events one room takes in a second.
	RoomEmitsPerSecond *uint32
	// DeliveryWindow is how long a busy room gathers events; at most 1 s, 0 is off.
	DeliveryWindow *time.Duration
	// History is where rooms keep one: "off", "memory" or "durable".
	History *string
	// HistoryEventsMax, HistoryBytesMax and HistoryAgeMax bound what the history of one room keeps.
	HistoryEventsMax *uint32
	HistoryBytesMax  *uint64
	HistoryAgeMax    *time.Duration
	// StateKeysMax is how many keys the state of one room may have.
	StateKeysMax *uint32
	// NATSIn and NATSOut are for programs that speak NATS: they may publish into rooms, and hear what is said.
	NATSIn, NATSOut *bool
	// KeysShared: idempotency keys of events that no room keeps hold on all nodes.
	KeysShared *bool
}

func (s NamespaceSettings) wire() (*rialtov1.NamespaceSettings, error) {
	made := &rialtov1.NamespaceSettings{
		EmitRequiresMember: s.EmitRequiresMember, PayloadBytesMax: s.PayloadBytesMax, RoomsMax: s.RoomsMax,
		RoomEmitsPerSecond: s.RoomEmitsPerSecond, DeliveryWindow: durationIf(s.DeliveryWindow),
		HistoryEventsMax: s.HistoryEventsMax, HistoryBytesMax: s.HistoryBytesMax, HistoryAgeMax: durationIf(s.HistoryAgeMax),
		StateKeysMax: s.StateKeysMax, NatsIn: s.NATSIn, NatsOut: s.NATSOut, KeysShared: s.KeysShared,
	}
	if s.FallingBehind != nil {
		value, ok := rialtov1.FallingBehind_value["FALLING_BEHIND_"+upper(*s.FallingBehind)]
		if !ok {
			return nil, invalid("%q is no policy for receivers that fall behind", *s.FallingBehind)
		}
		made.FallingBehind = rialtov1.FallingBehind(value).Enum()
	}
	if s.History != nil {
		value, ok := rialtov1.History_value["HISTORY_"+upper(*s.History)]
		if !ok {
			return nil, invalid("%q is no place for a history", *s.History)
		}
		made.History = rialtov1.History(value).Enum()
	}
	return made, nil
}

func namespaceSettingsOf(s *rialtov1.NamespaceSettings) NamespaceSettings {
	made := NamespaceSettings{
		EmitRequiresMember: s.EmitRequiresMember, PayloadBytesMax: s.PayloadBytesMax, RoomsMax: s.RoomsMax,
		RoomEmitsPerSecond: s.RoomEmitsPerSecond, DeliveryWindow: spanIf(s.GetDeliveryWindow()),
		HistoryEventsMax: s.HistoryEventsMax, HistoryBytesMax: s.HistoryBytesMax, HistoryAgeMax: spanIf(s.GetHistoryAgeMax()),
		StateKeysMax: s.StateKeysMax, NATSIn: s.NatsIn, NATSOut: s.NatsOut, KeysShared: s.KeysShared,
	}
	if s.FallingBehind != nil {
		word := lowerNamed(s.GetFallingBehind().String(), "FALLING_BEHIND_")
		made.FallingBehind = &word
	}
	if s.History != nil {
		word := lowerNamed(s.GetHistory().String(), "HISTORY_")
		made.History = &word
	}
	return made
}

// NamespaceInfo is a namespace with what holds in it.
type NamespaceInfo struct {
	Name string
	// Origin is "config", "pattern" or "api".
	Origin   string
	Settings NamespaceSettings
	// SessionCount is how many sessions are in it, RoomCount how many rooms have members.
	SessionCount, RoomCount uint32
}

func namespaceOf(namespace *rialtov1.Namespace) NamespaceInfo {
	info := NamespaceInfo{
		Name: namespace.GetNamespace(), Origin: lowerNamed(namespace.GetOrigin().String(), "NAMESPACE_ORIGIN_"),
		SessionCount: namespace.GetSessionCount(), RoomCount: namespace.GetRoomCount(),
	}
	if settings := namespace.GetSettings(); settings != nil {
		info.Settings = namespaceSettingsOf(settings)
	}
	return info
}

// Namespaces lists the namespaces that there are now, by name.
func (d *Directory) Namespaces(ctx context.Context, of PageOf) (Page[NamespaceInfo], error) {
	request := &rialtov1.ListNamespacesRequest{PageSize: of.Size, PageToken: of.Next}
	answer, err := call[rialtov1.ListNamespacesResponse](ctx, d.way, rialtov1.DirectoryService_ListNamespaces_FullMethodName, request)
	page := Page[NamespaceInfo]{
		Next: answer.GetNextPageToken(), TotalCount: answer.GetTotalCount(), NodesMissing: answer.GetNodesMissing(),
	}
	for _, namespace := range answer.GetNamespaces() {
		page.Items = append(page.Items, namespaceOf(namespace))
	}
	return page, err
}

// Namespace is one namespace, and the nodes that did not answer.
func (d *Directory) Namespace(ctx context.Context, name string) (NamespaceInfo, []string, error) {
	request := &rialtov1.GetNamespaceRequest{Namespace: name}
	answer, err := call[rialtov1.GetNamespaceResponse](ctx, d.way, rialtov1.DirectoryService_GetNamespace_FullMethodName, request)
	return namespaceOf(answer.GetNamespace()), answer.GetNodesMissing(), err
}

// CreateNamespace makes a namespace; it holds until it is deleted or the node starts again.
func (d *Directory) CreateNamespace(
	ctx context.Context, name string, settings NamespaceSettings,
) (NamespaceInfo, error) {
	wanted, err := settings.wire()
	if err != nil {
		return NamespaceInfo{}, err
	}
	request := &rialtov1.CreateNamespaceRequest{Namespace: name, Settings: wanted}
	answer, err := call[rialtov1.CreateNamespaceResponse](ctx, d.way, rialtov1.DirectoryService_CreateNamespace_FullMethodName, request)
	return namespaceOf(answer.GetNamespace()), err
}

// UpdateNamespace changes settings; they are in force for the next event.
func (d *Directory) UpdateNamespace(
	ctx context.Context, name string, settings NamespaceSettings,
) (NamespaceInfo, error) {
	wanted, err := settings.wire()
	if err != nil {
		return NamespaceInfo{}, err
	}
	request := &rialtov1.UpdateNamespaceRequest{Namespace: name, Settings: wanted}
	answer, err := call[rialtov1.UpdateNamespaceResponse](ctx, d.way, rialtov1.DirectoryService_UpdateNamespace_FullMethodName, request)
	return namespaceOf(answer.GetNamespace()), err
}

// DeleteNamespace deletes a namespace that the configuration does not name, and says how many sessions left it.
func (d *Directory) DeleteNamespace(ctx context.Context, name string) (uint32, error) {
	request := &rialtov1.DeleteNamespaceRequest{Namespace: name}
	answer, err := call[rialtov1.DeleteNamespaceResponse](ctx, d.way, rialtov1.DirectoryService_DeleteNamespace_FullMethodName, request)
	return answer.GetSessionsChanged(), err
}

func durationIf(span *time.Duration) *durationpb.Duration {
	if span == nil {
		return nil
	}
	return durationpb.New(*span)
}

func spanIf(duration *durationpb.Duration) *time.Duration {
	if duration == nil {
		return nil
	}
	length := span(duration)
	return &length
}
