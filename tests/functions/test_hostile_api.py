"""An OCDS API that answers what no documentation mentions: nothing is lost, and nothing costs for ever."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from app.replay import answers
from app.replay.answers import Answer
from app.replay.delivery import Receive, Send, whole
from app.replay.stand_in import Request
from db import identifiers
from functions.resources import Limits
from ocds.dates import SAST
from ocds.ids import ocid_of
from tests.functions.conftest import World
from tests.functions.content import unlike_served
from tests.functions.hostile import (
    IDS,
    ROWS,
    MakeWorld,
    Twist,
    assert_honest,
    assert_partial,
    cursor,
    only,
    plainly,
    said,
    twist,
    yesterday,
)


def test_a_list_dated_in_the_future_is_not_believed(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    at = cursor(world)
    world.clock.forward(days=1)

    def later(package: Any) -> Any:
        for release in package["releases"]:
            release["date"] = "2031-01-01T00:00:00Z"
        return package

    twist(world, only("list", later, world))
    job = world.sync()
    assert_partial(job, "the list dates every release in the future")
    assert cursor(world) == at
    assert_honest(world)


def test_a_list_that_has_fallen_silent_proves_no_day(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    twist(world, said("list", Answer(b'{"releases": [], "links": {}}')))

    job = world.sync()

    assert_partial(job, "the list shows nothing, although")
    assert cursor(world) != yesterday(world)
    assert_honest(world)
    twist(world, None)
    world.clock.forward(hours=1)
    healed = world.sync()
    assert healed.status == "SUCCESS", healed.note
    assert cursor(world) == yesterday(world)


def test_of_two_contents_in_one_page_both_are_kept_and_the_one_by_ocid_counts(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    torn = ocid_of(134_330)

    def twice(package: Any) -> Any:
        for release in list(package["releases"]):
            if release["ocid"] == torn:
                package["releases"].append(release | {"language": "af"})
        return package

    twist(world, only("list", twice, world))
    for _ in range(2):
        job = world.sync()
        assert job.status == "SUCCESS", job.note
        world.clock.forward(minutes=30)
        assert unlike_served(world) == []
        assert world.scalar("SELECT count(*) FROM releases WHERE ocid = :o", o=torn) == 2
    assert job.metadata["recordsUpdated"] == 0


def test_an_older_content_on_a_later_page_does_not_come_back(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    number = 134_340
    older = orjson.loads(whole(answers.release(world.stand_in.world, ocid_of(number))))

    def both(request: Request) -> Answer | None:
        if request.endpoint != "list":
            return None
        package = plainly(world, request)
        if request.query["pagenumber"] == "2":
            package["releases"].append(older)
        return Answer(orjson.dumps(package))

    world.sync()
    world.stand_in.world.change(number, "amend")
    twist(world, both)
    updated = []
    for _ in range(3):
        world.clock.forward(minutes=30)
        job = world.sync()
        assert job.status == "SUCCESS", job.note
        assert unlike_served(world) == []
        updated.append(job.metadata["recordsUpdated"])
    assert updated == [1, 0, 0]
    assert world.scalar("SELECT count(*) FROM releases WHERE ocid = :o", o=ocid_of(number)) == 2


def test_an_error_in_json_shows_no_tender_to_exist(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)

    def sorry(request: Request) -> Answer | None:
        if request.endpoint != "release" or plainly(world, request):
            return None
        return Answer(b'{"message": "An error has occurred."}')

    twist(world, sorry)
    job = world.sync()

    assert_partial(job, "releases could not be fetched")
    assert job.metadata["coverage"]["missing"] == 0
    assert job.metadata["coverage"]["expected"] == len(list(world.stand_in.truth()))


def test_a_content_that_was_replaced_during_the_run_is_kept(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    number = 134_340
    world.sync()
    world.clock.forward(minutes=30)
    world.stand_in.world.change(number, "amend")

    def amend_again(request: Request) -> Answer | None:
        if request.endpoint == "release" and request.path.endswith(str(number)):
            world.stand_in.world.change(number, "amend")
        return None

    twist(world, amend_again)
    world.sync()

    assert world.scalar("SELECT count(*) FROM releases WHERE ocid = :o", o=ocid_of(number)) == 3
    assert unlike_served(world) == []


def test_another_tenders_release_is_no_answer(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS, limits=Limits(first_sync_days=1))
    asked = ocid_of(134_350)

    def swapped(request: Request) -> Answer | None:
        if request.endpoint == "list":
            return Answer(b'{"releases": []}')
        if request.endpoint == "release" and request.path.endswith(asked):
            return answers.release(world.stand_in.world, ocid_of(134_351))
        return None

    twist(world, swapped)
    world.sync()
    state, error = world.rows("SELECT state, last_error FROM tender_ids WHERE ocid = :o", o=asked)[0]
    assert state == "pending"
    assert "expected the release" in error
    twist(world, None)
    world.sync()
    assert unlike_served(world) == []


def dressed(world: World, how: str) -> Twist:
    """Every answer's body in another dress."""

    def answer(request: Request) -> Answer | None:
        if request.endpoint == "page":
            return None
        body = orjson.dumps(plainly(world, request))
        if how == "gzip":
            return Answer(gzip.compress(body), headers={"content-encoding": "gzip"})
        if how == "bom":
            return Answer(b"\xef\xbb\xbf" + body, content_type="text/plain; charset=utf-8")
        if how == "utf-16":
            return None if request.endpoint == "bucket" else Answer(body.decode().encode("utf-16"))
        return Answer(body, content_type="text/html; charset=iso-8859-1")

    return answer


