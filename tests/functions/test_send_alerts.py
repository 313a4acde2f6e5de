"""Alerts as they arrive: a real SMTP server on loopback, a clock that is moved through a fortnight, and crashes."""

from __future__ import annotations

import email
import email.policy
import smtplib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from db import alert_deliveries, jobs, saved_searches
from db.engine import make_engine
from db.jobs import Job
from db.saved_searches import Wanted
from enrichment.client import PortalClient
from functions import build
from functions.mail import FolderMailer, Post, SmtpMailer
from functions.resources import Resources
from ocds.client import OcdsClient
from ocds.dates import SAST
from tests.functions.conftest import Clock
from tests.functions.driver import CollectingClient, Driver, Killed, Run

MONDAY = datetime(2026, 10, 5, 12, 0, tzinfo=SAST)


@dataclass
class Server:
    """What an SMTP server received, and how it answers."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Takes any recipient unless told otherwise."""
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Takes any mail unless told otherwise."""
        if self.answers.get("DATA") == "silence":
            self._take(envelope)
            session.writer.close() if hasattr(session, "writer") else server.transport.close()
            return "250 OK"
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self._take(envelope)
        return "250 OK"

    def _take(self, envelope: Any) -> None:
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.recipients += envelope.rcpt_tos


@pytest.fixture
def server() -> Server:
    """A server that takes everything, until it is told otherwise."""
    return Server()


@pytest.fixture
def smtp(server: Server) -> Iterator[SmtpMailer]:
    """A mailer to that server."""
    controller = Controller(server, hostname="127.0.0.1", port=0)
    controller.start()
    assert controller.server is not None
    port = controller.server.sockets[0].getsockname()[1]
    yield SmtpMailer(host="127.0.0.1", port=port, timeout=5, answer_timeout=5)
    controller.stop()


@dataclass
class Alerts:
    """The function in its surroundings."""

    engine: sa.Engine
    clock: Clock
    client: CollectingClient
    resources: Resources
    number: int = 1000

    def search(self, name: str = "pumps", *, frequency: Any = "daily", **wanted: Any) -> str:
        """A saved search; its id."""
        with self.engine.begin() as conn:
            made = saved_searches.create(
                conn,
                id=f"search-{name}",
                user_id=None,
                name=name,
                email=f"{name}@bidder.example",
                wanted=Wanted(**wanted),
                frequency=frequency,
                now=self.clock.now,
            )
        return made.id

    def appears(self, title: str = "Supply of pumps", *, published: bool = True, **columns: Any) -> str:
        """A tender is saved now; its ocid."""
        self.number += 1
        ocid = f"ocds-9t57fa-{self.number}"
        midnight = self.clock.now.astimezone(SAST).replace(hour=0, minute=0, second=0, microsecond=0)
        row = {
            "ocid": ocid,
            "n": self.number,
            "slug": f"tender-{self.number}",
            "title": title,
            "display_title": title,
            "buyer_name": "City of Testing",
            "province": "Gauteng",
            "lifecycle": "open",
            "enrichment_status": "enriched",
            "is_published": published,
            "published_at": midnight,
            "closing_at": midnight + timedelta(days=60),
            "first_seen_at": self.clock.now,
            "last_changed_at": self.clock.now,
            "content_hash": b"x",
            **columns,
        }
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        self.execute(f"INSERT INTO tenders ({names}) VALUES ({values})", **row)
        return ocid

    def driver(self, post: Post | None = None) -> Driver:
        """An engine for the functions, in a process of its own as it were."""
        resources = self.resources if post is None else replace(self.resources, post=post)
        return Driver(self.client, build(self.client, resources))

    def run(self, post: Post | None = None) -> Job:
        """One run to its end; its job."""
        done = self.driver(post).run("send-alerts", "tender/alerts.requested")
        with self.engine.connect() as conn:
            job_id = jobs.of_run(conn, done.run_id)
            assert job_id is not None, done.error
            job = jobs.get(conn, job_id)
        assert job is not None
        return job

    def states(self) -> dict[str, int]:
        """How many mails are in which state."""
        with self.engine.connect() as conn:
            return alert_deliveries.counts(conn)

    def execute(self, sql: str, **given: Any) -> None:
        """Change something behind the function's back."""
        with self.engine.begin() as conn:
            conn.execute(sa.text(sql), given)

    def to_morning(self) -> None:
        """To ten past seven of the next day."""
        now = self.clock.now.astimezone(SAST)
        day = now if now.hour < 7 else now + timedelta(days=1)
        self.clock.now = day.replace(hour=7, minute=10, second=0, microsecond=0)


