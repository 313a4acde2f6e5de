"""What live pages show, made once for all who watch: a change reaches every viewer in the same moment, and they all ask
for the same. Only their refreshes share; whoever opens a page has it made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from app.runtime import Runtime

T = TypeVar("T")


def live(request: Request, runtime: Runtime, make: Callable[[], T]) -> T:
    """What this address shows: for a live page's refresh, what others who refresh it now are shown too."""
    if "hx-request" not in request.headers:
        return make()
    return runtime.shared.get(_address(request), runtime.ticker.version, make)


async def live_async(request: Request, runtime: Runtime, make: Callable[[], Awaitable[T]]) -> T:
    """The same for what the engine's own connections read."""
    if "hx-request" not in request.headers:
        return await make()

    def made() -> T:
        return asyncio.run_coroutine_threadsafe(_awaited(make), runtime.loop).result()

    return await asyncio.to_thread(runtime.shared.get, _address(request), runtime.ticker.version, made)


async def _awaited(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def _address(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}"
