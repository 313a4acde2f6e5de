"""Hosts that answer what no documentation mentions: how to twist the stand-in's answers, and what must hold then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import orjson

from app.replay import answers
from app.replay.answers import Answer
from app.replay.delivery import Receive, Send, deliver, whole
from app.replay.stand_in import Request
from db.jobs import Job
from tests.functions.conftest import World

MakeWorld = Callable[..., World]
Twist = Callable[[Request], Answer | None]
IDS = (134_320, 137_000)
ROWS = "SELECT ocid, lifecycle FROM tenders ORDER BY ocid"


def twist(world: World, answer: Twist | None) -> None:
    """Answer requests in another way, where `answer` gives something; None: as before."""
    plain = type(world.stand_in)._respond

    async def respond(request: Request, receive: Receive, send: Send) -> None:
        given = answer(request) if answer else None
        if given is None:
            await plain(world.stand_in, request, receive, send)
            return
        request.entry.status = given.status
        await deliver(send, given)

    world.stand_in._respond = respond  # type: ignore[method-assign]


def plainly(world: World, request: Request) -> Any:
    """What the stand-in would answer."""
    source = world.stand_in.world
    if request.endpoint == "list":
        return orjson.loads(whole(answers.list_page(source, request.query)))
    if request.endpoint == "bucket":
        return orjson.loads(whole(answers.bucket(source, request.query)))
    return orjson.loads(whole(answers.release(source, request.path.rpartition("/")[2])))


def only(endpoint: str, change: Callable[[Any], Any], world: World) -> Twist:
    """The plain answers of an endpoint, changed."""

    def answer(request: Request) -> Answer | None:
        if request.endpoint != endpoint:
            return None
        return Answer(orjson.dumps(change(plainly(world, request))))

    return answer


def said(endpoint: str, answer: Answer) -> Twist:
    """One and the same answer to everything that an endpoint is asked."""
    return lambda request: answer if request.endpoint == endpoint else None


def cursor(world: World) -> date | None:
    """Where the cursor stands."""
    found = world.scalar("SELECT value FROM sync_state WHERE key = 'cursor'")
    return None if found is None else date.fromisoformat(found)


def assert_honest(world: World) -> None:
    """The cursor lies before every incomplete day, nothing is staged, no job is open."""
    incomplete = world.scalar("SELECT min(day) FROM coverage_days WHERE NOT complete")
    at = cursor(world)
    assert at is None or incomplete is None or at < incomplete
    assert world.scalar("SELECT count(*) FROM staged_releases") == 0
    assert world.scalar("SELECT count(*) FROM jobs WHERE finished_at IS NULL") == 0


def yesterday(world: World) -> date:
    """The last day that is over."""
    return world.clock.now.date() - timedelta(days=1)


def assert_partial(job: Job, words: str) -> None:
    """The job says that something was amiss, and what."""
    assert job.status == "PARTIAL", (job.status, job.note, job.error)
    assert words in (job.note or ""), job.note