def post_to(mailer: Any, *, resend: bool = False) -> Post:
    return Post(
        mailer=mailer,
        sender="alerts@protenders.example",
        base_url="https://protenders.example",
        unsubscribe_token=lambda search_id: f"token-of-{search_id}",
        resend_when_unsure=resend,
    )


@pytest.fixture
def alerts(database_url: str, smtp: SmtpMailer) -> Iterator[Alerts]:
    """send-alerts with a mailer to the test's server, on a Monday at noon."""
    engine = make_engine(database_url)
    clock = Clock(now=MONDAY)
    ocds, portal = OcdsClient("http://127.0.0.1:9"), PortalClient("http://127.0.0.1:9")
    resources = Resources(engine=engine, ocds=ocds, portal=portal, clock=clock, post=post_to(smtp))
    yield Alerts(engine=engine, clock=clock, client=CollectingClient(), resources=resources)
    ocds.close()
    portal.close()
    engine.dispose()


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def told(mails: list[EmailMessage]) -> Counter[str]:
    """How often each tender was told about."""
    import re

    return Counter(ocid for mail in mails for ocid in set(re.findall(r"ocds-9t57fa-\d+", text_of(mail))))


def test_a_search_that_is_due_is_told_once_about_what_appeared_after_it_was_made(
    alerts: Alerts, server: Server
) -> None:
    before = alerts.appears()
    alerts.search(keywords="pumps")
    new, other = alerts.appears(), alerts.appears("Painting of schools")

    assert alerts.run().note == "nothing to tell"
    alerts.to_morning()
    job = alerts.run()

    assert (job.status, job.note) == ("SUCCESS", "1 mails sent")
    assert told(server.mails) == {new: 1}
    assert before not in text_of(server.mails[0])
    assert other not in text_of(server.mails[0])
    assert alerts.run().note == "nothing to tell"
    alerts.to_morning()
    assert alerts.run().note == "nothing to tell"
    assert len(server.mails) == 1


def test_the_mail_is_text_and_html_escaped_and_can_be_stopped_with_one_click(
    alerts: Alerts, server: Server
) -> None:
    alerts.search("a <b> & c")
    alerts.execute("UPDATE saved_searches SET email = 'someone@bidder.example'")
    alerts.appears("Pumps <script>alert(1)</script> & “más”\n.\nhidden")
    alerts.to_morning()
    alerts.run()

    (mail,) = server.mails
    assert server.recipients == ["someone@bidder.example"]
    assert mail["Subject"] == "1 new tender: a <b> & c"
    assert "&lt;script&gt;" in text_of(mail, "html")
    assert "<script>" not in text_of(mail, "html")
    assert "“más” . hidden" in text_of(mail)
    assert mail["List-Unsubscribe"] == "<https://protenders.example/unsubscribe/token-of-search-a <b> & c>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_tender_that_was_held_back_is_told_about_when_it_is_published(
    alerts: Alerts, server: Server
) -> None:
    held = alerts.appears(published=False)
    alerts.search()
    alerts.to_morning()
    assert alerts.run().note == "nothing to tell"
    alerts.execute(
        "UPDATE tenders SET is_published = true, arrival = nextval(pg_get_serial_sequence('tenders', 'arrival'))"
    )
    alerts.to_morning()
    alerts.run()
    assert told(server.mails) == {held: 1}


def test_a_tender_that_closes_within_the_asked_days_is_told_about_once_it_does(
    alerts: Alerts, server: Server
) -> None:
    alerts.search(closing_within_days=3)
    soon = alerts.appears(closing_at=MONDAY + timedelta(days=5))
    reported = []
    for _ in range(8):
        alerts.to_morning()
        alerts.run()
        reported.append(len(server.mails))
    assert reported == [0, 1, 1, 1, 1, 1, 1, 1]
    assert told(server.mails) == {soon: 1}


def test_a_weekly_search_is_due_on_mondays_only(alerts: Alerts, server: Server) -> None:
    alerts.search(frequency="weekly")
    days = []
    for _ in range(14):
        alerts.appears()
        alerts.to_morning()
        before = len(server.mails)
        alerts.run()
        if len(server.mails) > before:
            days.append(alerts.clock.now.astimezone(SAST).strftime("%A"))
    assert days == ["Monday", "Monday"]
    assert set(told(server.mails).values()) == {1}
    assert len(told(server.mails)) == 14


