"""Receives by nats-py: a subscription with a callback, as its documentation begins."""

import asyncio
import sys

import nats
from nats.aio.msg import Msg
from tally import Tally, say, told_to_end


async def main(url: str) -> None:
    tally = Tally()

    async def heard(message: Msg) -> None:
        tally.count(message.data.decode())

    client = await nats.connect(url)
    await client.subscribe("bench-room", cb=heard)
    await client.flush()
    say("READY")
    await told_to_end(tally)
    await client.close()


asyncio.run(main(sys.argv[1]))
