"""How long a client may take to send a request, and how much it may send before its first line is known to be one.

uvicorn waits for ever and keeps what comes: a few hundred clients that drip a header a minute would use up the
process's sockets, and one that never stops sending headers its memory.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""From the first byte (of a connection: from its beginning) to the end of the headers."""
BODY_SECONDS = 120.0
"""From the end of the headers to the end of the body."""
MAX_HEAD = 64 * 1024
"""Bytes of request line and headers."""


class Impatient(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with an end to its patience. Requests that wait for their answer have no deadline."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._between = True
        self._head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected, and should say what it wants."""
        super().connection_made(transport)
        self._expect(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request; refused with 431 when they belong to headers without an end."""
        if self._between:
            if self._deadline is None:
                self._expect(HEAD_SECONDS)
            self._head += len(data)
            if self._head > MAX_HEAD and not self._ends_within(data):
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head is complete; the body has its own time."""
        self._between = False
        self._head = 0
        self._expect(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete; the answer may take its time."""
        self._between = True
        self._expect(None)
        super().on_message_complete()

    def _ends_within(self, data: bytes) -> bool:
        """Whether the head ends within its limit in these bytes, the rest being body."""
        before = self._head - len(data)
        return b"\r\n\r\n" in data[: max(0, MAX_HEAD - before)]

    def _expect(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self._between:
            self._refuse(b"408 Request Timeout")
        else:
            self.transport.close()

    def _refuse(self, status: bytes) -> None:
        self._expect(None)
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(
                    b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
            self.transport.close()
