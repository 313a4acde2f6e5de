"""The Nth statement fails, the Nth question to eTenders is answered wrongly, for N = 1, 2, 3 … until a run is clean.

Whatever fails, a sync ends as if nothing had: nothing is lost, nothing doubled, no job is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from app.replay.control import Orders
from app.replay.faults import KINDS
from functions.resources import Limits
from tests.functions.conftest import NOON, World, make_world  # noqa: F401 - a fixture
from tests.functions.content import content, unlike_served

pytestmark = pytest.mark.acceptance

IDS = (134_360, 137_000)
COUNTS = ("recordsAdded", "recordsUpdated", "recordsRejected", "enrichmentSuccess")
LIMITS = Limits(first_sync_days=14)


@dataclass
class Nth:
    """Counts, and says when it is the Nth's turn."""

    turn: int | None
    seen: int = 0

    def now(self) -> bool:
        self.seen += 1
        return self.seen == self.turn

    @property
    def came(self) -> bool:
        return self.turn is not None and self.seen >= self.turn


class NthOrders(Orders):
    """The Nth question, whichever it is, suffers the fault."""

    def __init__(self, nth: Nth, fault: str) -> None:
        super().__init__()
        self._nth, self._fault = nth, fault

    def take(self, endpoint: str, path: str) -> str | None:
        return self._fault if self._nth.now() else None


def refuse(_cursor: Any, statement: str) -> None:
    """The server refuses the statement; the connection lives."""
    raise sa.exc.OperationalError(statement, {}, Exception("ordered for a test"))


def cut(cursor: Any, _statement: str) -> None:
    """The connection is gone when the statement is to be sent."""
    cursor.connection.close()


@contextmanager
def failing(engine: sa.Engine, nth: Nth, how: Callable[[Any, str], None]) -> Iterator[None]:
    """Within the block, the Nth statement fails."""

    def before(_conn: object, cursor: Any, statement: str, *_: object) -> None:
        if nth.now():
            how(cursor, statement)

    sa.event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", before)


def anew(world: World) -> None:
    """As before the first sync."""
    names = world.rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    )
    world.execute(f"TRUNCATE {', '.join(str(name) for (name,) in names)} RESTART IDENTITY CASCADE")
    world.clock.now = NOON
    world.client.sent.clear()


def half_an_hour_of(world: World) -> dict[str, Any]:
    """A sync, and the run that it asks for: the sync's job."""
    job = world.sync(triggeredBy="cron")
    if world.client.sent:
        world.drain()
    return job.to_json()


def assert_truthful(world: World) -> None:
    """No job open, none that failed; no step open; nothing twice."""
    assert world.rows("SELECT id, status FROM jobs WHERE status IN ('QUEUED', 'RUNNING', 'RETRYING')") == []
    assert world.rows("SELECT name FROM job_steps WHERE status IN ('RUNNING', 'RETRYING')") == []
    assert world.rows("SELECT ocid FROM releases GROUP BY ocid, content_hash HAVING count(*) > 1") == []
    assert unlike_served(world) == []


@pytest.fixture
def small(make_world: Callable[..., World]) -> World:  # noqa: F811
    """A world in which a sync is a matter of a moment."""
    return make_world(ids=IDS, limits=LIMITS, timeout=0.4)


def loop_over_statements(world: World, how: Callable[[Any, str], None], *, stride: int) -> int:
    """Fails every `stride`th statement, each in a sync of its own; how many were tried."""
    counted = Nth(None)
    with failing(world.engine, counted, how):
        calm_job = half_an_hour_of(world)
    calm = content(world)
    assert calm_job["status"] == "SUCCESS", calm_job
    assert len(calm["tenders"]) > 3
    tried = 0
    while True:
        anew(world)
        nth = Nth(1 + tried * stride)
        with failing(world.engine, nth, how):
            job = half_an_hour_of(world)
        if not nth.came:
            break
        tried += 1
        where = f"statement {nth.turn} of {counted.seen}"
        assert job["status"] == "SUCCESS", (where, job["note"], job["error"])
        assert content(world) == calm, where
        for count in COUNTS:
            assert job["metadata"][count] == calm_job["metadata"][count], (where, count)
        assert_truthful(world)
    assert tried >= counted.seen // stride
    return tried


@pytest.mark.parametrize("how", [refuse, cut])
def test_whichever_statement_fails_the_sync_ends_as_if_none_had(
    small: World, how: Callable[[Any, str], None]
) -> None:
    tried = loop_over_statements(small, how, stride=61)
    assert tried > 3


@pytest.mark.chaos
@pytest.mark.parametrize("how", [refuse, cut])
def test_every_single_statement_may_fail(
    small: World, how: Callable[[Any, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    tried = loop_over_statements(small, how, stride=1)
    with capsys.disabled():
        print(f"\n{how.__name__}: {tried} statements, each failed in a sync of its own")


def loop_over_questions(world: World, fault: str, *, stride: int) -> int:
    """Answers every `stride`th question with the fault, each in a sync of its own, heals with the next sync."""
    counted = Nth(None)
    world.stand_in.orders = NthOrders(counted, fault)
    half_an_hour_of(world)
    questions = counted.seen
    world.clock.forward(minutes=30)
    half_an_hour_of(world)
    calm = content(world)
    tried = 0
    while True:
        anew(world)
        nth = Nth(1 + tried * stride)
        world.stand_in.orders = NthOrders(nth, fault)
        first = half_an_hour_of(world)
        if not nth.came:
            break
        tried += 1
        where = f"{fault} at question {nth.turn} of {questions}: {first['note']}"
        assert first["status"] in {"SUCCESS", "PARTIAL"}, (where, first["error"])
        world.clock.forward(minutes=30)
        second = half_an_hour_of(world)
        assert second["status"] == "SUCCESS", (where, second["note"])
        assert content(world) == calm, where
        assert_truthful(world)
    return tried


@pytest.mark.parametrize("fault", ["500", "html", "drop"])
def test_whichever_question_is_answered_wrongly_the_next_sync_has_everything(
    small: World, fault: str
) -> None:
    assert loop_over_questions(small, fault, stride=11) > 1


@pytest.mark.chaos
@pytest.mark.parametrize("fault", KINDS)
def test_every_question_may_be_answered_wrongly_in_every_way(small: World, fault: str) -> None:
    assert loop_over_questions(small, fault, stride=1) > 5
