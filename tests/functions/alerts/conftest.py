"""send-alerts in its surroundings: a real database, a real SMTP server on loopback, and a clock that is moved."""

from __future__ import annotations

import email
import email.policy
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
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
from functions.mail import Post, SmtpMailer
from functions.resources import Resources
from ocds.client import OcdsClient
from ocds.dates import SAST
from tests.functions.conftest import Clock
from tests.functions.driver import CollectingClient, Driver

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
    controller = OnAnyPort(server, hostname="127.0.0.1", port=0)
    controller.start()
    yield SmtpMailer(host="127.0.0.1", port=controller.port, timeout=5, answer_timeout=5)
    controller.stop()


class OnAnyPort(Controller):
    """An SMTP server on a free port."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass
class Alerts:
    """The function in its surroundings."""

    engine: sa.Engine
    clock: Clock
    client: CollectingClient
    resources: Resources
    number: int = 1000
    drivers: dict[str, Driver] = field(default_factory=dict)

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
        """An engine for the functions, which send their mail so."""
        key = repr(post)
        if key not in self.drivers:
            resources = self.resources if post is None else replace(self.resources, post=post)
            self.drivers[key] = Driver(self.client, build(self.client, resources))
        return self.drivers[key]

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
    return Counter(ocid for mail in mails for ocid in set(re.findall(r"ocds-9t57fa-\d+", text_of(mail))))
