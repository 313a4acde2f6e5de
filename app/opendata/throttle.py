"""Open data for everybody: any site's scripts may read it, and no single client may take it all.

Each client address has a bucket of tokens in this process. A request takes one, an export ten; the bucket fills
steadily. Whoever finds it empty is told when to come back.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import orjson
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

PATHS = ("/api/tenders", "/api/ocds")
EXPORTS = ("/api/tenders.csv", "/api/tenders.jsonl", "/api/tenders.xlsx")
EXPORT_COST = 10.0
_MOST_CLIENTS = 20_000


class TokenBuckets:
    """One bucket per client: at most `burst` tokens, refilled with `per_minute` of them a minute."""

    def __init__(
        self, per_minute: float, burst: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str, cost: float = 1.0) -> float:
        """Takes tokens and gives 0.0; or, when there are too few, takes none and gives the seconds until there are.

        A cost above what a bucket holds takes a full bucket.
        """
        cost = min(cost, self._burst)
        with self._lock:
            now = self._clock()
            tokens, at = self._buckets.pop(client, (self._burst, now))
            tokens = min(self._burst, tokens + (now - at) * self._rate)
            missing = cost - tokens
            self._buckets[client] = (tokens if missing > 0 else tokens - cost, now)
            # Whoever asked longest ago is forgotten first; their bucket is the fullest.
            if len(self._buckets) > _MOST_CLIENTS:
                self._buckets.popitem(last=False)
        return missing / self._rate if missing > 0 else 0.0


class OpenAccess:
    """Around the whole app; concerns only the paths of the open data."""

    def __init__(self, app: ASGIApp, *, buckets: TokenBuckets | None) -> None:
        self._app = app
        self._buckets = buckets
        self._open = CORSMiddleware(
            self._limited,
            allow_origins=["*"],
            allow_methods=["GET"],
            allow_headers=["If-None-Match", "If-Modified-Since"],
            expose_headers=["ETag", "Last-Modified", "Link", "Retry-After", "Content-Disposition"],
            max_age=86_400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        concerned = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await (self._open if concerned else self._app)(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        cost = EXPORT_COST if scope["path"] in EXPORTS else 1.0
        wait = self._buckets.take(client[0] if client else "", cost) if self._buckets else 0.0
        if wait:
            await _refuse(send, max(1, math.ceil(wait)))
            return
        await self._app(scope, receive, send)


async def _refuse(send: Send, seconds: int) -> None:
    message = f"Too many requests from this address; come back in {seconds} s."
    headers = [(b"content-type", b"application/json"), (b"retry-after", str(seconds).encode())]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps({"error": message})})
