"""A crowd of readers on one connection each, cheap enough that on a shared machine the server is what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Read:
    """One answer: path, status, seconds from the first byte asked to the last byte read."""

    path: str
    status: int
    seconds: float


async def crowd(
    url: str, paths: Sequence[str], *, readers: int, reads: int, cookies: dict[str, str], every: float
) -> list[Read]:
    """Each reader asks for one page after the other, `every` seconds or as soon as the last one is there."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    head = f"Host: {parts.netloc}\r\nCookie: {'; '.join(f'{k}={v}' for k, v in cookies.items())}\r\n\r\n"
    tasks = [
        _reader(parts.hostname, parts.port, head, _turned(paths, number), reads, every, number / readers)
        for number in range(readers)
    ]
    return [read for one in await asyncio.gather(*tasks) for read in one]


def _turned(paths: Sequence[str], number: int) -> list[str]:
    start = number % len(paths)
    return [*paths[start:], *paths[:start]]


async def _reader(
    host: str, port: int, head: str, paths: Sequence[str], reads: int, every: float, share: float
) -> list[Read]:
    """The readers do not all begin at the same moment, as people do not."""
    found = []
    await asyncio.sleep(every * share)
    incoming, outgoing = await asyncio.open_connection(host, port)
    try:
        for turn in range(reads):
            path = paths[turn % len(paths)]
            begun = time.monotonic()
            outgoing.write(f"GET {path} HTTP/1.1\r\n{head}".encode())
            status = await _answer(incoming)
            spent = time.monotonic() - begun
            found.append(Read(path, status, spent))
            await asyncio.sleep(max(every - spent, 0))
    finally:
        outgoing.close()
    return found


async def _answer(incoming: asyncio.StreamReader) -> int:
    head = (await incoming.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await incoming.readuntil(b"\r\n"), 16):
            await incoming.readexactly(size + 2)
        await incoming.readexactly(2)
    else:
        await incoming.readexactly(int(fields.get("content-length", 0)))
    return status
