"""Receives by the asyncio client of python-socketio."""

import asyncio
import sys

import socketio
from tally import Tally, say, told_to_end


async def main(url: str) -> None:
    tally = Tally()
    ready = asyncio.Event()
    client = socketio.AsyncClient()
    client.on("ready", lambda room: ready.set())
    client.on("e", tally.count)
    await client.connect(f"{url}?role=member", transports=["websocket"])
    await ready.wait()
    say("READY")
    await told_to_end(tally)
    await client.disconnect()


asyncio.run(main(sys.argv[1]))
