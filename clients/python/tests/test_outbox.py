"""What waits, what is under way, and what is said again."""

import asyncio
import unittest

from rialto import v1
from rialto._backlog import Backlog, OfflineBuffer
from rialto._command import Command, Purpose
from rialto._outbox import Outbox
from rialto._queue import Queue
from rialto.errors import RialtoError


class Commands(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.outbox = Outbox(OfflineBuffer(bytes=8 << 20))

    def command(self, frame: v1.ClientFrame, *, asks: bool = False) -> Command:
        answer: asyncio.Future[v1.ServerFrame] = asyncio.get_running_loop().create_future()
        return Command(frame, answer=answer, replies=Queue(8) if asks else None)

    def emit(
        self, text: str = "x", *, key: str = "key", volatile: bool = False, asks: bool = False
    ) -> Command:
        emit = v1.Emit(content=v1.Content(event="e", text=text), idempotency_key=key)
        if volatile:
            emit.delivery = v1.DELIVERY_VOLATILE
        return self.command(v1.ClientFrame(emit=emit), asks=asks)

    def put(self, *commands: Command, attached: bool = True) -> None:
        for command in commands:
            self.assertTrue(self.outbox.backlog.offer(command, attached=attached))

    def leave(self, now: float = 0.0) -> list[int]:
        return [frame.ref for frame in self.outbox.next_message(now)]

    def failure(self, command: Command) -> RialtoError:
        assert command.answer is not None
        error = command.answer.exception()
        assert isinstance(error, RialtoError)
        return error


class OutboxTest(Commands):
    async def test_commands_leave_in_their_order_under_rising_refs(self) -> None:
        self.put(self.emit("1"), self.emit("2"), self.command(v1.ClientFrame(ping=v1.Ping())))
        self.assertEqual(self.leave(), [1, 2, 3])
        self.assertEqual(self.leave(), [])

    async def test_a_message_has_so_many_bytes_and_a_larger_frame_goes_alone(self) -> None:
        self.put(self.emit("x" * 70_000), self.emit("x" * 40_000), self.emit("x" * 40_000))
        self.assertEqual([self.leave(), self.leave(), self.leave()], [[1], [2], [3]])

    async def test_so_many_are_under_way_and_the_next_wait(self) -> None:
        self.put(*(self.emit() for _ in range(300)))
        self.assertEqual(len(self.leave()), 256)
        command = self.outbox.outstanding.answers(1)
        assert command is not None
        self.outbox.outstanding.settle(command)
        self.assertEqual(self.leave(), [257])

    async def test_a_question_counts_until_it_is_taken(self) -> None:
        question = self.emit("x" * (1 << 20), asks=True)
        self.put(question, self.emit())
        self.assertEqual(self.leave(), [1])
        self.assertEqual(self.leave(), [])
        self.outbox.outstanding.accepted(question)
        self.assertEqual(self.leave(), [2])

    async def test_what_was_not_taken_is_sent_again_under_its_ref(self) -> None:
        first, second = self.emit("1"), self.emit("2", key="")
        self.put(first, second)
        self.leave()
        self.put(self.emit("3"))
        self.outbox.resumed(1)
        self.assertEqual(self.leave(), [2, 3])

    async def test_a_volatile_emit_is_not_sent_again(self) -> None:
        volatile = self.emit(volatile=True, key="")
        self.put(volatile)
        self.leave()
        self.outbox.resumed(0)
        self.assertEqual(self.leave(), [])
        self.assertEqual(self.failure(volatile).kind, "unavailable")

    async def test_another_session_gets_emits_with_keys_and_membership_and_the_rest_is_not_known(
        self,
    ) -> None:
        keyed, bare = self.emit("1"), self.emit("2", key="")
        setting = self.command(v1.ClientFrame(set_state=v1.SetState(key="k")))
        joining = self.command(v1.ClientFrame(join=v1.Join(rooms=["a"])))
        self.put(keyed, bare, setting, joining)
        self.leave()
        unsent = self.emit("3", key="")
        self.put(unsent)
        enter = Command(v1.ClientFrame(enter=v1.Enter()), purpose=Purpose.REJOIN)
        self.outbox.afresh([enter], 10.0)
        self.assertEqual(self.leave(10.0), [1, 2, 3, 4])
        self.assertEqual((keyed.frame.ref, joining.frame.ref, unsent.frame.ref), (2, 3, 4))
        self.assertEqual(self.failure(bare).kind, "unknown_outcome")
        self.assertEqual(self.failure(setting).kind, "unknown_outcome")

    async def test_a_reply_belongs_to_one_session(self) -> None:
        reply = self.command(v1.ClientFrame(reply=v1.Reply(reply_token="t")))
        self.put(reply)
        self.outbox.afresh([], 0.0)
        self.assertEqual(self.leave(), [])
        self.assertEqual(self.failure(reply).kind, "unavailable")

    async def test_what_was_to_be_said_again_survives_a_second_loss(self) -> None:
        keyed = self.emit()
        self.put(keyed)
        self.leave()
        self.outbox.afresh([], 1.0)
        self.outbox.afresh([], 2.0)
        self.assertEqual(self.leave(2.0), [1])

    async def test_an_old_key_is_not_said_again(self) -> None:
        keyed = self.emit()
        self.put(keyed)
        self.leave(0.0)
        self.outbox.afresh([], 240.0)
        self.assertEqual(self.failure(keyed).kind, "unknown_outcome")

    async def test_the_answers_to_a_question_end_with_its_session(self) -> None:
        question = self.emit(asks=True)
        self.put(question)
        self.leave()
        self.outbox.outstanding.accepted(question)
        self.outbox.resumed(1)
        assert question.replies is not None
        self.outbox.afresh([], 1.0)
        with self.assertRaises(RialtoError) as raised:
            await question.replies.get()
        self.assertEqual(raised.exception.kind, "unknown_outcome")

    async def test_replies_are_taken_by_what_comes_after_and_a_sign_is_asked_for(self) -> None:
        replies = [self.command(v1.ClientFrame(reply=v1.Reply(reply_token=str(n)))) for n in range(70)]
        self.put(*replies)
        frames = self.outbox.next_message(0.0)
        kinds = [frame.WhichOneof("command") for frame in frames]
        self.assertEqual(kinds, ["reply"] * 64 + ["ping"] + ["reply"] * 6)
        self.assertTrue(all(reply.answer is not None and reply.answer.done() for reply in replies))
        sign = self.outbox.outstanding.answers(65)
        assert sign is not None
        self.outbox.outstanding.settle(sign)
        self.assertEqual(self.outbox.outstanding.resume(65), replies[64:])

    async def test_emits_keep_the_pace_and_what_stands_behind_them_waits(self) -> None:
        self.outbox.pace.bounds(10, 2, 0.0, goes_on=False)
        self.put(self.emit(), self.emit(), self.command(v1.ClientFrame(ping=v1.Ping())))
        self.assertEqual(self.leave(0.0), [1])
        self.assertIsNotNone(self.outbox.wait(0.0))
        self.assertEqual(self.leave(0.1), [2, 3])

    async def test_who_has_given_up_is_not_sent(self) -> None:
        command = self.emit()
        self.put(command)
        self.outbox.take_back(command)
        self.assertEqual(self.leave(), [])

    async def test_of_those_who_gave_up_only_membership_is_remembered(self) -> None:
        emit, joining = self.emit(), self.command(v1.ClientFrame(join=v1.Join(rooms=["a"])))
        self.put(emit, joining)
        self.leave()
        for command in (emit, joining):
            self.outbox.take_back(command)
        self.outbox.outstanding.sweep()
        self.assertIsNone(self.outbox.outstanding.answers(1))
        self.assertIs(self.outbox.outstanding.answers(2), joining)

    async def test_when_it_is_closed_everybody_is_told(self) -> None:
        sent, waiting = self.emit(), self.emit()
        self.put(sent)
        self.leave()
        self.put(waiting)
        self.outbox.close(RialtoError("closed", code="CLOSED"))
        self.assertEqual([self.failure(c).code for c in (sent, waiting)], ["CLOSED", "CLOSED"])


class BacklogTest(Commands):
    async def test_a_full_one_refuses_or_makes_room(self) -> None:
        backlog = Backlog(OfflineBuffer(count=1))
        first = self.emit()
        self.assertTrue(backlog.offer(first, attached=False))
        with self.assertRaises(RialtoError) as raised:
            backlog.offer(self.emit(), attached=False)
        self.assertEqual((raised.exception.kind, raised.exception.code), ("unsent", "FULL"))
        self.assertFalse(backlog.offer(self.emit(), attached=True))
        yielding = Backlog(OfflineBuffer(count=1, overflow="drop-oldest"))
        yielding.offer(first, attached=False)
        self.assertTrue(yielding.offer(self.emit(), attached=False))
        self.assertEqual(self.failure(first).code, "MADE_ROOM")

    async def test_room_is_made_by_emits_alone(self) -> None:
        backlog = Backlog(OfflineBuffer(count=1, overflow="drop-oldest"))
        backlog.offer(self.command(v1.ClientFrame(join=v1.Join())), attached=False)
        with self.assertRaises(RialtoError):
            backlog.offer(self.emit(), attached=False)

    async def test_one_alone_may_have_more_bytes_and_with_a_count_of_0_nothing_waits(self) -> None:
        backlog = Backlog(OfflineBuffer(bytes=10))
        self.assertTrue(backlog.offer(self.emit("x" * 100), attached=False))
        with self.assertRaises(RialtoError):
            backlog.offer(self.emit(), attached=False)
        with self.assertRaises(RialtoError):
            Backlog(OfflineBuffer(count=0)).offer(self.emit(), attached=False)

    async def test_clearing_is_for_emits_alone(self) -> None:
        backlog = Backlog(OfflineBuffer())
        emit, joining = self.emit(), self.command(v1.ClientFrame(join=v1.Join()))
        backlog.offer(emit, attached=False)
        backlog.offer(joining, attached=False)
        self.assertEqual(backlog.clear(), 1)
        self.assertEqual(self.failure(emit).code, "CLEARED")
        self.assertEqual(backlog.drain(), [joining])


if __name__ == "__main__":
    unittest.main()
