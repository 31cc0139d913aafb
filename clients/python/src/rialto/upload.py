"""Uploading payloads: in chunks, some of them at once, and no more of the source in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import BinaryIO, Union

from . import v1
from ._again import until_answered
from ._client_line import ClientLine
from .errors import RialtoError
from .new_job import Uploaded

Source = Union[bytes, bytearray, memoryview, BinaryIO, Iterable[bytes], AsyncIterable[bytes]]
"""Bytes, a file that was opened for reading bytes, or bytes as they come."""

_AT_ONCE = 4
_CHUNK_TIMEOUT = 300.0
_CALL_TIMEOUT = 60.0


class Upload:
    """One upload."""

    def __init__(
        self, line: ClientLine, namespace: str, queue: str, progress: Callable[[int], object] | None
    ) -> None:
        self._line = line
        self._place = (namespace, queue)
        self._progress = progress
        self._upload_id = ""
        self._sent = 0

    async def run(self, source: Source) -> Uploaded:
        """Uploads all of a source."""
        namespace, queue = self._place
        request = v1.BeginUploadRequest(namespace=namespace, queue=queue)
        begun = await until_answered(
            lambda left: self._line.call("JobService/BeginUpload", request, v1.BeginUploadResponse, left),
            self._line.deadline,
        )
        self._upload_id = begun.upload_id
        total = await self._send_all(source, max(1, begun.chunk_bytes), begun.bytes_max)
        if total == 0:
            raise RialtoError("refused", "there is nothing to upload", code="INVALID", advice="never")
        return Uploaded(self._upload_id, total)

    async def _send_all(self, source: Source, size: int, bytes_max: int) -> int:
        under_way: set[asyncio.Task[None]] = set()
        index = total = 0
        try:
            async for chunk in chunks(source, size):
                total += len(chunk)
                if total > bytes_max:
                    reason = f"a payload has at most {bytes_max} bytes"
                    raise RialtoError("refused", reason, code="PAYLOAD_TOO_LARGE", advice="never")
                under_way.add(asyncio.ensure_future(self._send(index, chunk)))
                index += 1
                if len(under_way) >= _AT_ONCE:
                    under_way = await _some(under_way, asyncio.FIRST_COMPLETED)
            while under_way:
                under_way = await _some(under_way, asyncio.ALL_COMPLETED)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        return total

    async def _send(self, index: int, chunk: bytes) -> None:
        namespace, queue = self._place
        request = v1.UploadChunkRequest(
            namespace=namespace, queue=queue, upload_id=self._upload_id, index=index, data=chunk
        )
        await until_answered(
            lambda left: self._line.call(
                "JobService/UploadChunk", request, v1.UploadChunkResponse, min(left, _CALL_TIMEOUT)
            ),
            _CHUNK_TIMEOUT,
        )
        self._sent += len(chunk)
        if self._progress:
            self._progress(self._sent)


async def _some(tasks: set[asyncio.Task[None]], when: str) -> set[asyncio.Task[None]]:
    done, left = await asyncio.wait(tasks, return_when=when)
    try:
        for task in done:
            task.result()
    except BaseException:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        raise
    return left


async def chunks(source: Source, size: int) -> AsyncIterator[bytes]:
    """A source cut into chunks of one size, the last one shorter."""
    held = bytearray()
    async for piece in _pieces(source, size):
        # A large piece is cut where it lies.
        view = memoryview(piece)
        while len(held) + len(view) >= size:
            take = size - len(held)
            yield bytes(held) + bytes(view[:take])
            held.clear()
            view = view[take:]
        held += view
    if held:
        yield bytes(held)


async def _pieces(source: Source, size: int) -> AsyncIterator[bytes | bytearray | memoryview]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield source
    elif isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    elif hasattr(source, "read"):
        while piece := await asyncio.to_thread(source.read, size):
            yield piece
    else:
        for piece in source:
            yield piece
