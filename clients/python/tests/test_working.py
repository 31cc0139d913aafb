"""What a worker knows of its jobs."""

import unittest

from rialto import v1
from rialto._client_line import ClientLine
from rialto._wire import Address
from rialto._working import Working
from rialto.errors import RialtoError
from rialto.outcome import INVALID_OUTCOME, Discard, Fail, Release, completed, cut, not_done
from rialto.token import Credentials
from rialto.worker_job import WorkerJob

OK = v1.LEASE_OUTCOME_OK
TEMPORARY = v1.LEASE_OUTCOME_TEMPORARY
LOST = v1.LEASE_OUTCOME_LEASE_LOST
INVALID = v1.LEASE_OUTCOME_INVALID


class WorkingTest(unittest.TestCase):
    def setUp(self) -> None:
        line = ClientLine(Address("nowhere:1", secure=False), Credentials(None), 1.0)
        self.told: list[str] = []
        self.working = Working(
            lambda lease, said: WorkerJob(lease, said, line),
            lambda: None,
            lambda error, job: self.told.append(error.code),
        )

    def lease(self, token: str = "a") -> WorkerJob:
        return self.working.leased([v1.Lease(token=token)])[0].job

    def settle(self) -> v1.SettleRequest:
        request = self.working.settlements()
        assert request is not None
        return request

    def extend(self) -> v1.ExtendRequest:
        request = self.working.extensions()
        assert request is not None
        return request

    def settled(self, request: v1.SettleRequest, outcome: v1.LeaseOutcome) -> None:
        outcomes = [outcome for _ in request.items]
        self.working.settled(v1.SettleResponse(request_id=request.request_id, outcomes=outcomes))

    def extended(self, request: v1.ExtendRequest, outcome: v1.LeaseOutcome, **more: list[str]) -> None:
        outcomes = [outcome for _ in request.items]
        self.working.extended(v1.ExtendResponse(request_id=request.request_id, outcomes=outcomes, **more))

    def test_a_job_that_comes_again_is_not_begun_again(self) -> None:
        self.lease()
        self.assertEqual(len(self.working.leased([v1.Lease(token="a"), v1.Lease(token="b")])), 1)
        self.working.done("a", completed("a", "x"))
        self.assertEqual(self.working.leased([v1.Lease(token="a")]), [])

    def test_an_outcome_is_said_until_it_is_confirmed(self) -> None:
        self.lease()
        self.working.done("a", completed("a", "x"))
        first = self.settle()
        self.assertIsNone(self.working.settlements())
        self.working.disconnected()
        second = self.settle()
        self.settled(first, OK)
        self.assertFalse(self.working.is_done)
        self.settled(second, TEMPORARY)
        self.assertIsNone(self.working.settlements())
        self.working.tick()
        self.settled(self.settle(), OK)
        self.assertTrue(self.working.is_done)

    def test_an_outcome_that_the_server_does_not_take_fails_the_job_for_good(self) -> None:
        self.lease()
        self.working.done("a", completed("a", "x"))
        self.settled(self.settle(), INVALID)
        again = self.settle()
        self.assertEqual(
            (again.items[0].failed.code, again.items[0].failed.permanent), (INVALID_OUTCOME, True)
        )
        self.settled(again, INVALID)
        self.assertTrue(self.working.is_done)
        self.assertEqual(self.told, ["INVALID", "INVALID"])

    def test_a_job_whose_lease_is_lost_is_told_so_and_nothing_is_said_of_it(self) -> None:
        job = self.lease()
        self.working.tick()
        self.extended(self.extend(), LOST)
        self.assertEqual((job.cancelled.reason, self.working.lost_count), ("LEASE_LOST", 1))
        self.working.tick()
        self.assertIsNone(self.working.extensions())
        self.working.done("a", completed("a", "x"))
        self.assertTrue(self.working.is_done)
        self.assertEqual(self.told, ["LEASE_LOST"])

    def test_of_another_session_the_leases_are_lost_and_outcomes_are_said_all_the_same(self) -> None:
        job = self.lease("a")
        self.lease("b")
        self.working.done("b", completed("b", "x"))
        self.working.reconnected(resumed=False)
        self.assertEqual(job.cancelled.reason, "LEASE_LOST")
        self.assertEqual(self.settle().items[0].token, "b")

    def test_of_several_checkpoints_the_newest_goes_and_it_goes_again_unless_there_is_a_newer_one(
        self,
    ) -> None:
        job = self.lease()
        job.checkpoint("1")
        job.checkpoint("2")
        self.working.news()
        self.assertEqual(self.extend().items[0].checkpoint, b"2")
        self.working.disconnected()
        again = self.extend()
        self.assertEqual(again.items[0].checkpoint, b"2")
        job.checkpoint("3")
        self.extended(again, TEMPORARY)
        self.working.news()
        self.assertEqual(self.extend().items[0].checkpoint, b"3")

    def test_what_a_failing_job_has_left_goes_before_its_failure(self) -> None:
        job = self.lease()
        job.checkpoint("1")
        self.working.done("a", not_done("a", Fail("no")))
        self.assertIsNone(self.working.settlements())
        self.assertEqual(self.extend().items[0].checkpoint, b"1")
        self.assertEqual(self.settle().items[0].failed.message, "no")

    def test_after_a_checkpoint_that_is_not_taken_the_lease_is_extended_without(self) -> None:
        job = self.lease()
        job.checkpoint("1")
        self.working.news()
        self.extended(self.extend(), INVALID)
        self.assertFalse(self.extend().items[0].HasField("checkpoint"))
        self.assertEqual(self.told, ["INVALID"])

    def test_cancelling_counts_more_than_pausing(self) -> None:
        job = self.lease()
        self.working.tick()
        self.extended(self.extend(), OK, cancelling=["a"], pausing=["a"])
        self.assertEqual((job.cancelled.reason, job.to_pause.is_set()), ("CANCELLED", False))

    def test_no_request_is_larger_than_the_server_takes(self) -> None:
        for number in range(20):
            self.lease(str(number))
            self.working.done(str(number), completed(str(number), b"x" * (60 << 10)))
        sizes = []
        while (request := self.working.settlements()) is not None:
            sizes.append(request.ByteSize())
        self.assertLess(max(sizes), 600 << 10)
        self.assertGreater(len(sizes), 1)


class OutcomeTest(unittest.TestCase):
    def test_any_other_error_fails_the_attempt_with_its_code_or_the_name_of_its_type(self) -> None:
        self.assertEqual(not_done("t", KeyError("k")).failed.code, "KeyError")
        self.assertEqual(not_done("t", RialtoError("other", code="MINE")).failed.code, "MINE")

    def test_jobs_are_given_back_and_discarded(self) -> None:
        self.assertEqual(not_done("t", Release(2.0)).released.delay.seconds, 2)
        self.assertEqual(not_done("t", Discard("why")).discarded.reason, "why")

    def test_texts_are_never_cut_within_a_character(self) -> None:
        self.assertEqual(cut("żółw", 4), "żó")
        self.assertEqual(len(not_done("t", Fail("x" * 9000, code="y" * 90)).failed.message), 4096)

    def test_a_result_that_cannot_be_sent_is_refused_here(self) -> None:
        with self.assertRaises(RialtoError) as raised:
            completed("t", "x" * 70_000)
        self.assertEqual(raised.exception.code, "PAYLOAD_TOO_LARGE")
        with self.assertRaises(RialtoError):
            completed("t", {"a": object()})


if __name__ == "__main__":
    unittest.main()
