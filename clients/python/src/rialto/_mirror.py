"""The state of a room that was joined with `state`, made of what the server says. Half a state is never
shown. Pure."""

from __future__ import annotations

from . import v1


class Mirror:
    """The keys of one room."""

    def __init__(self) -> None:
        self._epoch = ""
        self._entries: dict[str, v1.StateEntry] = {}
        self._gathered: dict[str, v1.StateEntry] | None = None
        """What comes anew and takes the place of the keys once it is whole."""
        self._known = False

    @property
    def current(self) -> dict[str, v1.StateEntry] | None:
        """The keys that there are; nothing before they were heard for the first time."""
        return dict(self._entries) if self._known else None

    def take(self, changes: v1.StateChanges) -> tuple[list[v1.StateEntry], bool] | None:
        """What became different, and whether that is all there is; nothing while more is to come, or
        nothing did."""
        if changes.reset or changes.epoch != self._epoch or not self._known:
            if changes.reset or changes.epoch != self._epoch or self._gathered is None:
                self._gathered = {}
            self._epoch = changes.epoch
        if self._gathered is None:
            return self._change(changes)
        _put(self._gathered, changes)
        return self._replace() if changes.complete else None

    def _change(self, changes: v1.StateChanges) -> tuple[list[v1.StateEntry], bool] | None:
        news = _put(self._entries, changes)
        return (news, False) if news else None

    def _replace(self) -> tuple[list[v1.StateEntry], bool] | None:
        before, first = self._entries, not self._known
        self._entries, self._gathered, self._known = self._gathered or {}, None, True
        if first:
            return list(self._entries.values()), True
        news = [entry for key, entry in self._entries.items() if not _same(before.get(key), entry)]
        gone = [v1.StateEntry(key=key) for key in before if key not in self._entries]
        return (news + gone, False) if news or gone else None


def _put(entries: dict[str, v1.StateEntry], changes: v1.StateChanges) -> list[v1.StateEntry]:
    news = []
    for entry in changes.entries:
        known = entries.get(entry.key)
        if known is not None and entry.revision <= known.revision:
            continue
        if entry.WhichOneof("body") is None:
            if entries.pop(entry.key, None) is None:
                continue
        else:
            entries[entry.key] = entry
        news.append(entry)
    return news


def _same(known: v1.StateEntry | None, entry: v1.StateEntry) -> bool:
    if known is None:
        return False
    alike = known.WhichOneof("body") == entry.WhichOneof("body") and known.content_type == entry.content_type
    return alike and known.text == entry.text and known.binary == entry.binary
