"""How far rooms were handed on."""

import unittest

from rialto import v1
from rialto._membership import Membership, Wishes, join_of, one_by_one
from rialto._positions import Position, Positions


def joined(*, offset: int | None = 7, epoch: str = "e", first: int = 1, recovery: int = 0) -> v1.Joined:
    state = v1.RoomState(room="a", epoch=epoch, offset=offset, first_offset=first)
    state.recovery = recovery  # type: ignore[assignment]
    return v1.Joined(namespace="chat", rooms=[state])


def join(positions: Positions | None = None, newest: int = 0) -> v1.Join:
    recover = positions.to_recover("chat", ["a"]) if positions else []
    made = join_of("chat", ["a"], Wishes(), recover)
    made.newest = newest
    return made


def event(offset: int, *, epoch: str = "e", session: str = "other") -> v1.Event:
    sender = v1.Sender(session=session)
    return v1.Event(namespace="chat", rooms=["a"], offset=offset, epoch=epoch, sender=sender)


def wide(offset: int) -> v1.Event:
    positions = [v1.RoomPosition(room="a", epoch="e", offset=offset)]
    return v1.Event(namespace="chat", rooms=["a", "b"], positions=positions)


class PositionsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.positions = Positions()
        self.positions.joined(join(), joined())

    def at(self) -> int:
        position = self.positions.of("chat", "a")
        assert position is not None
        return position.offset

    def test_a_new_member_begins_where_the_history_ends(self) -> None:
        self.assertEqual(self.positions.of("chat", "a"), Position("e", 7))
        self.assertFalse(self.positions.heard(event(7)).new)
        self.assertTrue(self.positions.heard(event(8)).new)
        self.assertEqual(self.at(), 8)

    def test_the_newest_are_still_to_come_and_are_past(self) -> None:
        positions = Positions()
        positions.joined(join(newest=3), joined(first=6))
        self.assertEqual(positions.of("chat", "a"), Position("e", 5))
        self.assertEqual([positions.heard(event(n)).past for n in (6, 7, 8)], [True, True, False])

    def test_a_room_without_history_has_no_position(self) -> None:
        self.positions.joined(join(), joined(offset=None))
        self.assertIsNone(self.positions.of("chat", "a"))

    def test_to_join_again_as_a_member_changes_nothing(self) -> None:
        self.positions.heard(event(8))
        self.positions.joined(join(newest=5), joined(offset=9))
        self.assertEqual(self.at(), 8)

    def test_an_event_of_several_rooms_is_marked_until_those_before_it_came(self) -> None:
        self.assertTrue(self.positions.heard(wide(9)).new)
        self.assertEqual(self.at(), 7)
        self.assertFalse(self.positions.heard(wide(9)).new)
        self.positions.heard(event(8))
        self.assertEqual(self.at(), 9)

    def test_an_own_emit_is_marked_and_does_not_move_the_position_over_others(self) -> None:
        emit = v1.Emit(namespace="chat", target=v1.Target(rooms=["a"]))
        self.positions.accepted(emit, v1.Accepted(offset=9, epoch="e"))
        self.assertEqual(self.at(), 7)
        self.assertTrue(self.positions.heard(event(8)).new)
        self.assertEqual(self.at(), 9)

    def test_what_is_missed_will_not_come(self) -> None:
        self.positions.missed(v1.Missed(namespace="chat", rooms=["a"], to_offset=12, epoch="other"))
        self.assertEqual(self.at(), 7)
        self.positions.missed(v1.Missed(namespace="chat", rooms=["a"], to_offset=12, epoch="e"))
        self.assertEqual(self.at(), 12)

    def test_a_history_that_had_not_begun_takes_the_epoch_of_its_first_event(self) -> None:
        positions = Positions()
        positions.joined(join(), joined(offset=0, epoch="", first=1))
        self.assertTrue(positions.heard(event(1)).new)
        self.assertEqual(positions.of("chat", "a"), Position("e", 1))

    def test_another_epoch_begins_anew(self) -> None:
        self.assertTrue(self.positions.heard(event(3, epoch="f")).new)
        self.assertEqual(self.positions.of("chat", "a"), Position("f", 3))

    def test_a_whole_recovery_goes_on_where_it_was(self) -> None:
        self.positions.joined(join(self.positions), joined(offset=9, recovery=v1.RECOVERY_WHOLE))
        self.assertEqual(self.at(), 7)
        heard = self.positions.heard(event(8))
        self.assertTrue(heard.new and heard.past)

    def test_of_another_life_all_that_is_kept_comes(self) -> None:
        self.positions.joined(
            join(self.positions), joined(offset=9, epoch="f", first=4, recovery=v1.RECOVERY_LOST)
        )
        self.assertEqual(self.positions.of("chat", "a"), Position("f", 3))

    def test_without_the_right_to_recover_the_position_stays(self) -> None:
        self.positions.joined(join(self.positions), joined(offset=9, recovery=v1.RECOVERY_LOST))
        self.assertEqual(self.at(), 7)

    def test_so_does_one_that_the_application_has_kept(self) -> None:
        kept, self.positions = join(self.positions), Positions()
        self.positions.joined(kept, joined(offset=9, first=4, recovery=v1.RECOVERY_LOST))
        self.assertEqual(self.at(), 7)

    def test_what_a_former_session_has_said_is_not_heard_when_it_is_recovered(self) -> None:
        self.positions.ended("mine")
        self.positions.joined(join(self.positions), joined(offset=9, recovery=v1.RECOVERY_WHOLE))
        self.assertFalse(self.positions.heard(event(8, session="mine")).new)
        self.assertTrue(self.positions.heard(event(9)).new)
        self.assertTrue(self.positions.heard(event(10, session="mine")).new)

    def test_marks_are_bounded_and_the_oldest_is_forgotten(self) -> None:
        for offset in range(9, 9 + 2 * 80, 2):
            self.positions.heard(wide(offset))
        self.assertEqual(self.at(), 7)
        self.assertTrue(self.positions.heard(wide(9)).new)

    def test_the_position_is_told_after_the_room_was_left(self) -> None:
        self.positions.parted("chat", ["a"])
        self.assertEqual(self.positions.of("chat", "a"), Position("e", 7))
        self.assertEqual(self.positions.to_recover("chat", ["a"]), [])


