"""What each function finds when it is disturbed, and what starts it: small worlds, prepared once and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiosmtpd.controller import Controller

from db import saved_searches
from db.saved_searches import Wanted
from ocds.dates import SAST
from tests.functions.alerts.conftest import Server
from tests.functions.conftest import World

# Later than any day on which this is run: the SDK stamps its events with the real time, and an event of the future
# would be waited for.
NOON = datetime(2031, 10, 7, 12, 0, tzinfo=SAST)
LIMITS = {"frontier_above": 2, "frontier_below": 3, "frontier_probes": 5}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A function, what it finds, and what starts it; without an event its schedule does.

    `at` is the time of day at which it starts, `days` after the preparation's noon: nothing else is due then.
    `later`: so long after the kill the next process starts.
    """

    function: str
    prepare: Callable[[World], None]
    event: dict[str, Any] | None
    ids: tuple[int, int] = (134_366, 137_000)
    settings: dict[str, Any] = field(default_factory=dict)
    replay: dict[str, Any] = field(default_factory=dict)
    days: int = 0
    at: tuple[int, int, int] = (12, 18, 0)
    later: timedelta = timedelta(seconds=30)
    jobs: int = 1
    # When it runs again, which heals what went wrong.
    again: timedelta = timedelta(minutes=30)

    def starts_at(self, noon: datetime) -> datetime:
        """When it starts, after the noon of its preparation."""
        hour, minute, second = self.at
        day = noon.astimezone(SAST) + timedelta(days=self.days)
        return day.replace(hour=hour, minute=minute, second=second, microsecond=0)


def _synced(world: World) -> None:
    world.sync()
    if world.client.sent:
        world.drain()


def _synced_without_enrichment(world: World) -> None:
    world.sync(maxEnrichment=0)


def _synced_and_due_again(world: World) -> None:
    _synced(world)
    first, second, third = world.rows("SELECT n FROM tenders WHERE lifecycle = 'open' ORDER BY n LIMIT 3")
    world.execute("UPDATE tender_ids SET refresh_at = :now WHERE state = 'known'", now=world.clock.now)
    world.stand_in.world.change(first[0], "award")
    world.stand_in.world.change(second[0], "cancel")
    world.stand_in.world.change(third[0], "amend")


def _searched_and_synced(world: World) -> None:
    wants = {"all": Wanted(status=None), "open": Wanted(), "gauteng": Wanted(province="Gauteng")}
    with world.engine.begin() as conn:
        for name, wanted in wants.items():
            saved_searches.create(
                conn,
                id=f"search-{name}",
                user_id=None,
                name=name,
                email=f"{name}@bidder.example",
                wanted=wanted,
                frequency="daily",
                now=world.clock.now,
            )
    _synced(world)


def _event(name: str, **data: Any) -> dict[str, Any]:
    return {"name": name, "data": data, "id": "the-one"}


SCENARIOS = (
    Scenario(
        function="tender-sync",
        prepare=_synced,
        event=_event("tender/sync.requested", triggeredBy="cron"),
        # New ones and changed ones; more than one run may fetch, so that it hands over to a history-backfill.
        replay={"hold_back": 0.5, "churn": 0.5, "publish_over": timedelta(minutes=10)},
        settings={"max_release_fetch_per_run": 3},
        jobs=2,
    ),
    Scenario(
        function="enrich-backfill",
        prepare=_synced_without_enrichment,
        event=_event(
            "tender/enrich-backfill.requested",
            fromDate="2031-09-01",
            toDate="2031-10-07",
            maxEnrichment=300,
        ),
    ),
    Scenario(
        function="history-backfill",
        prepare=lambda world: None,
        event=_event("tender/history-backfill.requested", fromId=134_366, toId=134_383),
    ),
    Scenario(
        function="send-alerts",
        prepare=_searched_and_synced,
        event=_event("tender/alerts.requested"),
        days=1,
        at=(7, 18, 0),
        # After ten minutes a mail that was being handed over is known to have lost its process.
        later=timedelta(minutes=10, seconds=30),
    ),
    Scenario(
        function="tender-refresh",
        prepare=_synced_and_due_again,
        event=None,
        days=1,
        at=(2, 22, 30),
        again=timedelta(days=1),
    ),
)


@contextmanager
def mail_server() -> Iterator[tuple[Server, int]]:
    """What a mail server receives as long as the block lasts, and its port."""
    server = Server()
    controller = _OnAnyPort(server, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield server, controller.port
    finally:
        controller.stop()


class _OnAnyPort(Controller):
    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
