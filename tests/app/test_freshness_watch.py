"""The freshness watch: somebody hears of a late sync, once, and of its return, once."""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import freshness_watch
from app.freshness_watch import Watch
from functions.mail import FolderMailer, Post
from tests.functions.driver import CollectingClient, Driver

START = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)


class Hook(http.server.ThreadingHTTPServer):
    """Takes webhooks, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        hook = self.server
        assert isinstance(hook, Hook)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if hook.status == 200:
            hook.taken.append(body)
        self.send_response(hook.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A server that takes webhooks."""
    server = Hook()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Setting:
    """The watch, its clock, and what it told."""

    def __init__(self, engine: sa.Engine, hook: Hook, outbox: Path) -> None:
        self.now = START
        self.engine, self.outbox = engine, outbox
        post = Post(
            mailer=FolderMailer(folder=outbox),
            sender="watch@protenders.example",
            base_url="https://protenders.example",
            unsubscribe_token=str,
        )
        self.watch = Watch(
            engine=engine,
            clock=lambda: self.now,
            post=post,
            replay=False,
            email="operator@protenders.example",
            webhook=f"http://127.0.0.1:{hook.server_port}/secret-path",
        )
        self.change()

    def change(self, **given: Any) -> None:
        """A start with other settings."""
        self.watch = replace(self.watch, **given)
        client = CollectingClient()
        self.driver = Driver(client, [freshness_watch.build(client, self.watch)])

    def look(self, **later: float) -> Any:
        """A run, so much later."""
        self.now += timedelta(**later)
        return self.driver.run("freshness-watch", "inngest/scheduled.timer")

    def sync_completes(self) -> None:
        """A good sync ends now."""
        with self.engine.begin() as conn:
            conn.execute(
                sa.text(
                    "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, finished_at, heartbeat_at)"
                    " VALUES (:id, 'DELTA_SYNC', 'SUCCESS', 'tender-sync', :id, :now, :now, :now)"
                ),
                {"id": self.now.isoformat(), "now": self.now},
            )

    def subjects(self) -> list[str]:
        """The mails' subjects, in the order of episodes."""
        files = sorted(self.outbox.glob("*.eml"), key=lambda each: each.stat().st_mtime_ns)
        mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
        return [mail["Subject"] for mail in mails]


@pytest.fixture
def setting(db_engine: sa.Engine, hook: Hook, tmp_path: Path) -> Setting:
    """A watch over an empty database."""
    return Setting(db_engine, hook, tmp_path / "outbox")


def test_each_episode_and_each_recovery_is_told_once_on_every_channel(
    setting: Setting, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    setting.sync_completes()
    for _ in range(3):
        setting.look(minutes=15)
    assert (hook.taken, setting.subjects()) == ([], [])

    with caplog.at_level(logging.ERROR, logger="protenders.freshness"):
        for _ in range(6):
            setting.look(minutes=30)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert [each["event"] for each in hook.taken] == ["freshness.late"]
    assert "late" in hook.taken[0]["text"]

    setting.sync_completes()
    for _ in range(3):
        setting.look(minutes=15)
    assert [each["event"] for each in hook.taken] == ["freshness.late", "freshness.recovered"]
    for _ in range(3):
        setting.look(hours=2)
    assert [each["event"] for each in hook.taken][2:] == ["freshness.late"]
    assert setting.subjects() == [
        "ProTenders: the sync is late",
        "ProTenders: the sync is back in time",
        "ProTenders: the sync is late",
    ]


def test_a_first_sync_that_never_completes_is_told_as_well(setting: Setting, hook: Hook) -> None:
    setting.look()
    setting.look(minutes=80)
    assert hook.taken == []
    setting.look(minutes=15)
    assert [each["headline"] for each in hook.taken] == ["Nothing has been synced yet."]
    for _ in range(8):
        setting.look(minutes=15)
    assert [each["event"] for each in hook.taken] == ["freshness.late"]
    setting.sync_completes()
    setting.look(minutes=15)
    assert [each["event"] for each in hook.taken] == ["freshness.late", "freshness.recovered"]


def test_a_channel_that_fails_is_told_later_and_the_other_one_not_again(setting: Setting, hook: Hook) -> None:
    setting.sync_completes()
    hook.status = 503
    failed = setting.look(hours=2)
    assert failed.error is not None
    assert "HTTP 503" in str(failed.error)
    assert "secret-path" not in str(failed.error)
    assert "secret-path" not in repr(setting.watch)
    assert len(setting.subjects()) == 1
    hook.status = 200
    setting.look(minutes=15)
    setting.look(minutes=15)
    assert [each["event"] for each in hook.taken] == ["freshness.late"]
    assert len(setting.subjects()) == 1


def test_mail_that_cannot_go_out_keeps_no_webhook_from_being_told(setting: Setting, hook: Hook) -> None:
    setting.sync_completes()
    setting.outbox.write_text("no folder")
    failed = setting.look(hours=2)
    assert failed.error is not None
    assert [each["event"] for each in hook.taken] == ["freshness.late"]
    setting.outbox.unlink()
    assert setting.look(minutes=15).error is None
    assert [each["event"] for each in hook.taken] == ["freshness.late"]
    assert setting.subjects() == ["ProTenders: the sync is late"]


def test_a_channel_that_is_taken_away_before_it_was_told_troubles_nobody(
    setting: Setting, hook: Hook
) -> None:
    setting.sync_completes()
    setting.outbox.write_text("no folder")
    assert setting.look(hours=2).error is not None
    setting.change(email=None)
    assert setting.look(minutes=15).error is None
    assert [each["event"] for each in hook.taken] == ["freshness.late"]