@pytest.mark.parametrize("how", ["gzip", "bom", "utf-16", "text/html"])
def test_a_body_in_another_dress_says_the_same(make_world: MakeWorld, how: str) -> None:
    world = make_world(ids=IDS)
    twist(world, dressed(world, how))
    job = world.sync()
    assert job.status == "SUCCESS", job.note
    assert unlike_served(world) == []


def test_latin_1_letters_cost_a_letter_and_no_tender(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)

    def latin(request: Request) -> Answer | None:
        if request.endpoint not in ("list", "bucket"):
            return None
        return Answer(orjson.dumps(plainly(world, request)).replace(b"Supply", b"Suppl\xe9"))

    twist(world, latin)
    job = world.sync()
    assert job.status == "SUCCESS", job.note
    assert world.scalar("SELECT count(*) FROM tenders") == len(list(world.stand_in.truth()))


def test_the_frontier_crosses_a_gap_and_is_not_led_astray_by_an_absurd_identifier(
    make_world: MakeWorld,
) -> None:
    world = make_world(ids=IDS)
    world.sync()
    world.drain()
    top = world.scalar("SELECT max(n) FROM tender_ids WHERE state = 'known'")
    body = next(world.stand_in.truth())["release"]
    far, absurd = top + 501, 2_000_000_000

    def as_number(number: int) -> dict[str, Any]:
        return body | {
            "ocid": ocid_of(number),
            "id": f"{ocid_of(number)}-2026-10-07",
            "date": "2026-10-07T00:00:00Z",
            "tender": body["tender"] | {"id": str(number)},
        }

    beyond = as_number(far + 3)

    def answer(request: Request) -> Answer | None:
        if request.endpoint == "list":
            package = plainly(world, request)
            if request.query.get("pagenumber") == "1":
                package["releases"] += [as_number(far), as_number(absurd)]
            return Answer(orjson.dumps(package))
        if request.endpoint == "release" and request.path.endswith(f"-{far + 3}"):
            return Answer(orjson.dumps(beyond))
        return None

    twist(world, answer)
    world.clock.forward(minutes=30)
    world.sync()
    world.clock.forward(minutes=30)
    world.sync()

    held = {n for (n,) in world.rows("SELECT n FROM tenders WHERE n > :top", top=top)}
    assert held == {far, far + 3, absurd}
    with world.engine.connect() as conn:
        assert identifiers.highest(conn) == far + 3