def test_more_tenders_than_one_mail_holds_come_with_the_next(
    alerts: Alerts, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_searches, "MOST", 3)
    alerts.search()
    all_of_them = {alerts.appears() for _ in range(5)}
    alerts.to_morning()
    alerts.run()
    assert "2 more fit; they come with the next mail." in text_of(server.mails[0])
    alerts.to_morning()
    alerts.run()
    assert told(server.mails) == dict.fromkeys(all_of_them, 1)


def test_a_search_made_while_a_saving_is_under_way_counts_its_tenders_as_seen_or_as_news_never_as_neither(
    alerts: Alerts, server: Server
) -> None:
    saving = alerts.engine.connect()
    saving.begin()
    saving.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('protenders.saving', 0))"))
    with (
        pytest.raises(sa.exc.OperationalError, match="lock timeout"),
        alerts.engine.begin() as conn,
    ):
        conn.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
        saved_searches.create(
            conn,
            id="early",
            user_id=None,
            name="early",
            email="early@bidder.example",
            wanted=Wanted(),
            frequency="daily",
            now=alerts.clock.now,
        )
    saving.rollback()
    saving.close()


def test_a_refusal_for_now_is_tried_again_with_growing_waits_and_one_for_good_is_not(
    alerts: Alerts, server: Server
) -> None:
    search = alerts.search()
    tender = alerts.appears()
    alerts.to_morning()
    server.answers["RCPT"] = "450 mailbox busy"
    job = alerts.run()
    assert job.status == "PARTIAL"
    assert "450 mailbox busy" in str(job.note)
    waits = []
    for _ in range(4):
        with alerts.engine.connect() as conn:
            (mail,) = alert_deliveries.of_search(conn, [search])
        waits.append(mail.next_try_at - alerts.clock.now)
        alerts.clock.now = mail.next_try_at + timedelta(seconds=1)
        alerts.run()
    assert [round(wait / timedelta(minutes=5)) for wait in waits] == [1, 2, 4, 8]
    assert alerts.states() == {"prepared": 1}

    server.answers.clear()
    alerts.clock.forward(days=1)
    alerts.run()
    assert told(server.mails) == {tender: 1}

    alerts.appears()
    alerts.to_morning()
    server.answers["DATA"] = "554 this is spam"
    job = alerts.run()
    assert "1 mails could not be sent and were given up" in str(job.note)
    assert "554 this is spam" in str(job.note)
    server.answers.clear()
    alerts.clock.forward(hours=30)
    alerts.run()
    assert alerts.states() == {"sent": 1, "failed": 1}


def test_a_server_that_is_down_costs_one_try_and_loses_nothing(alerts: Alerts, server: Server) -> None:
    for name in ("one", "two"):
        alerts.search(name)
    alerts.appears()
    alerts.to_morning()
    job = alerts.run(post_to(SmtpMailer(host="127.0.0.1", port=9, timeout=2)))
    assert job.status == "PARTIAL"
    assert "127.0.0.1:9 takes no mail" in str(job.note)
    alerts.clock.forward(hours=1)
    alerts.run()
    assert sorted(server.recipients) == ["one@bidder.example", "two@bidder.example"]


def test_without_a_server_mails_are_written_to_a_folder_and_never_called_sent(
    alerts: Alerts, server: Server, tmp_path: Path
) -> None:
    alerts.search()
    tender = alerts.appears()
    alerts.to_morning()
    job = alerts.run(post_to(FolderMailer(folder=tmp_path / "outbox")))
    assert "not sent to anybody: SMTP_HOST is not set" in str(job.note)
    assert alerts.states() == {"written": 1}
    (file,) = (tmp_path / "outbox").iterdir()
    assert file.suffix == ".eml"
    assert tender in file.read_text()
    assert server.mails == []


def test_a_stopped_search_gets_nothing_and_resumed_it_is_told_what_it_missed(
    alerts: Alerts, server: Server
) -> None:
    search = alerts.search()
    with alerts.engine.begin() as conn:
        assert saved_searches.unsubscribe(conn, search, now=alerts.clock.now)
    tender = alerts.appears()
    alerts.to_morning()
    alerts.run()
    assert server.mails == []
    with alerts.engine.begin() as conn:
        assert saved_searches.resume(conn, search, now=alerts.clock.now)
    alerts.to_morning()
    alerts.run()
    assert told(server.mails) == {tender: 1}
