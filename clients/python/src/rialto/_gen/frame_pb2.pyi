from . import event_pb2 as _event_pb2
from . import room_pb2 as _room_pb2
from . import session_pb2 as _session_pb2
from . import state_pb2 as _state_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClientFrame(_message.Message):
    __slots__ = ("ref", "hello", "join", "part", "emit", "reply", "seen", "refresh", "ping", "pong", "enter", "leave", "bye", "set_state")
    REF_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    EMIT_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    ENTER_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    BYE_FIELD_NUMBER: _ClassVar[int]
    SET_STATE_FIELD_NUMBER: _ClassVar[int]
    ref: int
    hello: _session_pb2.Hello
    join: _room_pb2.Join
    part: _room_pb2.Part
    emit: _event_pb2.Emit
    reply: _event_pb2.Reply
    seen: _session_pb2.Seen
    refresh: _session_pb2.Refresh
    ping: _session_pb2.Ping
    pong: _session_pb2.Pong
    enter: _room_pb2.Enter
    leave: _room_pb2.Leave
    bye: _session_pb2.Bye
    set_state: _state_pb2.SetState
    def __init__(self, ref: _Optional[int] = ..., hello: _Optional[_Union[_session_pb2.Hello, _Mapping]] = ..., join: _Optional[_Union[_room_pb2.Join, _Mapping]] = ..., part: _Optional[_Union[_room_pb2.Part, _Mapping]] = ..., emit: _Optional[_Union[_event_pb2.Emit, _Mapping]] = ..., reply: _Optional[_Union[_event_pb2.Reply, _Mapping]] = ..., seen: _Optional[_Union[_session_pb2.Seen, _Mapping]] = ..., refresh: _Optional[_Union[_session_pb2.Refresh, _Mapping]] = ..., ping: _Optional[_Union[_session_pb2.Ping, _Mapping]] = ..., pong: _Optional[_Union[_session_pb2.Pong, _Mapping]] = ..., enter: _Optional[_Union[_room_pb2.Enter, _Mapping]] = ..., leave: _Optional[_Union[_room_pb2.Leave, _Mapping]] = ..., bye: _Optional[_Union[_session_pb2.Bye, _Mapping]] = ..., set_state: _Optional[_Union[_state_pb2.SetState, _Mapping]] = ...) -> None: ...

class ServerFrame(_message.Message):
    __slots__ = ("ref", "event", "welcome", "joined", "parted", "accepted", "refused", "replies", "replies_done", "presence", "missed", "refreshed", "ping", "pong", "drain", "close", "entered", "left", "state_changes", "state_set")
    REF_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    PARTED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    REPLIES_DONE_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    REFRESHED_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    ENTERED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    STATE_CHANGES_FIELD_NUMBER: _ClassVar[int]
    STATE_SET_FIELD_NUMBER: _ClassVar[int]
    ref: int
    event: _event_pb2.Event
    welcome: _session_pb2.Welcome
    joined: _room_pb2.Joined
    parted: _room_pb2.Parted
    accepted: _event_pb2.Accepted
    refused: _event_pb2.Refused
    replies: _event_pb2.Replies
    replies_done: _event_pb2.RepliesDone
    presence: _room_pb2.Presence
    missed: _session_pb2.Missed
    refreshed: _session_pb2.Refreshed
    ping: _session_pb2.Ping
    pong: _session_pb2.Pong
    drain: _session_pb2.Drain
    close: _session_pb2.Close
    entered: _room_pb2.Entered
    left: _room_pb2.Left
    state_changes: _state_pb2.StateChanges
    state_set: _state_pb2.StateSet
    def __init__(self, ref: _Optional[int] = ..., event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., welcome: _Optional[_Union[_session_pb2.Welcome, _Mapping]] = ..., joined: _Optional[_Union[_room_pb2.Joined, _Mapping]] = ..., parted: _Optional[_Union[_room_pb2.Parted, _Mapping]] = ..., accepted: _Optional[_Union[_event_pb2.Accepted, _Mapping]] = ..., refused: _Optional[_Union[_event_pb2.Refused, _Mapping]] = ..., replies: _Optional[_Union[_event_pb2.Replies, _Mapping]] = ..., replies_done: _Optional[_Union[_event_pb2.RepliesDone, _Mapping]] = ..., presence: _Optional[_Union[_room_pb2.Presence, _Mapping]] = ..., missed: _Optional[_Union[_session_pb2.Missed, _Mapping]] = ..., refreshed: _Optional[_Union[_session_pb2.Refreshed, _Mapping]] = ..., ping: _Optional[_Union[_session_pb2.Ping, _Mapping]] = ..., pong: _Optional[_Union[_session_pb2.Pong, _Mapping]] = ..., drain: _Optional[_Union[_session_pb2.Drain, _Mapping]] = ..., close: _Optional[_Union[_session_pb2.Close, _Mapping]] = ..., entered: _Optional[_Union[_room_pb2.Entered, _Mapping]] = ..., left: _Optional[_Union[_room_pb2.Left, _Mapping]] = ..., state_changes: _Optional[_Union[_state_pb2.StateChanges, _Mapping]] = ..., state_set: _Optional[_Union[_state_pb2.StateSet, _Mapping]] = ...) -> None: ...
