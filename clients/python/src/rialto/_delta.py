"""Payloads that come as differences: makes the payload that was sent, or says that it cannot; never
another one. Pure."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from dataclasses import dataclass

from . import v1

_DICTIONARY_BYTES = 32 << 10
_BASES_MAX = 4096
_BYTES_MAX = 16 << 20
_PAYLOAD_BYTES_MAX = 1 << 20

_Run = tuple[str, tuple[str, ...], str, str]


class Unmade(Exception):
    """The payload of an event cannot be made."""


@dataclass(frozen=True)
class _Base:
    event_id: str
    dictionary: bytes


class Deltas:
    """The end of the last payload of each run of events: same namespace, rooms, name and key."""

    def __init__(self) -> None:
        self._bases: OrderedDict[_Run, _Base] = OrderedDict()
        self._bytes = 0

    def forget(self) -> None:
        """A new session: the server does not know any more what this client has."""
        self._bases.clear()
        self._bytes = 0

    def restore(self, event: v1.Event) -> None:
        """Gives an event its payload, and remembers it for the next one.

        Raises `Unmade`; then the event is as it was.
        """
        run = (event.namespace, tuple(event.rooms), event.content.event, event.content.key)
        if event.HasField("delta"):
            base = self._bases.get(run)
            if base is None or base.event_id != event.delta.base_event_id:
                raise Unmade("the payload that it builds on is not here")
            self._fill(event, inflate(base.dictionary, event.delta.data))
        self._remember(run, event)

    @staticmethod
    def _fill(event: v1.Event, payload: bytes) -> None:
        if event.delta.text:
            try:
                event.content.text = payload.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Unmade("it is not UTF-8") from error
        else:
            event.content.binary = payload
        event.ClearField("delta")

    def _remember(self, run: _Run, event: v1.Event) -> None:
        content = event.content
        payload = content.text.encode() if content.WhichOneof("body") == "text" else content.binary
        self._drop(self._bases.pop(run, None))
        base = _Base(event.event_id, payload[-_DICTIONARY_BYTES:])
        self._bases[run] = base
        self._bytes += len(base.dictionary)
        while len(self._bases) > _BASES_MAX or self._bytes > _BYTES_MAX:
            self._drop(self._bases.popitem(last=False)[1])

    def _drop(self, base: _Base | None) -> None:
        self._bytes -= len(base.dictionary) if base else 0


def inflate(dictionary: bytes, data: bytes) -> bytes:
    """Raw DEFLATE with a preset dictionary, bounded. Raises `Unmade`."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS, zdict=dictionary)
    try:
        payload = stream.decompress(data, _PAYLOAD_BYTES_MAX + 1)
    except zlib.error as error:
        raise Unmade("it does not fit the payload that it builds on") from error
    if len(payload) > _PAYLOAD_BYTES_MAX or not stream.eof:
        raise Unmade("it does not fit the payload that it builds on")
    return payload
