"""Whole searches as downloads: a few at a time, each over one connection that is given back whatever happens."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator

import anyio
import sqlalchemy as sa
from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.opendata.formats import Format
from app.opendata.origin import Origin
from db.tender_search import Filters, Stream

AT_A_TIME = 4


class Downloads:
    """Lets `AT_A_TIME` downloads run in this process, so that slow readers never hold all connections."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._free = threading.BoundedSemaphore(AT_A_TIME)

    def start(
        self, chosen: Format, filters: Filters, origin: Origin, headers: dict[str, str]
    ) -> StreamingResponse:
        """The answer, its first bytes made already: what fails at the start still fails with a status."""
        if not self._free.acquire(blocking=False):
            raise HTTPException(
                503, "Too many exports are running; try again soon.", headers={"Retry-After": "30"}
            )
        chunks = self._chunks(chosen, filters, origin)
        try:
            first = next(chunks, b"")
        except BaseException:
            self._free.release()
            raise
        return _Download(first, chunks, self._free, media_type=chosen.media_type, headers=headers)

    def _chunks(self, chosen: Format, filters: Filters, origin: Origin) -> Generator[bytes]:
        with self._engine.connect() as plain:
            snapshot = plain.execution_options(isolation_level="REPEATABLE READ")
            yield from chosen.write(Stream(snapshot, filters), origin)


class _Download(StreamingResponse):
    """Closes its source at the end, also when the client went away."""

    def __init__(
        self,
        first: bytes,
        chunks: Generator[bytes],
        free: threading.BoundedSemaphore,
        *,
        media_type: str,
        headers: dict[str, str],
    ) -> None:
        super().__init__(_all(first, chunks), media_type=media_type, headers=headers)
        self._chunks = chunks
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._end)

    def _end(self) -> None:
        try:
            self._chunks.close()
        finally:
            self._free.release()


async def _all(first: bytes, chunks: Generator[bytes]) -> AsyncIterator[bytes]:
    yield first
    while (chunk := await run_in_threadpool(next, chunks, None)) is not None:
        yield chunk
