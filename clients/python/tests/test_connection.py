"""Servers that are not there, or say nothing."""

import asyncio
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import rialto


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Takes connections and says nothing."""

    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: taken.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for writer in taken:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in taken), return_exceptions=True)


async def no_server() -> str:
    """An address at which nobody listens."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


class ConnectionTest(unittest.IsolatedAsyncioTestCase):
    async def fails(self, work: object, kind: str) -> rialto.RialtoError:
        with self.assertRaises(rialto.RialtoError) as raised:
            await work  # type: ignore[misc]
        self.assertEqual(raised.exception.kind, kind)
        return raised.exception

    async def test_a_server_that_is_not_there_is_said_at_once(self) -> None:
        url = await no_server()
        await self.fails(rialto.connect(url, user="ann"), "unavailable")
        async with rialto.Client(url) as client:
            error = await self.fails(client.publish("chat", "hall", "message"), "unavailable")
            self.assertFalse(error.may_have_happened)

    async def test_a_server_that_says_nothing_is_given_up(self) -> None:
        async with silent_server() as url:
            await self.fails(rialto.connect(url, user="ann", connect_timeout=0.1), "unavailable")
            async with rialto.Client(url, deadline=0.1) as client:
                await self.fails(client.publish("chat", "hall", "message"), "unavailable")

    async def test_a_client_that_is_closed_fails_what_is_under_way_and_what_comes_later(self) -> None:
        async with silent_server() as url:
            client = rialto.Client(url)
            calling = asyncio.ensure_future(client.publish("chat", "hall", "message"))
            await asyncio.sleep(0)
            await client.close()
            await self.fails(calling, "closed")
            await self.fails(client.publish("chat", "hall", "message"), "closed")

    async def test_who_gives_up_connecting_leaves_nothing_behind(self) -> None:
        connecting = asyncio.ensure_future(self.connect(await no_server()))
        await asyncio.sleep(0)
        connecting.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await connecting
        left = asyncio.all_tasks() - {asyncio.current_task()}
        self.assertEqual([task for task in left if "rialto" in repr(task.get_coro())], [])

    async def connect(self, url: str) -> rialto.Session:
        return await rialto.connect(url, user="ann", wait_for_server=True)

    async def test_an_address_that_is_none_is_invalid(self) -> None:
        await self.fails(rialto.connect("ftp://127.0.0.1"), "invalid")


if __name__ == "__main__":
    unittest.main()
