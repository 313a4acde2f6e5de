"""Whatever a release may look like: it is saved, or set aside with a reason, and the rest goes on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from functions.enriching import save_fetched
from functions.reading import read_all, stage
from functions.recorder import Step
from ocds.ids import number_of, ocid_of
from tests.functions.conftest import World
from tests.functions.hostile import only, twist

MakeWorld = Callable[..., World]
ODD: tuple[Any, ...] = (
    None,
    "",
    " NO",
    "N/A",
    "0001-01-01T00:00:00Z",
    "31/02/2026",
    "2026-13-45",
    "a\x00b",
    "\ud800",
    "x" * 20_000,
    0,
    -1,
    10**30,
    1e308,
    True,
    [],
    {},
    [None],
    [[]],
    {"id": {"id": {"id": None}}},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [path] if path else []
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        found += places(member, (*path, key))
    return found


def mutated(body: dict[str, Any], dice: Random) -> dict[str, Any]:
    """The release with a few places removed or replaced by something odd."""
    changed = copy.deepcopy(body)
    for _ in range(dice.randrange(1, 6)):
        path = dice.choice(places(changed))
        holder: Any = changed
        for key in path[:-1]:
            holder = holder[key]
        if isinstance(holder, dict) and dice.random() < 0.3:
            del holder[path[-1]]
        else:
            holder[path[-1]] = dice.choice(ODD)
        if not places(changed):
            break
    return changed


@pytest.mark.parametrize("seed", range(4))
def test_no_mutated_release_stops_the_others(make_world: MakeWorld, seed: int) -> None:
    world = make_world(ids=(134_300, 137_000))
    bodies = [each["release"] for each in world.stand_in.truth()]
    dice = Random(seed)
    raws: list[Any] = []
    for number in range(1, 501):
        body = copy.deepcopy(dice.choice(bodies))
        body |= {"ocid": ocid_of(number), "id": f"{ocid_of(number)}-2026-10-07"}
        body["tender"]["id"] = str(number)
        raws.append(mutated(body, dice))
    raws += [None, 7, "text", [], {}, {"ocid": None}]
    world.execute(
        "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at)"
        " VALUES ('job', 'DELTA_SYNC', 'RUNNING', 'tender-sync', 'run', :now, :now)",
        now=world.clock.now,
    )

    found = read_all(raws, fetched_at=world.clock.now)
    with world.engine.begin() as conn:
        stage(conn, "job", found, by="list", now=world.clock.now)
    save_fetched(Step(world.resources, "job", "run", "save", 1))

    assert len(found.accepted) + len(found.rejected) == len(raws)
    accepted = {release.n for release in found.accepted}
    saved = {n for (n,) in world.rows("SELECT n FROM tenders")}
    unmade = {n for (n,) in world.rows("SELECT n FROM tender_ids WHERE state = 'rejected' AND reason <> ''")}
    assert len(accepted) > 300
    assert accepted == saved | (unmade & accepted)
    assert len(unmade & accepted) == 0
    reasons = world.rows("SELECT reason FROM rejected_releases")
    assert len(reasons) == len({item.content_hash for item in found.rejected})
    assert all(reason for (reason,) in reasons)
    held = dict(world.rows("SELECT ocid, body FROM releases WHERE body_exact IS NULL"))  # type: ignore[arg-type]
    given = {ocid_of(release.n): release.body for release in found.accepted}
    assert all(given[ocid] == body for ocid, body in held.items())
    assert number_of(next(iter(held))) in accepted


def test_texts_of_megabytes_stop_nothing(make_world: MakeWorld) -> None:
    world = make_world(ids=(134_320, 137_000))
    dice = Random(1)
    long = " ".join(dice.randbytes(5).hex() for _ in range(120_000))
    places_of_text = [
        ("buyer", "id"),
        ("buyer", "name"),
        ("tender", "title"),
        ("tender", "description"),
        ("tender", "category"),
        ("tender", "mainProcurementCategory"),
        ("tender", "province"),
        ("tender", "status"),
    ]

    def lengthened(package: Any) -> Any:
        for release, (holder, name) in zip(package["releases"], places_of_text, strict=False):
            release[holder][name] = long
        return package

    twist(world, only("list", lengthened, world))
    job = world.sync()

    assert job.status == "SUCCESS", (job.note, job.error)
    assert job.metadata["recordsAdded"] == len(list(world.stand_in.truth()))
    assert world.scalar("SELECT max(length(body ->> 'tender')) FROM releases") > len(long)
