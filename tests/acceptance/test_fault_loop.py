"""The Nth statement or commit fails, the Nth question is answered wrongly, for N = 1, 2, 3 … until a run is clean.

Whatever fails, each function ends as if nothing had: nothing is lost, nothing doubled, no job is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from app.replay.faults import KINDS
from db.engine import normalise
from db.jobs import Job
from functions import build
from functions.mail import SmtpMailer
from functions.resources import Limits
from tests.acceptance.ordering_faults import COMMITS, STATEMENTS, Failing, Nth, commits, questions, statements
from tests.acceptance.scenarios import LIMITS, NOON, SCENARIOS, Scenario, mail_server
from tests.acceptance.whole import differences, whole
from tests.conftest import temporary_database
from tests.functions.alerts.conftest import Server, post_to, told
from tests.functions.conftest import Clock, World, make_world  # noqa: F401 - a fixture
from tests.functions.content import content, unlike_served
from tests.functions.driver import Driver

pytestmark = pytest.mark.acceptance

TIMER = "inngest/scheduled.timer"
SAMPLE = 2
# Where hosts may hang, they are not waited for long.
_HANGING = 0.4
ASKING = tuple(scenario for scenario in SCENARIOS if scenario.function != "send-alerts")


@dataclass
class Rig:
    """A scenario in this process; `anew` sets everything back to what the function finds."""

    scenario: Scenario
    world: World
    server: str
    prepared: str
    mail: Server

    def anew(self) -> None:
        """As before the first run."""
        self.world.engine.dispose()
        name = normalise(self.world.url).database
        with _admin(self.server) as conn:
            conn.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
            conn.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {self.prepared}"))
        self.world.clock.now = self.scenario.starts_at(self.world.began)
        self.world.client.sent.clear()
        self.mail.mails.clear()

    def run(self, failing: AbstractContextManager[None] = nullcontext()) -> Job:  # noqa: B008 - holds nothing
        """The function once, and the run that it asks for, with what fails meanwhile; the function's job."""
        event = self.scenario.event or {"name": TIMER, "data": {}}
        with failing:
            run = self.world.driver.run(self.scenario.function, event["name"], event["data"])
            if self.world.client.sent:
                self.world.client.sent.clear()
                self.world.driver.run("history-backfill", "tender/history-backfill.requested", {})
        return self.world.job(run)


def _admin(server: str) -> Any:
    return sa.create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(make_world: Callable[..., World], pg_server: str) -> Iterator[MakeRig]:  # noqa: F811
    """Makes the rig of a scenario. `timeout`: so many seconds the hosts have for an answer."""
    with mail_server() as (mail, port), temporary_database(pg_server) as spare:
        prepared = str(normalise(spare).database)

        def make(scenario: Scenario, *, timeout: float = 30.0) -> Rig:
            world = make_world(
                ids=scenario.ids,
                limits=Limits(**LIMITS),
                clock=Clock(now=NOON),
                timeout=timeout,
                time_scale=0.01,
                **scenario.replay,
            )
            scenario.prepare(world)
            world.engine.dispose()
            with _admin(pg_server) as conn:
                conn.execute(sa.text(f"DROP DATABASE {prepared}"))
                conn.execute(sa.text(f"CREATE DATABASE {prepared} TEMPLATE {normalise(world.url).database}"))
            world.began = world.clock.now
            budget = scenario.settings.get("max_release_fetch_per_run", 300)
            world.resources = replace(
                world.resources,
                limits=Limits(**LIMITS, max_release_fetch_per_run=budget),
                post=post_to(SmtpMailer(host="127.0.0.1", port=port, timeout=5, answer_timeout=5)),
            )
            world.driver = Driver(
                world.client, build(world.client, world.resources), asleep=world.clock.until
            )
            return Rig(scenario, world, pg_server, prepared, mail)

        yield make


def assert_truthful(world: World) -> None:
    """No job open; no step open; nothing twice; what is held is what is served."""
    assert world.rows("SELECT id, status FROM jobs WHERE status IN ('QUEUED', 'RUNNING', 'RETRYING')") == []
    assert world.rows("SELECT name FROM job_steps WHERE status IN ('RUNNING', 'RETRYING')") == []
    assert world.rows("SELECT ocid FROM releases GROUP BY ocid, content_hash HAVING count(*) > 1") == []
    assert world.rows("SELECT host FROM upstream_hosts WHERE lease_holder IS NOT NULL") == []


