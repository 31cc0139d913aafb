"""Queues, feeds, payloads, tokens, addresses, jobs and chunks."""

import asyncio
import base64
import io
import json
import time
import unittest
from collections.abc import AsyncIterator
from datetime import datetime, timezone

import rialto
from rialto import v1
from rialto._feed import Feeds
from rialto._queue import Parked, Queue
from rialto._wire import Address, bearer
from rialto.content import Content, encode
from rialto.job import JobContent
from rialto.token import Credentials
from rialto.upload import chunks


class QueueTest(unittest.IsolatedAsyncioTestCase):
    async def test_what_finds_a_queue_full_waits_in_order(self) -> None:
        parked, slow, quick = Parked(), Queue[int](1), Queue[int](8)
        for item in range(3):
            parked.offer(slow, item)
            parked.offer(quick, item)
        self.assertTrue(parked)
        handing = asyncio.ensure_future(parked.hand_over())
        self.assertEqual([await slow.get() for _ in range(3)], [0, 1, 2])
        await handing
        self.assertEqual([await quick.get() for _ in range(3)], [0, 1, 2])

    async def test_a_reader_that_has_gone_holds_nobody_up(self) -> None:
        parked, slow = Parked(), Queue[int](1)
        parked.offer(slow, 1)
        parked.offer(slow, 2)
        slow.close()
        await parked.hand_over()
        self.assertFalse(parked)

    async def test_a_queue_gives_what_it_holds_and_then_its_end(self) -> None:
        queue = Queue[int](4)
        queue.offer(1)
        queue.end(rialto.RialtoError("unknown_outcome"))
        self.assertEqual(await queue.get(), 1)
        with self.assertRaises(rialto.RialtoError):
            await queue.get()

    async def test_a_reader_of_news_that_is_behind_loses_the_oldest_and_is_told(self) -> None:
        feeds: Feeds[object] = Feeds(lambda count: f"{count} lost")
        feed = feeds.begin()
        for item in range(70):
            feeds.tell(item)
        feeds.end()
        told = [item async for item in feed]
        self.assertEqual((told[0], told[1], told[-1], len(told)), ("6 lost", 6, 69, 65))


class ContentTest(unittest.TestCase):
    def test_payloads_are_text_bytes_nothing_or_json(self) -> None:
        self.assertEqual(encode("hi").text, "hi")
        self.assertEqual(encode(b"\x00").binary, b"\x00")
        self.assertEqual((encode(None).text, encode(None).binary), (None, None))
        made = encode({"a": [1, True, "ż"]})
        self.assertEqual((made.text, made.content_type), ('{"a":[1,true,"ż"]}', "application/json"))
        self.assertEqual(encode([1], "text/x").content_type, "text/x")

    def test_what_cannot_be_sent_is_invalid(self) -> None:
        for payload in (object(), float("nan"), "\ud800", {"a": {1, 2}}):
            with self.assertRaises(rialto.RialtoError) as raised:
                encode(payload)  # type: ignore[arg-type]
            self.assertEqual(raised.exception.kind, "invalid")

    def test_bytes_that_are_not_utf_8_are_no_text(self) -> None:
        self.assertIsNone(Content(None, b"\xff", "").text)
        self.assertEqual(Content("ż", b"", "").bytes, "ż".encode())

    def test_an_uploaded_payload_is_not_empty(self) -> None:
        content = JobContent(v1.JobBody(uploaded=v1.UploadedPayload(upload_id="u", bytes=9)))
        with self.assertRaises(rialto.RialtoError):
            _ = content.text
        self.assertEqual(content.uploaded, rialto.Uploaded("u", 9))


class TokenTest(unittest.IsolatedAsyncioTestCase):
    def jwt(self, claims: object) -> str:
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"x.{part}.y"

    def test_the_end_of_a_jwt_is_read_and_nothing_else(self) -> None:
        life = rialto.Token(self.jwt({"exp": time.time() + 100})).life
        assert life is not None
        self.assertAlmostEqual(life, 100, delta=5)
        for text in ("opaque", "a.b.c", self.jwt([]), self.jwt({"exp": "soon"}), self.jwt({"exp": 1e300})):
            self.assertIsNone(rialto.Token(text).life)
        self.assertEqual(rialto.Token(self.jwt({"exp": 1}), 7.0).life, 7.0)

    async def test_a_callback_may_be_a_coroutine_and_its_failure_is_not_sent(self) -> None:
        async def give() -> str:
            return "text"

        def fail() -> str:
            raise LookupError("none")

        self.assertEqual((await Credentials(give).fetch()).text, "text")
        with self.assertRaises(rialto.RialtoError) as raised:
            await Credentials(fail).fetch_to_begin()
        self.assertEqual(raised.exception.kind, "unavailable")

    def test_a_token_is_never_shown(self) -> None:
        self.assertNotIn("secret", repr(rialto.Token("secret")))
        with self.assertRaises(rialto.RialtoError):
            bearer("line\nbreak")


class AddressTest(unittest.TestCase):
    def test_an_address_is_a_scheme_a_name_and_a_port(self) -> None:
        self.assertEqual(Address.of("http://127.0.0.1:7400"), Address("127.0.0.1:7400", secure=False))
        self.assertEqual(Address.of("https://rialto.example/"), Address("rialto.example:443", secure=True))
        self.assertEqual(Address.of("http://[::1]:7400").target, "[::1]:7400")
        for url in ("ftp://x", "127.0.0.1:7400", "http://", "http://x:port", "http://x/path"):
            with self.assertRaises(rialto.RialtoError):
                Address.of(url)


class NewJobTest(unittest.TestCase):
    def test_a_job_has_a_name_before_it_is_sent(self) -> None:
        job = rialto.NewJob({"to": "ann"}, type="mail", delay=1.5)
        self.assertRegex(job.to_wire().job_id, "^[0-9a-f]{32}$")
        self.assertEqual(job.to_wire().delay.nanos, 500_000_000)

    def test_chained_and_scheduled_jobs_are_named_by_the_server(self) -> None:
        job = rialto.NewJob("1", chain=[rialto.NewJob("2", queue="post")])
        chained = job.to_wire().chain[0]
        self.assertEqual((chained.queue, chained.job.job_id), ("post", ""))
        scheduled = rialto.NewJob("x", id="n", delay=1.0, batch="b").scheduled()
        self.assertEqual(
            (scheduled.job_id, scheduled.batch_id, scheduled.WhichOneof("start")), ("", "", None)
        )

    def test_a_job_with_two_starts_is_invalid(self) -> None:
        with self.assertRaises(rialto.RialtoError):
            rialto.NewJob("x", delay=1.0, run_at=datetime.now(timezone.utc)).to_wire()


class ChunksTest(unittest.IsolatedAsyncioTestCase):
    async def test_any_source_is_cut_into_chunks_of_one_size(self) -> None:
        async def coming() -> AsyncIterator[bytes]:
            for piece in (b"ab", b"", b"cdefg", b"h"):
                yield piece

        for source in (b"abcdefgh", io.BytesIO(b"abcdefgh"), [b"abcdefg", b"h"], coming()):
            self.assertEqual([chunk async for chunk in chunks(source, 3)], [b"abc", b"def", b"gh"])
        self.assertEqual([chunk async for chunk in chunks(b"", 3)], [])


if __name__ == "__main__":
    unittest.main()
