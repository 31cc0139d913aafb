"""One command as it comes in, and its arguments by their kinds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Command:
    """What is to be done, by whom."""

    id: int
    by: str
    verb: str
    arguments: dict[str, Any]

    @classmethod
    def read(cls, line: bytes) -> Command:
        """Reads a line."""
        arguments = json.loads(line)
        return cls(arguments.pop("id"), arguments.pop("by", ""), arguments.pop("do"), arguments)

    def of(self, arguments: dict[str, Any]) -> Command:
        """The same command with a table of it as its arguments."""
        return replace(self, arguments=arguments)

    def get(self, key: str, default: Any = None) -> Any:
        """An argument, if it is there."""
        return self.arguments.get(key, default)

    def text(self, key: str) -> str:
        """A text; empty when it is absent."""
        return str(self.arguments.get(key, ""))

    def span(self, key: str) -> float | None:
        """A span of time in seconds, given in milliseconds."""
        milliseconds = self.arguments.get(key)
        return None if milliseconds is None else milliseconds / 1000

    def given(self, **names: str) -> dict[str, Any]:
        """Those arguments that are there, under other names."""
        return {name: self.arguments[key] for name, key in names.items() if key in self.arguments}
