"""Presence and state, made of what the server says."""

import unittest

from rialto import v1
from rialto._mirror import Mirror
from rialto.presence import PresenceView


def member(session: str, *, away: bool = False) -> v1.Member:
    return v1.Member(who=v1.Sender(session=session, user=session), away=away)


def entry(key: str, text: str | None, revision: int) -> v1.StateEntry:
    made = v1.StateEntry(key=key, revision=revision)
    if text is not None:
        made.text = text
    return made


def changes(
    *entries: v1.StateEntry, reset: bool = False, complete: bool = False, epoch: str = "e"
) -> v1.StateChanges:
    return v1.StateChanges(epoch=epoch, entries=entries, reset=reset, complete=complete)


class PresenceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.view = PresenceView()
        self.found("a", "b")

    def found(self, *sessions: str) -> v1.Presence | None:
        members = [member(session) for session in sessions]
        count = len(sessions)
        state = v1.RoomState(room="hall", members=members, member_count=count, user_count=count)
        return self.view.found("chat", state)

    def test_who_comes_is_away_and_goes_is_followed(self) -> None:
        self.view.changed(v1.Presence(joined=[member("c")], member_count=3, user_count=3))
        self.view.changed(v1.Presence(joined=[member("a", away=True)], member_count=3, user_count=3))
        self.view.changed(v1.Presence(left=[v1.Sender(session="b")], member_count=2, user_count=2))
        present = self.view.current
        self.assertEqual({id: m.away for id, m in present.members.items()}, {"a": True, "c": False})
        self.assertTrue(present.complete)

    def test_as_many_as_there_are_take_the_place_of_all(self) -> None:
        self.view.changed(v1.Presence(joined=[member("x")], member_count=1, user_count=1))
        self.assertEqual(list(self.view.current.members), ["x"])

    def test_what_became_different_between_two_joins_is_told(self) -> None:
        self.assertIsNone(self.found("a", "b"))
        told = self.found("b", "c")
        assert told is not None
        self.assertEqual([each.who.session for each in told.joined], ["c"])
        self.assertEqual([gone.session for gone in told.left], ["a"])
        counted = self.view.found("chat", v1.RoomState(room="hall", member_count=900, user_count=9))
        assert counted is not None
        self.assertEqual((list(counted.joined), list(counted.left), counted.member_count), ([], [], 900))

    def test_a_large_room_is_counted(self) -> None:
        self.view.changed(v1.Presence(member_count=300, user_count=200))
        self.assertEqual((self.view.current.sessions, self.view.current.complete), (300, False))
        self.assertFalse(self.view.disagrees)
        self.view.changed(v1.Presence(member_count=256, user_count=200))
        self.assertTrue(self.view.disagrees)


class MirrorTest(unittest.TestCase):
    def setUp(self) -> None:
        self.mirror = Mirror()

    def test_half_a_state_is_never_shown(self) -> None:
        self.assertIsNone(self.mirror.take(changes(entry("a", "1", 1), reset=True)))
        self.assertIsNone(self.mirror.current)
        told = self.mirror.take(changes(entry("b", "1", 2), complete=True))
        assert told is not None
        self.assertEqual(([each.key for each in told[0]], told[1]), (["a", "b"], True))

    def test_changes_follow_and_older_ones_are_passed_over(self) -> None:
        self.mirror.take(changes(entry("a", "1", 5), reset=True, complete=True))
        self.assertIsNone(self.mirror.take(changes(entry("a", "0", 5))))
        told = self.mirror.take(changes(entry("a", "2", 6)))
        assert told is not None
        self.assertEqual((told[0][0].text, told[1]), ("2", False))
        gone = self.mirror.take(changes(entry("a", None, 7)))
        self.assertIsNotNone(gone)
        self.assertEqual(self.mirror.current, {})

    def test_after_a_new_session_only_what_differs_is_told(self) -> None:
        self.mirror.take(
            changes(entry("a", "1", 1), entry("b", "1", 2), entry("c", "1", 3), reset=True, complete=True)
        )
        anew = changes(entry("a", "1", 1), entry("b", "2", 4), reset=True, complete=True, epoch="f")
        told = self.mirror.take(anew)
        assert told is not None
        self.assertEqual({each.key: each.WhichOneof("body") for each in told[0]}, {"b": "text", "c": None})
        self.assertFalse(told[1])

    def test_an_empty_state_is_told_once(self) -> None:
        self.assertEqual(self.mirror.take(changes(reset=True, complete=True)), ([], True))
        self.assertIsNone(self.mirror.take(changes(reset=True, complete=True)))


if __name__ == "__main__":
    unittest.main()