class MembershipTest(unittest.TestCase):
    def test_wishes_of_several_joins_add_up(self) -> None:
        membership = Membership()
        membership.joined(join_of("chat", ["a", "b"], Wishes(presence=True), []))
        membership.joined(join_of("chat", ["b"], Wishes(delta=True), []))
        joins = membership.joins(Positions())
        self.assertEqual(
            [(list(j.rooms), j.presence, j.delta) for j in joins], [(["a"], True, False), (["b"], True, True)]
        )
        self.assertTrue(membership.takes_deltas("chat", ["x", "b"]))

    def test_no_command_names_more_rooms_than_the_server_takes(self) -> None:
        membership = Membership()
        for number in range(130):
            membership.joined(join_of("chat", [str(number)], Wishes(), []))
        self.assertEqual([len(j.rooms) for j in membership.joins(Positions())], [64, 64, 2])

    def test_a_namespace_stays_entered_when_its_last_room_is_parted(self) -> None:
        membership = Membership()
        membership.joined(join_of("chat", ["a"], Wishes(), []))
        membership.parted("chat", ["a"])
        self.assertEqual([enter.namespace for enter in membership.enters()], ["chat"])
        membership.left("chat")
        self.assertEqual(list(membership.enters()), [])

    def test_what_others_have_joined_is_not_returned_to(self) -> None:
        membership = Membership()
        membership.brought("chat", ["a"])
        self.assertTrue(membership.is_in("chat", "a"))
        self.assertEqual(membership.joins(Positions()), [])
        membership.afresh()
        self.assertFalse(membership.is_in("chat", "a"))

    def test_a_new_session_is_in_a_room_once_that_is_answered(self) -> None:
        membership = Membership()
        membership.joined(join_of("chat", ["a"], Wishes(), []))
        membership.afresh()
        self.assertFalse(membership.is_in("chat", "a"))
        self.assertTrue(membership.wants("chat", "a"))
        membership.joined(join_of("chat", ["a"], Wishes(), []))
        self.assertTrue(membership.is_in("chat", "a"))

    def test_a_join_of_several_rooms_can_be_tried_one_by_one(self) -> None:
        recover = [v1.RoomPosition(room="b", epoch="e", offset=3)]
        alone = one_by_one(join_of("chat", ["a", "b"], Wishes(state=True), recover))
        self.assertEqual(
            [(list(j.rooms), len(j.recover), j.state) for j in alone], [(["a"], 0, True), (["b"], 1, True)]
        )


if __name__ == "__main__":
    unittest.main()
