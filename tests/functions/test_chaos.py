"""Seeded fault schedules: whatever the hosts do for a while, soon after they behave everything is there and right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from db import coverage
from enrichment.rows import read_row
from functions.resources import Limits
from ocds.content import canonical_json
from ocds.ids import number_of, ocid_of
from ocds.release import content_hash
from tests.functions.conftest import World
from tests.functions.content import held_bodies
from tests.functions.driver import Run
from tests.functions.mischief import KINDS, Mischief

MakeWorld = Callable[..., World]

SAMPLE = (1, 5)
ALL = [pytest.param(seed, marks=[] if seed in SAMPLE else [pytest.mark.chaos]) for seed in range(1, 301)]

UNREADABLE = 136_747
"""Its release contradicts itself whenever it is given, and no portal row stands in for it."""
WITHHELD = 134_370
"""Neither list nor release API ever gives it, only the portal shows it."""


class Watch:
    """Looks at the cursor before every single request of every run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.highest = date.min
        self.looks = 0

    def __call__(self, _: Run | None = None) -> None:
        with self._world.engine.connect() as conn:
            cursor, incomplete, unproven = conn.execute(_CURSOR).one()
        self.looks += 1
        if cursor is None:
            return
        assert cursor >= self.highest, "the cursor went backward"
        assert incomplete is None or cursor < incomplete, "the cursor passed an incomplete day"
        assert unproven == 0, "the cursor passed a day that was never asked for"
        self.highest = cursor


_CURSOR = sa.text(
    """
    WITH at AS (SELECT (SELECT (value #>> '{}')::date FROM sync_state WHERE key = 'cursor') AS cursor)
    SELECT cursor,
        (SELECT min(day) FROM coverage_days WHERE NOT complete),
        (SELECT count(*) FROM generate_series((SELECT min(day) FROM coverage_days), cursor, interval '1 day') AS g
        LEFT JOIN coverage_days AS d ON d.day = g WHERE d.complete IS NOT TRUE)
    FROM at
    """
)


def withhold(world: World) -> None:
    """Make the two tenders that the source never gives."""
    source = world.stand_in.world
    between, release = source.between, source.release
    hidden = source.find(WITHHELD)

    def listed(first_day: int, last_day: int) -> list[int]:
        return [place for place in between(first_day, last_day) if place != hidden]

    def given(place: int) -> dict[str, Any]:
        body = release(place)
        if source.numbers[place] == UNREADABLE:
            return body | {"tender": body["tender"] | {"id": "7"}}
        return body

    source.between = listed  # type: ignore[method-assign]
    source.release = given  # type: ignore[method-assign]
    world.stand_in.orders.add("release", "500", times=-1, ocid=ocid_of(WITHHELD))


def routine(world: World) -> None:
    """What happens every half hour: a sync, and the background run that it asks for."""
    world.client.sent.clear()
    # The half-hour was the test clock's; a host's rest, which is shorter, goes by the database's.
    world.execute("UPDATE upstream_hosts SET open_until = now() WHERE state = 'open'")
    world.sync(triggeredBy="cron")
    if world.client.sent:
        world.drain()
    world.clock.forward(minutes=30)


def assert_all_is_as_served(world: World) -> None:
    """Every body to the last byte, every row as it is shown, nothing twice, nothing too much."""
    bodies, source = held_bodies(world), world.stand_in.world
    hashes = dict(world.rows("SELECT ocid, release_hash FROM tenders"))  # type: ignore[arg-type]
    rows = {ocid: rest for ocid, *rest in world.rows("SELECT ocid, row_hash, vanished_at FROM portal_rows")}
    contents = dict(world.rows("SELECT ocid, count(*) FROM releases GROUP BY ocid"))  # type: ignore[arg-type]
    truth = list(world.stand_in.truth())
    assert len(truth) > 30
    for each in truth:
        ocid, number = each["ocid"], number_of(each["ocid"])
        if number not in (UNREADABLE, WITHHELD):
            assert canonical_json(bodies[ocid]) == canonical_json(each["release"]), ocid
            assert hashes[ocid] == content_hash(each["release"]), ocid
            assert contents[ocid] <= 1 + len(source._changes.get(source.find(number or 0) or 0, ())), ocid
        if each["older"] is not None and each["status"] == 1:
            assert rows[ocid] == [read_row(each["older"]).hash, None], ocid
        elif ocid in rows:
            assert rows[ocid][1] is not None, f"{ocid} is gone from the open bucket"
    assert hashes.keys() == {each["ocid"] for each in truth} - {ocid_of(UNREADABLE)}
    assert hashes[ocid_of(WITHHELD)] is None


@pytest.mark.parametrize("seed", ALL)
def test_two_syncs_after_the_faults_stop_everything_served_is_held(make_world: MakeWorld, seed: int) -> None:
    dice = Random(seed)
    world = make_world(
        ids=(134_310, 137_000),
        faults=f"seed:{seed}",
        timeout=5.0,
        hold_back=0.2,
        churn=0.2,
        publish_over=timedelta(hours=1),
        limits=Limits(
            first_sync_days=12, max_enrichment_per_run=1000, list_page_size=dice.choice((10, 20, 50))
        ),
    )
    withhold(world)
    mischief = Mischief(world, seed, spared=(UNREADABLE, WITHHELD))
    watch = Watch(world)
    world.driver._before = watch
    for _ in range(3):
        routine(world)
    assert {kind for kind in KINDS if mischief.done[kind]} == set(KINDS), mischief.done

    world.stand_in.set_faults("none")
    mischief.active = False
    world.clock.forward(minutes=dice.choice((0, 60)))
    routine(world)
    routine(world)
    watch()

    with world.engine.connect() as conn:
        covered, missing = coverage.summary(conn), coverage.missing(conn)
    assert [(each["n"], each["state"]) for each in missing if not each["awaitingRelease"]] == [
        (UNREADABLE, "rejected")
    ]
    assert (covered.missing, covered.awaiting_release) == (1, 1)
    assert_all_is_as_served(world)
    assert watch.looks > 40
    assert watch.highest == (world.clock.now - timedelta(days=1)).date()
    assert world.scalar("SELECT count(*) FROM jobs WHERE status IN ('RUNNING', 'RETRYING', 'QUEUED')") == 0
