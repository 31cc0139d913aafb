"""Pages: what the server gives of a long list at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a list."""

    items: list[T]
    """In the order of the list."""
    next: str = ""
    """Asks for the next page as `page_token`; empty when this is the last."""
    nodes_missing: list[str] = field(default_factory=list)
    """Nodes that did not answer: what is with them is not here."""
    total: int | None = None
    """How many there are in all, where the server says so."""


async def over_all(page: Callable[[str], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """The items of all pages."""
    token = ""
    while True:
        found = await page(token)
        for item in found.items:
            yield item
        if not found.next:
            return
        token = found.next
