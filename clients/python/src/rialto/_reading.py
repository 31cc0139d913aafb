"""Reading uploaded payloads: over lost streams, from the byte that was reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from . import v1
from ._again import worth_again
from ._backoff import LAST_OF_WORK, Backoff
from ._client_line import ClientLine
from ._wire import EndOfStream
from .errors import RialtoError
from .new_job import Uploaded

_SILENCE_OF_STREAM = 60.0
_SILENCE = 120.0


async def read_uploaded(
    line: ClientLine, namespace: str, queue: str, uploaded: Uploaded, offset: int
) -> AsyncIterator[bytes]:
    """The bytes of a payload from one on. Ends well only behind the last."""
    loop = asyncio.get_running_loop()
    backoff, heard_at = Backoff(LAST_OF_WORK), loop.time()
    was_open = False
    while True:
        request = v1.ReadPayloadRequest(
            namespace=namespace, queue=queue, upload_id=uploaded.upload_id, offset=offset
        )
        try:
            with await line.listen("JobService/ReadPayload", request, v1.ReadPayloadResponse, None) as stream:
                while True:
                    piece = (await asyncio.wait_for(stream.read(), _SILENCE_OF_STREAM)).data
                    was_open, backoff = True, Backoff(LAST_OF_WORK)
                    offset += len(piece)
                    yield piece
                    heard_at = loop.time()
        except EndOfStream:
            if offset >= uploaded.bytes:
                return
            error = RialtoError("unknown_outcome", "the stream has ended before the payload")
        except asyncio.TimeoutError:
            error = RialtoError("timed_out", "the stream has said nothing")
        except RialtoError as lost:
            error = lost
        wait = backoff.next(error.after or 0.0)
        again = worth_again(error, was_open=was_open, renewable=line.credentials.renewable)
        if not again or loop.time() + wait - heard_at >= _SILENCE:
            raise error
        await asyncio.sleep(wait)


async def read_here(payload: bytes, offset: int) -> AsyncIterator[bytes]:
    """The same of a payload that came with its job."""
    if payload[offset:]:
        yield payload[offset:]
