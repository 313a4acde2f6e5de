"""Which source is used: the real hosts, those that were named, or the recorded stand-in, and what it is called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from app import source
from app.loopback import ThreadedServer
from app.replay.stand_in import ReplayConfig, make_app
from app.settings import Settings
from app.source import Reach, choose, look

DEAD = "http://127.0.0.1:9"


async def _plain(scope: object, receive: object, send: object) -> None:
    """A host that answers like eTenders' front page."""
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b"<html>"})  # type: ignore[operator]


@pytest.fixture
def some_host() -> Iterator[str]:
    server = ThreadedServer(_plain)
    server.start()
    yield server.url
    server.stop()


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_hosts_that_do_not_answer_are_replaced_by_the_stand_in_and_it_is_said() -> None:
    found = choose(settings(), None, Reach(answers=False), holds_live_data=False)
    try:
        assert found.kind == "replay"
        assert "cannot be reached" in found.reason
        rows = httpx.get(
            f"{found.portal_url}/Home/PaginatedTenderOpportunities?draw=1&start=0&length=1&status=1"
        )
        assert json.loads(rows.text)["recordsTotal"] > 0
    finally:
        found.close()


def test_a_database_with_the_real_tenders_is_not_mixed_with_recorded_ones() -> None:
    assert choose(settings(), None, Reach(answers=False), holds_live_data=True).kind == "live"


def test_hosts_that_answer_are_used() -> None:
    assert choose(settings(), "auto", Reach(answers=True), holds_live_data=False).kind == "live"


def test_named_hosts_are_used_even_when_they_are_down() -> None:
    named = settings(ocds_base_url=DEAD, etenders_base_url=DEAD)
    found = choose(named, None, asyncio.run(look(named, None)), holds_live_data=False)
    assert (found.kind, found.ocds_url) == ("live", DEAD)


def test_a_named_host_that_is_no_stand_in_is_called_live(some_host: str) -> None:
    named = settings(ocds_base_url=some_host, etenders_base_url=some_host)
    assert asyncio.run(look(named, None)) == Reach(answers=True, is_stand_in=False)


def test_a_named_stand_in_is_called_what_it_is() -> None:
    server = ThreadedServer(make_app(ReplayConfig()))
    server.start()
    try:
        named = settings(ocds_base_url=server.url, etenders_base_url=server.url)
        found = choose(named, None, asyncio.run(look(named, None)), holds_live_data=False)
        assert (found.kind, found.ocds_url, found.stand_in) == ("replay", server.url, None)
    finally:
        server.stop()


def test_the_look_ends_in_time_when_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = Settings.model_fields
    for name in ("ocds_base_url", "etenders_base_url"):
        monkeypatch.setattr(fields[name], "default", DEAD)
    unreachable = settings(ocds_base_url=DEAD, etenders_base_url=DEAD)
    assert asyncio.run(asyncio.wait_for(look(unreachable, None), source.PROBE_SECONDS + 2)) == Reach(
        answers=False
    )


def test_production_is_always_live() -> None:
    production = settings(APP_ENV="production", secret_key="0123456789abcdef")
    assert choose(production, "replay", Reach(answers=False), holds_live_data=False).kind == "live"
