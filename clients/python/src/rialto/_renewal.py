"""Replaces a token before it ends, while a session is attached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ._feed import Feeds
from .reports import Report, TokenUnavailable
from .token import Credentials, Token

_PART_OF_LIFE = 0.8
_ASK_AGAIN = 5.0
_LIFE_MAX = 86_400.0 * 365
_APART = 1.0
"""Tokens that are over when they come are no reason to storm the callback."""


class Renewal:
    """Knows how long the token in force is good for."""

    def __init__(
        self, credentials: Credentials, token: Token, reports: Feeds[Report], in_force: Callable[[str], None]
    ) -> None:
        self._credentials = credentials
        self._reports = reports
        self._in_force = in_force
        self._changed = asyncio.Event()
        self._due: float | None = None
        self._lasts(token.life)

    def _lasts(self, life: float | None, at_least: float = 0.0) -> None:
        self._due = None
        if self._credentials.renewable and life is not None:
            span = max(at_least, min(life, _LIFE_MAX) * _PART_OF_LIFE)
            self._due = asyncio.get_running_loop().time() + span
        self._changed.set()

    def took(self, text: str, life: float | None) -> None:
        """The server has taken a new token, which is good for so many seconds."""
        self._in_force(text)
        self._lasts(life, _APART)

    async def run(self, hand_in: Callable[[str], None]) -> None:
        """Asks for a new token whenever one is due, and hands it in. For as long as the stream is there."""
        while True:
            self._changed.clear()
            if await self._is_due():
                await self._replace(hand_in)

    async def _is_due(self) -> bool:
        left = None if self._due is None else max(0.0, self._due - asyncio.get_running_loop().time())
        try:
            await asyncio.wait_for(self._changed.wait(), left)
        except asyncio.TimeoutError:
            return True
        return False

    async def _replace(self, hand_in: Callable[[str], None]) -> None:
        try:
            token = await self._credentials.fetch()
        except Exception as error:
            self._reports.tell(TokenUnavailable(error))
            self._due = asyncio.get_running_loop().time() + _ASK_AGAIN
            return
        # Until the server has said how long it is good for.
        self._lasts(token.life, _APART)
        hand_in(token.text)
