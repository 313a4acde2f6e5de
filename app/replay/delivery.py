"""Sending an answer over ASGI, whole, cut off half-way, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app.replay.answers import Answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ConnectionDroppedError(ConnectionResetError):
    """The stand-in dropped the connection on purpose; only seen where there is no real socket to close."""


async def deliver(send: Send, answer: Answer) -> None:
    """Send the whole answer; a body made in chunks is sent chunk by chunk."""
    length = len(answer.body) if isinstance(answer.body, bytes) else None
    await _start(send, answer, length)
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": answer.body})
        return
    request = getattr(send, "__self__", None)
    for chunk in answer.body:
        # Others get their turn between two chunks; nothing more is made for a client that has gone.
        await asyncio.sleep(0)
        if getattr(request, "disconnected", False):
            return
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def cut_off(answer: Answer, receive: Receive, send: Send) -> None:
    """Announce the whole answer, send half of it and lose the connection."""
    body = whole(answer)
    await _start(send, answer, len(body))
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await drop(receive, send)


async def drop(receive: Receive, send: Send) -> None:
    """Lose the connection without another byte; raises `ConnectionDroppedError` where there is no socket to
    close.
    """
    # ASGI has no message for it. uvicorn's `send` is a method of its request, which holds the transport.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionDroppedError("the stand-in dropped the connection")
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def whole(answer: Answer) -> bytes:
    """The answer's body in one piece."""
    return answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)


async def _start(send: Send, answer: Answer, length: int | None) -> None:
    headers = {"content-type": answer.content_type, **answer.headers}
    if length is not None:
        headers["content-length"] = str(length)
    raw = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
