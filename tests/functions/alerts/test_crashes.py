"""Whatever dies around sending: one mail per due search, each tender told once, and the records say what is known."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from db import alert_deliveries, jobs
from functions.mail import Post, SmtpMailer
from ocds.dates import SAST
from tests.functions.alerts.conftest import Alerts, Server, post_to, told
from tests.functions.alerts.crashing import Points, watched
from tests.functions.driver import Killed, Run

EVENT = {"name": "tender/alerts.requested", "data": {}, "id": "asked", "ts": 1}


def killed() -> None:
    raise Killed


def run_dying_at(alerts: Alerts, server: Server, point: int | None, *, post: Post | None = None) -> Points:
    """A run whose process dies at this point (None: not at all); the engine then carries the same run on."""
    points = Points(killed, at=point, received=lambda: len(server.mails))
    run = Run("send-alerts", {**EVENT, "id": f"asked-{alerts.number}-{point}"})
    with watched(alerts.engine, points):
        try:
            alerts.driver(post).drive(run)
            return points
        except Killed:
            assert points.name, "it died of something else"
    alerts.driver(post).drive(run)
    return points


@pytest.mark.parametrize("resend", [False, True])
def test_at_every_single_point_a_crash_loses_no_mail_and_doubles_none_but_where_nobody_can_know(
    alerts: Alerts, server: Server, smtp: SmtpMailer, *, resend: bool
) -> None:
    post = post_to(smtp, resend=resend)
    alerts.search("p0")
    alerts.appears()
    alerts.to_morning()
    undisturbed = run_dying_at(alerts, server, None, post=post)
    assert undisturbed.dot_at is not None
    assert undisturbed.passed > 40
    # Sending again when unsure differs from not doing so around the dot alone.
    around = range(undisturbed.dot_at - 4, undisturbed.dot_at + 9)
    doubtful = []
    for point in around if resend else range(1, undisturbed.passed + 1):
        server.mails.clear()
        alerts.execute("DELETE FROM saved_searches")
        search = alerts.search(f"p{point}")
        tender = alerts.appears()
        alerts.to_morning()
        died = run_dying_at(alerts, server, point, post=post)
        alerts.clock.forward(minutes=30)
        job = alerts.run(post)
        with alerts.engine.connect() as conn:
            (mail,) = alert_deliveries.of_search(conn, [search])
        times = told(server.mails)[tender]
        assert died.name
        where = f"point {point}, {died.name}"
        assert len({mail["Message-ID"] for mail in server.mails}) <= 1, where
        if mail.state == "unknown":
            doubtful.append((died.name, times))
            assert not resend, where
            assert times == (1 if died.dot_sent else 0), where
            assert job.status == "PARTIAL", where
            assert "nobody knows whether they arrived" in str(job.note), where
        elif resend and times == 2:
            doubtful.append((died.name, times))
            assert died.dot_sent, where
        else:
            assert (mail.state, times) == ("sent", 1), where
    print(f"{undisturbed.passed} points; doubtful: {doubtful}")
    # Between the commit that says "handing over" and the one that says "sent", there is the dot and its answer.
    assert [times for _, times in doubtful] == ([2] * 4 if resend else [0, 0, 1, 1, 1, 1])
    with alerts.engine.connect() as conn:
        assert not jobs.is_active(conn, "send-alerts")


@pytest.mark.parametrize(
    "seed", [7, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in range(100, 112))]
)
def test_over_a_fortnight_with_a_crash_every_morning_each_due_search_gets_one_mail_and_each_tender_is_told_once(
    alerts: Alerts, server: Server, seed: int
) -> None:
    dice = random.Random(seed)
    alerts.search("everything", status=None)
    alerts.search("pumps", keywords="pumps")
    alerts.search("weekly", frequency="weekly", keywords="pumps")
    pumps, others = [], []
    for day in range(14):
        others.append(alerts.appears("Painting of schools"))
        if day % 5 != 3:
            pumps.append(alerts.appears("Repair of pumps", published=day % 4 != 1))
        alerts.to_morning()
        run_dying_at(alerts, server, dice.randrange(1, 70))
        # On this very publication day, after the morning's mail:
        pumps.append(alerts.appears("Pumps, published late in the day"))
        alerts.clock.forward(hours=3)
        alerts.run()
        alerts.execute(
            "UPDATE tenders SET is_published = true,"
            " arrival = nextval(pg_get_serial_sequence('tenders', 'arrival')) WHERE NOT is_published"
        )
        _a_person_decides(alerts, server)
    alerts.to_morning()
    alerts.run()

    by_search: dict[str, list[object]] = {}
    for mail in server.mails:
        by_search.setdefault(str(mail["To"]), []).append(mail)
    messages = Counter(mail["Message-ID"] for mail in server.mails)
    assert set(messages.values()) == {1}
    assert alerts.states() == {"sent": len(server.mails)}
    assert told(by_search["everything@bidder.example"]) == dict.fromkeys(pumps + others, 1)  # type: ignore[arg-type]
    assert told(by_search["pumps@bidder.example"]) == dict.fromkeys(pumps, 1)  # type: ignore[arg-type]
    assert len(by_search["everything@bidder.example"]) == 15
    assert len(by_search["pumps@bidder.example"]) == 15
    assert len(by_search["weekly@bidder.example"]) == 2
    assert set(told(by_search["weekly@bidder.example"]).values()) == {1}  # type: ignore[arg-type]


def _a_person_decides(alerts: Alerts, server: Server) -> None:
    """Doubtful mails that never came are sent again from the page; those that came are left."""
    with alerts.engine.connect() as conn:
        searches = [f"search-{name}" for name in ("everything", "pumps", "weekly")]
        doubtful = [m for m in alert_deliveries.of_search(conn, searches) if m.state == "unknown"]
    arrived = {str(mail["Message-ID"]).strip("<>").split("@")[0] for mail in server.mails}
    for mail in doubtful:
        if mail.id in arrived:
            alerts.execute("UPDATE alert_deliveries SET state = 'sent' WHERE id = :id", id=mail.id)
        else:
            with alerts.engine.begin() as conn:
                assert alert_deliveries.send_again(conn, mail.id, now=alerts.clock.now)
            alerts.run()


def test_of_two_processes_that_have_the_same_mail_in_hand_one_sends_it(
    alerts: Alerts, server: Server, smtp: SmtpMailer
) -> None:
    alerts.search()
    alerts.appears()
    alerts.to_morning()

    class Slow(SmtpMailer):
        """While this process talks to the server, another one does the whole work."""

        def deliver(self, *given: Any, **named: Any) -> None:
            alerts.execute("UPDATE jobs SET status = 'CRASHED'")
            alerts.run()
            super().deliver(*given, **named)

    alerts.run(post_to(Slow(host=smtp.host, port=smtp.port)))
    assert len(server.mails) == 1
    assert alerts.states() == {"sent": 1}


@pytest.mark.parametrize(
    ("reply", "state"), [("451 later", "prepared"), ("552 too large", "failed"), ("silence", "unknown")]
)
def test_what_the_server_says_to_the_completed_mail_decides(
    alerts: Alerts, server: Server, reply: str, state: str
) -> None:
    alerts.search()
    alerts.appears()
    alerts.to_morning()
    server.answers["DATA"] = reply
    job = alerts.run()
    assert alerts.states() == {state: 1}
    assert job.status == "PARTIAL"
    server.answers.clear()
    alerts.clock.forward(hours=2)
    alerts.run()
    assert len(server.mails) == (0 if state == "failed" else 1)


@pytest.mark.acceptance
@pytest.mark.parametrize(("from_the_dot", "state"), [(-3, "sent"), (3, "unknown")])
def test_a_process_killed_for_real_around_sending_leaves_one_mail(
    alerts: Alerts, server: Server, smtp: SmtpMailer, database_url: str, from_the_dot: int, state: str
) -> None:
    alerts.search("before")
    alerts.appears()
    alerts.to_morning()
    undisturbed = run_dying_at(alerts, server, None)
    assert undisturbed.dot_at is not None
    server.mails.clear()
    alerts.execute("DELETE FROM saved_searches")
    search = alerts.search()
    tender = alerts.appears()
    alerts.to_morning()
    now = alerts.clock.now.astimezone(SAST).isoformat()
    arguments = [database_url, str(smtp.port), now, str(undisturbed.dot_at + from_the_dot)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.functions.alerts.dying", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(server.mails) == (0 if from_the_dot < 0 else 1)

    alerts.execute("UPDATE jobs SET status = 'CRASHED' WHERE status = 'RUNNING'")
    alerts.clock.forward(hours=1)
    alerts.run()
    assert told(server.mails) == {tender: 1}
    with alerts.engine.connect() as conn:
        (mail,) = alert_deliveries.of_search(conn, [search])
    assert mail.state == state