@pytest.mark.parametrize("answer", ["500", "404", "[]"])
def test_what_is_never_given_costs_ever_less_and_holds_nothing_up(make_world: MakeWorld, answer: str) -> None:
    world = make_world(ids=IDS)
    never = ocid_of(134_360)
    given = {
        "500": Answer(b"An error occurred", status=500),
        "404": Answer(b'{"message": "not found"}', status=404),
        "[]": Answer(b"[]"),
    }[answer]

    def never_given(request: Request) -> Answer | None:
        if request.endpoint == "list":
            package = plainly(world, request)
            package["releases"] = [each for each in package["releases"] if each["ocid"] != never]
            return Answer(orjson.dumps(package))
        return given if request.endpoint == "release" and request.path.endswith(never) else None

    twist(world, never_given)
    asked = []
    for _ in range(16):
        world.stand_in.traffic.reset()
        job = world.sync()
        assert job.status == "SUCCESS", job.note
        world.clock.forward(minutes=30)
        asked.append(sum(1 for each in world.stand_in.traffic.summary(10_000)["log"] if never in each["url"]))
    assert job.metadata["coverage"]["awaitingRelease"] == 1
    assert job.metadata["coverage"]["missing"] == 0
    assert cursor(world) == (world.clock.now - timedelta(days=1, minutes=30)).astimezone(SAST).date()
    assert 5 <= sum(asked) <= 14
    assert sum(asked[-3:]) <= 1


def test_an_identifier_that_failed_for_days_is_asked_for_as_soon_as_the_host_recovers(
    make_world: MakeWorld,
) -> None:
    world = make_world(ids=(134_350, 134_400), limits=Limits(first_sync_days=1))
    down = {"release": True}

    def refuses(request: Request) -> Answer | None:
        if request.endpoint == "list":
            return Answer(b'{"releases": []}')
        return Answer(b"", status=500) if request.endpoint == "release" and down["release"] else None

    twist(world, refuses)
    for _ in range(8):
        world.sync()
        world.clock.forward(minutes=30)
    assert world.scalar("SELECT count(*) FROM tender_ids WHERE state = 'failing'") > 3
    down["release"] = False
    world.execute("UPDATE upstream_hosts SET state = 'closed', consecutive_failures = 0")

    world.sync()
    world.sync()

    assert unlike_served(world) == []


def test_a_pause_that_is_given_as_a_date_is_kept(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    asked: list[str] = []

    def busy(request: Request) -> Answer | None:
        asked.append(request.endpoint)
        if asked.count("bucket") > 1 or request.endpoint != "bucket":
            return None
        until = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
        return Answer(b"Too many requests", status=429, headers={"retry-after": until})

    twist(world, busy)
    run = world.driver.run("tender-sync", "tender/sync.requested")
    assert world.job(run).status == "SUCCESS"
    assert len(run.waits) == 1


@pytest.mark.parametrize("target", ["", "https://elsewhere.example/x"], ids=["in circles", "elsewhere"])
def test_a_redirect_leads_nowhere(make_world: MakeWorld, target: str) -> None:
    world = make_world(ids=IDS)
    world.sync()
    before = world.rows(ROWS)

    def moved(request: Request) -> Answer | None:
        if request.endpoint != "bucket":
            return None
        return Answer(b"", status=302, headers={"location": target or f"{request.path}?status=1"})

    twist(world, moved)
    world.clock.forward(minutes=30)
    assert_partial(world.sync(), "redirected")
    assert world.rows(ROWS) == before


def test_a_body_that_trickles_for_ever_is_given_up(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS, timeout=0.3)
    world.sync()

    def trickle() -> Iterator[bytes]:
        while True:
            yield b" "

    plain = type(world.stand_in)._respond

    async def respond(request: Request, receive: Receive, send: Send) -> None:
        if request.endpoint != "list":
            await plain(world.stand_in, request, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in trickle():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0.02)
            if getattr(getattr(send, "__self__", None), "disconnected", False):
                return

    world.stand_in._respond = respond  # type: ignore[method-assign]
    world.clock.forward(minutes=30)
    job = world.sync()
    assert_partial(job, "the list from 2026-10-06 to 2026-10-07 was not read")
    walked = next(step for step in job.steps if step.name == "fetch-ocds-releases-1")
    assert walked.error is not None
    assert walked.error["kind"] == "EXTERNAL_API"
    assert_honest(world)
