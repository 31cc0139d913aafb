"""Receives by the client of Rialto: an asynchronous iterator of the events of a room."""

import asyncio
import sys

import rialto
from tally import Tally, say, told_to_end


async def receive(events: rialto.Stream[rialto.Event], tally: Tally) -> None:
    async for event in events:
        tally.count(event.text or "")


async def main(url: str) -> None:
    tally = Tally()
    async with rialto.connect(url, user="receiver") as session:
        room = session.namespace("bench").room("bench-room")
        receiving = asyncio.create_task(receive(room.on("e"), tally))
        await room.join()
        say("READY")
        await told_to_end(tally)
        receiving.cancel()


asyncio.run(main(sys.argv[1]))
