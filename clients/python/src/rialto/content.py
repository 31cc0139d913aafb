"""Payloads: what an application gives, and what it gets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Union

from .errors import RialtoError

Payload = Union[str, bytes, bytearray, memoryview, None, Mapping[str, Any], Sequence[Any], int, float, bool]
"""Text, bytes, nothing, or any other value, which is sent as JSON."""

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Encoded:
    """A payload as it is sent: text, bytes, or neither."""

    text: str | None = None
    binary: bytes | None = None
    content_type: str = ""


class Body(Protocol):
    """The part of a message that carries a payload."""

    text: str
    binary: bytes
    content_type: str


def encode(payload: Payload, content_type: str | None = None) -> Encoded:
    """A payload as it is sent. Raises `invalid` when it cannot be."""
    given = content_type or ""
    if payload is None:
        return Encoded(content_type=given)
    if isinstance(payload, str):
        return Encoded(text=_utf8(payload), content_type=given)
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return Encoded(binary=bytes(payload), content_type=given)
    try:
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise RialtoError("invalid", f"the payload is no text, no bytes and no JSON: {error}") from error
    return Encoded(text=_utf8(text), content_type=JSON_TYPE if content_type is None else content_type)


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RialtoError("invalid", "the payload has characters that are none") from error
    return text


def put(payload: Encoded, body: Body) -> None:
    """Puts a payload into a message."""
    if payload.text is not None:
        body.text = payload.text
    elif payload.binary is not None:
        body.binary = payload.binary
    body.content_type = payload.content_type


class Content:
    """A payload that came: text or bytes, as it was sent."""

    def __init__(self, text: str | None, binary: bytes, content_type: str) -> None:
        self._text = text
        self._binary = binary
        self.content_type = content_type
        """Media type; empty when none was given."""

    @classmethod
    def of(cls, body: Any) -> Content:
        """The payload of a message that has a body."""
        text = body.text if body.WhichOneof("body") == "text" else None
        return cls(text, body.binary, body.content_type)

    @property
    def is_text(self) -> bool:
        """Whether it was sent as text."""
        return self._text is not None

    @property
    def text(self) -> str | None:
        """As text; nothing when it was sent as bytes that are not UTF-8."""
        if self._text is not None:
            return self._text
        try:
            return self._binary.decode("utf-8")
        except UnicodeDecodeError:
            return None

    @property
    def bytes(self) -> bytes:
        """As bytes."""
        return self._binary if self._text is None else self._text.encode()

    def json(self) -> Any:
        """As JSON. Raises `ValueError` when it is none."""
        return json.loads(self.bytes)
