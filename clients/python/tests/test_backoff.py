"""Waits between attempts, and the pace of emits."""

import unittest

from rialto._backoff import Backoff
from rialto._pace import Pace


class BackoffTest(unittest.TestCase):
    def test_the_bound_doubles_up_to_the_last(self) -> None:
        backoff = Backoff()
        bounds = [backoff.next(chance=1.0) for _ in range(9)]
        self.assertEqual(bounds, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0])

    def test_a_wait_is_by_chance_and_never_shorter_than_was_asked_for(self) -> None:
        backoff = Backoff()
        self.assertEqual(backoff.next(chance=0.0), 0.0)
        self.assertEqual(backoff.next(not_before=3.0, chance=0.5), 3.0)

    def test_only_what_has_lasted_begins_anew(self) -> None:
        backoff = Backoff()
        backoff.next()
        backoff.next()
        backoff.lasted(9.9)
        self.assertEqual(backoff.next(chance=1.0), 1.0)
        backoff.lasted(10.0)
        self.assertEqual(backoff.next(chance=1.0), 0.25)

    def test_many_attempts_are_no_overflow(self) -> None:
        backoff = Backoff(5.0)
        for _ in range(5000):
            wait = backoff.next(chance=1.0)
        self.assertEqual(wait, 5.0)


class PaceTest(unittest.TestCase):
    def test_so_many_leave_at_once_and_then_as_many_as_a_second_allows(self) -> None:
        pace = Pace()
        pace.bounds(10, 5, 0.0, goes_on=False)
        self.assertEqual([pace.take(0.0) for _ in range(5)], [True] * 4 + [False])
        self.assertAlmostEqual(pace.wait(0.0), 0.1)
        self.assertTrue(pace.take(0.11))

    def test_a_session_that_goes_on_keeps_what_is_left(self) -> None:
        pace = Pace()
        pace.bounds(1, 10, 0.0, goes_on=False)
        for _ in range(8):
            pace.take(0.0)
        pace.bounds(1, 10, 0.0, goes_on=True)
        self.assertFalse(pace.take(0.0))
        pace.bounds(1, 10, 0.0, goes_on=False)
        self.assertTrue(pace.take(0.0))

    def test_no_rate_is_no_bound(self) -> None:
        pace = Pace()
        pace.bounds(0, 0, 0.0, goes_on=False)
        self.assertTrue(all(pace.take(0.0) for _ in range(1000)))


if __name__ == "__main__":
    unittest.main()
