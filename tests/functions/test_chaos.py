"""Seeded fault schedules: whatever the hosts do for a while, soon after they behave everything is there and right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from functions.resources import Limits
from tests.functions.conftest import World
from tests.functions.content import unlike_served

MakeWorld = Callable[..., World]

SAMPLE = (1, 5)
ALL = [pytest.param(seed, marks=[] if seed in SAMPLE else [pytest.mark.chaos]) for seed in range(1, 301)]


def routine(world: World) -> None:
    """What happens every half hour: a sync, and the background run that it asks for."""
    world.client.sent.clear()
    world.sync(triggeredBy="cron")
    if world.client.sent:
        world.drain()
    assert_cursor_is_honest(world)
    world.clock.forward(minutes=30)


def assert_cursor_is_honest(world: World) -> None:
    cursor = world.scalar("SELECT value FROM sync_state WHERE key = 'cursor'")
    incomplete = world.scalar("SELECT min(day) FROM coverage_days WHERE NOT complete")
    if cursor is not None and incomplete is not None:
        assert date.fromisoformat(cursor) < incomplete


@pytest.mark.parametrize("seed", ALL)
def test_two_syncs_after_the_faults_stop_everything_served_is_held(make_world: MakeWorld, seed: int) -> None:
    world = make_world(
        ids=(134_300, 137_000),
        faults=f"seed:{seed}",
        timeout=0.4,
        hold_back=0.2,
        churn=0.2,
        publish_over=timedelta(hours=1),
        limits=Limits(first_sync_days=30, max_enrichment_per_run=1000),
    )
    for _ in range(3):
        routine(world)

    world.stand_in.set_faults("none")
    world.clock.forward(hours=1)
    routine(world)
    routine(world)

    with world.engine.connect() as conn:
        from db import coverage

        covered = coverage.summary(conn)
    assert covered.missing == 0
    assert unlike_served(world) == []
    assert world.rows("SELECT ocid FROM tenders GROUP BY ocid HAVING count(*) > 1") == []
    assert world.scalar("SELECT count(*) FROM tenders") == len(list(world.stand_in.truth()))
    assert world.scalar("SELECT count(*) FROM jobs WHERE status IN ('RUNNING', 'RETRYING', 'QUEUED')") == 0
