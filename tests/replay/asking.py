"""Asking the stand-in without a socket, at a clock that stands still."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from app.replay.calendar import SAST
from app.replay.config import ReplayConfig
from app.replay.stand_in import StandIn, make_app

MORNING = datetime(2026, 8, 14, 9, 0, tzinfo=SAST)
API = "/api/OCDSReleases"
BUCKET = "/Home/TenderOpportunities/"
PAGE = "/Home/PaginatedTenderOpportunities"


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = MORNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def still(now: datetime = MORNING, **options: Any) -> StandIn:
    """A stand-in whose clock stands still."""
    return make_app(ReplayConfig(**({"clock": Clock(now), "time_scale": 0.0} | options)))


def ask(
    app: StandIn, path: str, method: str = "GET", *, client: str = "127.0.0.1", **options: Any
) -> httpx.Response:
    """One request."""

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(client, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://stand-in") as http:
            return await http.request(method, path, **options)

    return asyncio.run(once())


def releases_between(app: StandIn, first: str, last: str, size: int = 50) -> list[dict[str, Any]]:
    """Every release that a patient walk of the list sees: it ends after three empty pages in a row."""
    seen: list[dict[str, Any]] = []
    empty, page = 0, 1
    while empty < 3:
        query = f"PageNumber={page}&PageSize={size}&dateFrom={first}&dateTo={last}"
        releases = persistently(app, f"{API}?{query}")["releases"]
        empty = 0 if releases else empty + 1
        seen += releases
        page += 1
    return seen


@dataclass
class Failures:
    """How often each URL failed."""

    by_url: Counter[str] = field(default_factory=Counter)


def persistently(app: StandIn, path: str, failures: Failures | None = None, attempts: int = 10) -> Any:
    """The JSON answer to a request that is repeated until there is one."""
    for _ in range(attempts):
        try:
            answer = ask(app, path)
            if answer.status_code == 200:
                return answer.json()
        except (ConnectionError, ValueError):
            pass
        if failures is not None:
            failures.by_url[path] += 1
    raise AssertionError(f"{path} failed {attempts} times")
