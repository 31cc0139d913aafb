"""What comes after an ending, and errors from what the server says."""

import unittest
from typing import Any

import grpc
from rialto import v1
from rialto._details import _MESSAGES
from rialto._failures import closed, of_status, refused
from rialto._step import Ending, How, Step, next_step
from rialto._times import duration
from rialto.errors import RialtoError, Violation


def after_close(code: int, **fields: object) -> Step:
    close = v1.Close(code=code, **fields)  # type: ignore[arg-type]
    return next_step(Ending.by_close(How.STREAM, close), resuming=False, may_renew=True)


def after_refusal(
    code: str, *, later: float | None = None, resuming: bool = False, may_renew: bool = False
) -> Step:
    error = RialtoError("refused", code=code, advice=None if later is None else "later", after=later)
    return next_step(Ending(How.GREETING, error), resuming=resuming, may_renew=may_renew)


class StepTest(unittest.TestCase):
    def test_the_hundreds_of_a_close_decide(self) -> None:
        for code in (v1.CLOSE_CODE_DRAINING, v1.CLOSE_CODE_FELL_BEHIND, 199):
            self.assertEqual(after_close(code), Step())
        for code in (v1.CLOSE_CODE_SESSION_LOST, v1.CLOSE_CODE_TOKEN_EXPIRED, v1.CLOSE_CODE_OVERRUN, 299):
            self.assertEqual(after_close(code), Step(forget=True))
        for code in (v1.CLOSE_CODE_BYE, v1.CLOSE_CODE_UNAUTHENTICATED, v1.CLOSE_CODE_REPLACED, 399, 7, 0):
            self.assertTrue(after_close(code).stay)

    def test_what_a_close_says_to_do_next_counts_more(self) -> None:
        self.assertEqual(after_close(v1.CLOSE_CODE_DISCONNECTED, then=v1.THEN_RESUME), Step())
        self.assertTrue(after_close(v1.CLOSE_CODE_DRAINING, then=v1.THEN_STAY_AWAY).stay)

    def test_the_server_is_given_the_time_it_asks_for(self) -> None:
        self.assertEqual(after_close(v1.CLOSE_CODE_DRAINING, after=duration(3.0)).not_before, 3.0)
        self.assertEqual(after_refusal("DRAINING", later=2.0), Step(not_before=2.0))

    def test_a_token_that_is_turned_down_is_replaced_once(self) -> None:
        self.assertTrue(after_refusal("UNAUTHENTICATED", may_renew=True).new_token)
        self.assertTrue(after_refusal("UNAUTHENTICATED").stay)

    def test_a_session_that_cannot_be_resumed_is_given_up(self) -> None:
        for code in ("SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID"):
            self.assertTrue(after_refusal(code, resuming=True).forget)

    def test_what_will_be_refused_again_is_not_tried_again(self) -> None:
        for code in ("INVALID", "NAME_INVALID", "FORBIDDEN", "NAMESPACE_UNKNOWN", "OUT_OF_ORDER"):
            self.assertTrue(after_refusal(code).stay)
        for code in ("LIMIT_REACHED", "INTERNAL", "DEADLINE", "SOMETHING_NEW"):
            self.assertEqual(after_refusal(code), Step())

    def test_a_status_that_is_no_word_of_rialto_is_not_obeyed(self) -> None:
        for kind in ("other", "unavailable"):
            ending = Ending(How.GREETING, RialtoError(kind))
            self.assertEqual(next_step(ending, resuming=True, may_renew=True), Step())

    def test_a_stream_that_ends_without_a_word_is_resumed(self) -> None:
        ending = Ending(How.STREAM, RialtoError("refused", code="FORBIDDEN"))
        self.assertEqual(next_step(ending, resuming=False, may_renew=False), Step())


class FailuresTest(unittest.TestCase):
    def status(self, code: grpc.StatusCode, *, sent: bool = True, **details: Any) -> RialtoError:
        status = _MESSAGES["Status"]()
        for name, detail in details.items():
            status.details.add(
                type_url=f"type.googleapis.com/google.rpc.{name}", value=detail.SerializeToString()
            )
        metadata = [("grpc-status-details-bin", status.SerializeToString())] if details else []
        return of_status(code, "so it is", metadata, sent=sent)

    def info(self, reason: str) -> object:
        return _MESSAGES["ErrorInfo"](reason=reason, domain="rialto")

    def test_a_status_of_rialto_is_its_refusal(self) -> None:
        error = self.status(grpc.StatusCode.FAILED_PRECONDITION, ErrorInfo=self.info("NOT_A_MEMBER"))
        self.assertEqual((error.kind, error.code, error.advice), ("refused", "NOT_A_MEMBER", "after-change"))
        self.assertFalse(error.may_have_happened)

    def test_retry_info_makes_the_advice_later(self) -> None:
        retry = _MESSAGES["RetryInfo"]()
        retry.retry_delay.seconds = 2
        error = self.status(grpc.StatusCode.UNAVAILABLE, ErrorInfo=self.info("DRAINING"), RetryInfo=retry)
        self.assertEqual((error.advice, error.after, error.passes), ("later", 2.0, True))

    def test_a_reason_that_names_a_close_alone_is_one(self) -> None:
        error = self.status(grpc.StatusCode.ABORTED, ErrorInfo=self.info("DISCONNECTED"))
        self.assertEqual((error.kind, error.code), ("closed", "DISCONNECTED"))

    def test_the_fields_that_are_wrong_are_told(self) -> None:
        wrong = _MESSAGES["BadRequest"]()
        wrong.field_violations.add(field="namespace", description="is empty")
        error = self.status(
            grpc.StatusCode.INVALID_ARGUMENT, ErrorInfo=self.info("INVALID"), BadRequest=wrong
        )
        self.assertEqual(error.violations, (Violation("namespace", "is empty"),))

    def test_a_status_without_details_tells_what_is_known(self) -> None:
        kinds = {
            (grpc.StatusCode.UNAVAILABLE, False): "unavailable",
            (grpc.StatusCode.UNAVAILABLE, True): "unknown_outcome",
            (grpc.StatusCode.DEADLINE_EXCEEDED, True): "timed_out",
            (grpc.StatusCode.NOT_FOUND, True): "other",
            (grpc.StatusCode.UNAUTHENTICATED, True): "other",
        }
        for (code, sent), kind in kinds.items():
            self.assertEqual(self.status(code, sent=sent).kind, kind, code)

    def test_details_that_cannot_be_read_are_none(self) -> None:
        metadata = [("grpc-status-details-bin", b"\xff\xff\xff")]
        self.assertEqual(of_status(grpc.StatusCode.NOT_FOUND, "", metadata, sent=True).kind, "other")

    def test_a_refusal_tells_the_revision_and_a_code_that_is_not_known_its_number(self) -> None:
        self.assertEqual(refused(v1.Refused(code=v1.REFUSAL_CODE_CONFLICT, revision=0)).revision, 0)
        self.assertEqual(refused(v1.Refused(code=999)).code, "999")  # type: ignore[arg-type]
        self.assertEqual(closed(v1.Close(code=987)).code, "987")  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
