"""Sessions, clients and workers against a real node."""

from __future__ import annotations

import asyncio
import threading
import unittest
from contextlib import ExitStack

import rialto
import rialto.sync
from rialto import v1

from node import THERE_IS_ONE, node


@unittest.skipUnless(THERE_IS_ONE, "there is neither RIALTO_URL nor RIALTO_BIN")
class NodeTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        stack = ExitStack()
        self.url = stack.enter_context(node())
        self.addCleanup(stack.close)

    async def namespace(self, client: rialto.Client, name: str) -> None:
        """One whose rooms keep a history."""
        settings = v1.NamespaceSettings(history=v1.HISTORY_MEMORY)
        await client.directory.create_namespace(name, settings)

    async def test_a_room_is_joined_heard_and_parted(self) -> None:
        async with rialto.Client(self.url) as client, rialto.connect(self.url, user="ann") as session:
            await self.namespace(client, "kept")
            room = session.namespace("kept").room("hall")
            self.assertEqual((room.status, room.position), ("out", None))
            joining = asyncio.ensure_future(room.join(newest=5))
            await asyncio.sleep(0)
            self.assertEqual(room.status, "joining")
            await joining
            self.assertEqual(room.status, "in")
            events = room.events()
            await client.publish("kept", "hall", "message", {"a": 1})
            heard = await events.__anext__()
            self.assertEqual((heard.json(), heard.offset, heard.past, heard.user), ({"a": 1}, 1, False, ""))
            self.assertTrue(await room.part())
            self.assertEqual(room.status, "out")
            assert room.position is not None
            self.assertEqual(room.position.offset, 1)

    async def test_another_session_goes_on_from_a_position(self) -> None:
        async with rialto.Client(self.url) as client, rialto.connect(self.url, user="bob") as session:
            await self.namespace(client, "kept")
            for text in ("1", "2", "3"):
                await client.publish("kept", "hall", "message", text)
            epoch = (await client.history("kept", "hall").page()).epoch
            room = session.namespace("kept").room("hall")
            events = room.events()
            await room.join(recover=rialto.Position(epoch, 1))
            heard = [await events.__anext__() for _ in range(2)]
            self.assertEqual([(event.text, event.past) for event in heard], [("2", True), ("3", True)])
            newest = await room.history(newest=2).events()
            self.assertEqual([event.text for event in newest], ["2", "3"])
            forward = [event.text async for event in room.history(from_=2, page_size=1)]
            self.assertEqual(forward, ["2", "3"])
            with self.assertRaises(rialto.RialtoError):
                await room.history(newest=1, before=2).page()

    async def test_presence_and_state_are_kept_up(self) -> None:
        async with rialto.connect(self.url, user="ann") as ann, rialto.connect(self.url, user="bob") as bob:
            room = ann.namespace("default").room("hall")
            changes, state = room.presence.changes(), room.state.watch()
            await room.join(presence=True, state=True)
            self.assertTrue((await state.__anext__()).whole)
            there = bob.namespace("default").room("hall")
            await there.join()
            while "bob" not in {member.user for member in (await changes.__anext__()).joined}:
                pass
            assert room.presence.current is not None
            self.assertEqual((room.presence.current.sessions, room.presence.current.complete), (2, True))
            await there.state.set("seat", "7", if_absent=True)
            self.assertEqual((await state.__anext__()).entries["seat"].text, "7")
            assert room.state.current is not None
            self.assertEqual(room.state.current["seat"].user, "bob")
            with self.assertRaises(rialto.RialtoError) as raised:
                await room.state.set("seat", "8", if_absent=True)
            self.assertEqual((raised.exception.code, raised.exception.revision), ("CONFLICT", 1))

    async def test_a_session_that_is_ended_by_an_operator_says_so(self) -> None:
        async with rialto.Client(self.url) as client, rialto.connect(self.url, user="ann") as session:
            statuses, events = session.statuses(), session.events()
            await session.namespace("default").enter()
            await client.directory.disconnect_members("default", rialto.Target(users=["ann"]), "closing time")
            self.assertEqual([status.state async for status in statuses], ["closed"])
            self.assertEqual([event async for event in events], [])
            with self.assertRaises(rialto.RialtoError) as raised:
                await session.ping()
            self.assertEqual((raised.exception.kind, raised.exception.code), ("closed", "DISCONNECTED"))

    async def test_rooms_are_watched(self) -> None:
        async with rialto.Client(self.url) as client, rialto.connect(self.url, user="ann") as session:
            watch = client.directory.watch_rooms("default")
            self.assertEqual((await watch.__anext__()).kind, v1.ROOM_EVENT_KIND_WATCHING)
            await session.namespace("default").room("hall").join()
            kinds = [(await watch.__anext__()).kind for _ in range(2)]
            self.assertEqual(kinds, [v1.ROOM_EVENT_KIND_CREATED, v1.ROOM_EVENT_KIND_JOINED])
            await watch.aclose()  # type: ignore[attr-defined]

    async def test_a_worker_that_is_given_a_limit_gives_up_what_runs(self) -> None:
        async with rialto.Client(self.url) as client:
            jobs = client.jobs("default", "slow")
            job = await jobs.enqueue("x")
            worker = client.worker().queue("default", "slow")
            told: list[str] = []

            async def work(job: rialto.WorkerJob) -> None:
                begun.set()
                told.append(await job.cancelled.wait())

            begun = asyncio.Event()
            running = asyncio.ensure_future(worker.run(work))
            await begun.wait()
            await worker.stop(timeout=0.01)
            await running
            self.assertNotEqual((await jobs.get(job.id)).state, "completed")


@unittest.skipUnless(THERE_IS_ONE, "there is neither RIALTO_URL nor RIALTO_BIN")
class SyncTest(unittest.TestCase):
    def test_the_same_without_asyncio(self) -> None:
        with (
            node() as url,
            rialto.sync.connect(url, user="ann") as ann,
            rialto.sync.connect(url, user="bob") as bob,
        ):
            heard = bob.namespace("default").room("hall").on("question")
            bob.namespace("default").room("hall").join()
            answering = threading.Thread(target=lambda: next(heard).reply("yes"))
            answering.start()
            room = ann.namespace("default").room("hall")
            room.join(presence=True)
            replies = room.emit_with_replies("question", "lunch?", timeout=5)
            self.assertEqual([reply.text for reply in replies], ["yes"])
            answering.join()
            assert room.presence.current is not None
            self.assertEqual(room.presence.current.sessions, 2)
            room.state.set("seat", {"row": 7})
            entry = room.state.get("seat")
            assert entry is not None
            self.assertEqual(entry.json(), {"row": 7})
        self.assertNotIn("rialto", {thread.name for thread in threading.enumerate()})

    def test_plain_functions_do_jobs_in_threads(self) -> None:
        with node() as url, rialto.sync.Client(url) as client:
            jobs = client.jobs("default", "sums")
            worker = client.worker(concurrency=2).queue("default", "sums")

            @worker.job("sum")
            def add(job: rialto.sync.WorkerJob) -> int:
                job.progress(1, 2, "half")
                return sum(job.json())

            working = threading.Thread(target=worker.run)
            working.start()
            job = jobs.enqueue([1, 2, 3], type="sum")
            states = [seen.state for seen in jobs.watch(job.id)]
            self.assertEqual(states[-1], "completed")
            result = jobs.wait(job.id).result
            assert result is not None
            self.assertEqual(result.json(), 6)
            worker.stop()
            working.join()


if __name__ == "__main__":
    unittest.main()
