"""Commands that have a number and no answer yet. Says what goes out again when the session goes on, and
when it was lost. Pure."""

from __future__ import annotations

from collections import deque

from . import v1
from ._command import Command, Purpose
from .errors import RialtoError

_COMMANDS_MAX = 256
_BYTES_MAX = 1 << 20
_KEYS_KNOWN = 4 * 60.0
"""Servers know a key for five minutes; the rest is for the way."""
_REFS_SPARE = 1 << 16
_LAST_REF = (1 << 32) - 1
_REMEMBERED_MAX = 1024
_REPLIES_WITHOUT_SIGN = 64


class Outstanding:
    """Commands without an answer, by their numbers."""

    def __init__(self) -> None:
        self._entries: dict[int, Command] = {}
        self._last_ref = 0
        self._count = 0
        self._bytes = 0
        self._replies: deque[Command] = deque()
        """Nothing answers a reply: it is known to be taken by what comes after it."""
        self._signs = 0

    @property
    def used_up(self) -> bool:
        """The session has no more numbers to speak of."""
        return self._last_ref >= _LAST_REF - _REFS_SPARE

    @property
    def quiet(self) -> bool:
        """No command waits for its answer and no question is open."""
        return all(command.kind == "reply" for command in self._entries.values())

    @property
    def wants_sign(self) -> bool:
        """So many replies have left that the server is to say how far it has taken them."""
        return len(self._replies) >= _REPLIES_WITHOUT_SIGN and self._signs == 0

    def has_room(self, size: int) -> bool:
        """Whether one more may be on its way; one alone may have any size."""
        return self._count == 0 or (self._count < _COMMANDS_MAX and self._bytes + size <= _BYTES_MAX)

    def leave(self, command: Command, now: float) -> v1.ClientFrame:
        """Gives a command that leaves its number, unless it has one. Returns its frame."""
        if command.sent_at is None:
            command.sent_at = now
        if command.frame.ref == 0:
            self._last_ref += 1
            command.frame.ref = self._last_ref
            self._entries[self._last_ref] = command
            self._count += 1
            self._bytes += command.size
            self._note_reply(command)
        return command.frame

    def _note_reply(self, command: Command) -> None:
        if command.kind == "reply":
            self._replies.append(command)
        elif command.purpose is Purpose.SIGN:
            self._signs += 1

    def answers(self, ref: int) -> Command | None:
        """The command that a frame answers, and what is known by that: those before it were taken."""
        self._taken_to(ref)
        return self._entries.get(ref)

    def accepted(self, command: Command) -> None:
        """A question was taken: it is not sent again, and its place is free."""
        if not command.taken:
            command.taken = True
            self._free(command)

    def settle(self, command: Command) -> None:
        """No more answers come to this one."""
        if self._entries.pop(command.frame.ref, None) is None:
            return
        if not command.taken:
            self._free(command)
        if command.purpose is Purpose.SIGN:
            self._signs -= 1

    def _free(self, command: Command) -> None:
        self._count -= 1
        self._bytes -= command.size

    def _taken_to(self, ref: int) -> None:
        while self._replies and self._replies[0].frame.ref < ref:
            self.settle(self._replies.popleft())

    def resume(self, last_ref: int) -> list[Command]:
        """The session goes on, and the server has taken commands up to there. Returns those that are sent
        again."""
        self._taken_to(last_ref + 1)
        again = []
        for command in list(self._entries.values()):
            if command.frame.ref <= last_ref or command.taken:
                continue
            if command.volatile or command.kind == "refresh":
                self.settle(command)
                command.fail(RialtoError("unavailable", "the connection broke before it arrived"))
            elif command.abandoned and not command.moves:
                self.settle(command)
            else:
                again.append(command)
        return again

    def restart(self, now: float) -> list[Command]:
        """The session is lost: numbers begin anew. Returns what is sent again, without numbers; the others
        have failed."""
        return [command for command in self.clear() if goes_again(command, now)]

    def clear(self) -> list[Command]:
        """Nothing will be sent any more: takes all out."""
        entries = list(self._entries.values())
        self._entries.clear()
        self._replies.clear()
        self._last_ref = self._count = self._bytes = self._signs = 0
        return entries

    def sweep(self) -> None:
        """Forgets those whose callers have given up. What changes membership is remembered, for it holds
        all the same, unless the server leaves so many unanswered that it cannot be in order."""
        given_up = [command for command in self._entries.values() if command.abandoned]
        moves = [command for command in given_up if command.moves or command.kind == "refresh"]
        spared = set(moves[-_REMEMBERED_MAX:])
        for command in given_up:
            if command not in spared:
                self.settle(command)


def goes_again(command: Command, now: float) -> bool:
    """Whether a command of a session that is lost is said to the next one; otherwise it has failed."""
    command.frame.ref = 0
    if command.purpose is not Purpose.APPLICATION or command.abandoned:
        return False
    if command.moves or command.kind == "ping":
        return True
    young = command.sent_at is None or now - command.sent_at < _KEYS_KNOWN
    if command.keyed and not command.volatile and not command.taken and young:
        return True
    if command.kind != "reply":
        command.fail(RialtoError("unknown_outcome", "the session was lost before the answer"))
    return False
