"""What a saved search is told, when, and how a mail's failure is taken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import AuthResult

from db import alert_deliveries, saved_searches, saving
from db.saved_searches import Wanted
from db.tender_rows import TenderRow
from functions.mail import FolderMailer, SmtpMailer
from ocds.dates import SAST
from tests.functions.alerts.conftest import MONDAY, Alerts, OnAnyPort, Server, post_to, text_of, told


def test_a_search_that_is_due_is_told_once_about_what_appeared_after_it_was_made(
    alerts: Alerts, server: Server
) -> None:
    before = alerts.appears()
    alerts.search(keywords="pumps")
    new, other = alerts.appears(), alerts.appears("Painting of schools")

    assert alerts.run().note == "nothing to tell"
    alerts.to_morning()
    job = alerts.run()

    assert (job.status, job.note) == ("SUCCESS", "1 mail sent")
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


def save_tender(alerts: Alerts, *, published: bool) -> str:
    """Save a tender as a sync does."""
    row = TenderRow(
        n=77,
        ocid="ocds-9t57fa-77",
        content={"title": "Pumps that were held back"},
        documents=[],
        slug="pumps-77",
        lifecycle="open",
        provenance={},
        quality={},
        content_hash=b"same",
        release_hash=None,
        release_fetched_at=None,
        row_hash=None,
        portal_hash=None,
        enrichment_status="enriched" if published else "pending",
        enrichment_attempts=0,
        enrichment_next_at=None,
        enrichment_error=None,
        enriched_at=None,
        is_published=published,
        now=alerts.clock.now,
    )
    job = alerts.run()
    with alerts.engine.begin() as conn:
        saving.save(conn, job_id=job.id, step="save", fetched=[], made=[row], now=alerts.clock.now)
    return row.ocid


def test_a_tender_that_was_held_back_is_told_about_when_it_is_published(
    alerts: Alerts, server: Server
) -> None:
    held = save_tender(alerts, published=False)
    alerts.search()
    alerts.to_morning()
    assert alerts.run().note == "nothing to tell"
    save_tender(alerts, published=True)
    alerts.to_morning()
    alerts.run()
    assert told(server.mails) == {held: 1}
    save_tender(alerts, published=True)
    alerts.to_morning()
    assert alerts.run().note == "nothing to tell"


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


def test_a_tender_that_closed_since_the_last_sync_is_not_told_as_open(alerts: Alerts, server: Server) -> None:
    alerts.search()
    alerts.appears(closing_at=MONDAY + timedelta(hours=5))
    without_a_time = alerts.appears(closing_at=None)
    alerts.to_morning()
    alerts.run()
    assert told(server.mails) == {without_a_time: 1}


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


def test_a_search_waits_for_a_saving_under_way_so_that_its_tenders_are_seen_or_news_never_neither(
    alerts: Alerts,
) -> None:
    saving = alerts.engine.connect()
    saving.begin()
    saving.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('protenders.saving', 0))"))
    with alerts.engine.begin() as conn:
        conn.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
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
        conn.rollback()
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
    assert "1 mail could not be sent and given up" in str(job.note)
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


@pytest.mark.parametrize(
    "setting",
    [{"host": "a-label-that-is-longer-than-63-" + "x" * 63 + ".example"}, {"password": "Schlüssel"}],
)
def test_a_setting_that_cannot_be_sent_loses_no_mail_and_is_named(
    alerts: Alerts, server: Server, setting: dict[str, Any]
) -> None:
    controller = OnAnyPort(
        server,
        hostname="127.0.0.1",
        port=0,
        auth_require_tls=False,
        authenticator=lambda *_: AuthResult(success=True),
    )
    controller.start()
    alerts.search("one")
    alerts.appears()
    alerts.to_morning()
    given = {"host": "127.0.0.1", "user": "ada", "password": "key"} | setting
    job = alerts.run(post_to(SmtpMailer(port=controller.port, timeout=30, **given)))
    controller.stop()
    assert (job.status, alerts.states()) == ("PARTIAL", {"prepared": 1})
    assert "SMTP_PASS has a character that cannot be sent" in str(job.note)


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


def test_a_mail_that_cannot_be_made_is_given_up_and_does_not_hold_up_the_others(
    alerts: Alerts, server: Server
) -> None:
    for name in ("bad", "good"):
        alerts.search(name)
    alerts.execute("UPDATE saved_searches SET email = 'no\nbody@bidder.example' WHERE name = 'bad'")
    alerts.appears()
    alerts.to_morning()
    job = alerts.run()
    assert "no mail can be made of it" in str(job.note)
    assert alerts.states() == {"failed": 1, "sent": 1}
    assert server.recipients == ["good@bidder.example"]


def test_a_database_that_fails_once_just_after_the_sending_leaves_no_doubt(
    alerts: Alerts, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts.search()
    alerts.appears()
    alerts.to_morning()
    finish, failures = alert_deliveries.finish, iter([True])

    def fails_once(*given: Any, **named: Any) -> None:
        if next(failures, False):
            raise sa.exc.OperationalError("UPDATE", {}, Exception("the server went away"))
        finish(*given, **named)

    monkeypatch.setattr(alert_deliveries, "finish", fails_once)
    assert alerts.run().status == "SUCCESS"
    assert alerts.states() == {"sent": 1}
    assert len(server.mails) == 1