def turns(total: int, sample: int | None) -> list[int]:
    """Which N are tried of so many: all, or some evenly spaced."""
    if sample is None:
        return list(range(1, total + 1))
    return sorted({1 + (2 * step + 1) * total // (2 * sample) for step in range(sample)})


def loop_in_the_database(rig: Rig, failing: Failing, sample: int | None = None) -> tuple[int, list[str]]:
    """One run for each N; how many there were, and what went wrong."""
    rig.anew()
    counted = Nth(None)
    calm_job = rig.run(failing(counted))
    assert calm_job.status == "SUCCESS", calm_job
    calm, calm_mails = whole(rig.world.url), told(rig.mail.mails)
    wrong = []
    for turn in turns(counted.seen, sample):
        rig.anew()
        nth = Nth(turn)
        job = rig.run(failing(nth))
        assert nth.came, f"{turn} of {counted.seen} did not come"
        found = differences(calm, whole(rig.world.url))
        if found or job.status != "SUCCESS" or told(rig.mail.mails) != calm_mails:
            wrong.append(f"{turn} of {counted.seen}: {job.status}, {job.note}, {job.error}\n{found}")
        assert_truthful(rig.world)
    return counted.seen, wrong


def heal(rig: Rig) -> Job:
    """What comes next by itself: the function's next run (its job is returned), and the next sync."""
    rig.world.clock.now += rig.scenario.again
    job = rig.run()
    rig.world.sync()
    rig.world.client.sent.clear()
    assert unlike_served(rig.world) == []
    return job


def loop_over_questions(rig: Rig, fault: str, sample: int | None = None) -> tuple[int, list[str]]:
    """Answers the Nth question with the fault; the next run must have everything."""
    rig.anew()
    failing = questions(rig.world.stand_in, fault)
    counted = Nth(None)
    rig.run(failing(counted))
    heal(rig)
    calm = content(rig.world)
    wrong = []
    for turn in turns(counted.seen, sample):
        rig.anew()
        nth = Nth(turn)
        first = rig.run(failing(nth))
        assert nth.came, f"{turn} of {counted.seen} did not come"
        second = heal(rig)
        found = [name for name, value in content(rig.world).items() if value != calm[name]]
        ends = (first.status, second.status)
        if found or ends not in {("SUCCESS", "SUCCESS"), ("PARTIAL", "SUCCESS")}:
            wrong.append(f"{turn} of {counted.seen}: {ends}, {first.note}, {second.note}: {found}")
        assert_truthful(rig.world)
    return counted.seen, wrong


def by_function(scenario: Scenario) -> str:
    return scenario.function


@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_function)
def test_whichever_statement_or_commit_fails_a_function_ends_as_if_none_had(
    make_rig: MakeRig, scenario: Scenario
) -> None:
    rig = make_rig(scenario)
    for kind in ("serialization", "terminated"):
        seen, wrong = loop_in_the_database(rig, statements(rig.world.engine, kind), SAMPLE)
        assert seen > 50
        assert not wrong, "\n\n".join([kind, *wrong])
    for kind in COMMITS:
        seen, wrong = loop_in_the_database(rig, commits(rig.world.engine, kind), SAMPLE)
        assert seen > 20
        assert not wrong, "\n\n".join([kind, *wrong])


@pytest.mark.chaos
@pytest.mark.parametrize("kind", [*STATEMENTS, *COMMITS])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_function)
def test_every_single_statement_and_commit_may_fail(
    make_rig: MakeRig, scenario: Scenario, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = make_rig(scenario)
    failing = (commits if kind in COMMITS else statements)(rig.world.engine, kind)
    seen, wrong = loop_in_the_database(rig, failing)
    with capsys.disabled():
        print(
            f"\n{scenario.function}, {kind}: {seen} times, each in a run of its own; {len(wrong)} went wrong"
        )
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("scenario", ASKING, ids=by_function)
def test_whichever_question_is_answered_wrongly_the_next_run_has_everything(
    make_rig: MakeRig, scenario: Scenario
) -> None:
    rig = make_rig(scenario, timeout=_HANGING)
    for fault in ("500", "drop"):
        seen, wrong = loop_over_questions(rig, fault, 2)
        assert seen > 3
        assert not wrong, "\n\n".join([fault, *wrong])


@pytest.mark.chaos
@pytest.mark.parametrize("fault", KINDS)
@pytest.mark.parametrize("scenario", ASKING, ids=by_function)
def test_every_question_may_be_answered_wrongly_in_every_way(
    make_rig: MakeRig, scenario: Scenario, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, wrong = loop_over_questions(make_rig(scenario, timeout=_HANGING), fault)
    with capsys.disabled():
        print(f"\n{scenario.function}, {fault}: {seen} questions; {len(wrong)} went wrong")
    assert not wrong, "\n\n".join(wrong)
