"""Lines that go out."""

from __future__ import annotations

import json
import sys
from typing import Any

Json = dict[str, Any]


def done(id: int, what: Json | None) -> None:
    """A command has ended well."""
    _line({"id": id, "done": what or {}})


def failed(id: int, failure: Json) -> None:
    """A command has failed."""
    _line({"id": id, "failed": failure})


def tell(by: str, kind: str, what: object) -> None:
    """Something has happened to somebody."""
    _line({"by": by, kind: what})


def _line(line: Json) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()
