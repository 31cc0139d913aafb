"""Tokens: absent, fixed, or from a callback."""

from __future__ import annotations

import base64
import inspect
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Union

from .errors import RialtoError

_EXP_MAX = 1e12


@dataclass(frozen=True)
class Token:
    """A token, and how long it is good for."""

    text: str = field(repr=False)
    expires_in: float | None = None
    """Seconds. Without them `exp` of a JWT is read, and nothing else of it."""

    @property
    def life(self) -> float | None:
        """Seconds that it is good for from now on; nothing when that is not known."""
        return self.expires_in if self.expires_in is not None else _life_of_jwt(self.text)


TokenSource = Union[None, str, Callable[[], Union[str, Token, Awaitable[Union[str, Token]]]]]
"""A token as text, or a function that is asked for one; it may be a coroutine function."""


class Credentials:
    """Where tokens come from."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    @property
    def renewable(self) -> bool:
        """Whether there is somebody to ask for a new one."""
        return callable(self._source)

    def replace(self, text: str) -> None:
        """The application has handed in another fixed token."""
        if not self.renewable:
            self._source = text

    async def fetch(self) -> Token:
        """The token for what is begun now; an empty one when there is none. Raises what the callback
        raises."""
        if not callable(self._source):
            return Token(self._source or "")
        given = self._source()
        if inspect.isawaitable(given):
            given = await given
        return given if isinstance(given, Token) else Token(given)

    async def fetch_to_begin(self) -> Token:
        """The same, where without one nothing can be begun: raises `unavailable`."""
        try:
            return await self.fetch()
        except RialtoError:
            raise
        except Exception as error:
            raise RialtoError("unavailable", f"there is no token: {error}") from error


def _life_of_jwt(text: str) -> float | None:
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    exp = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(exp, bool) or not isinstance(exp, (int, float)) or not 0 <= exp <= _EXP_MAX:
        return None
    return max(0.0, exp - time.time())
