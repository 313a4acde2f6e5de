"""Saved searches on their page, and the link that stops a mail."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from app import unsubscribing
from app.serving import Serving
from db import jobs, saved_searches
from db.saved_searches import SavedSearch
from tests.app.conftest import csrf_of
from tests.waiting import until

Browser = Callable[[str], httpx.Client]
FORM = {"name": "Pumps", "email": "bidder@firm.example", "keywords": "pumps", "status": "open"}


def save(client: httpx.Client, **fields: str) -> httpx.Response:
    token = csrf_of(client.get("/admin/searches"))
    return client.post("/admin/searches/add", data={**FORM, "csrf": token, **fields})


def newest(served: Serving) -> SavedSearch:
    with served.runtime.engine.connect() as connection:
        return saved_searches.page(connection)[-1]


def test_a_viewer_saves_stops_resumes_and_deletes_a_search_of_their_own(
    served: Serving, browser: Browser
) -> None:
    viewer = browser("viewer")
    answer = save(viewer, closing_within_days="7", province="Gauteng", frequency="weekly")
    assert answer.headers["location"] == "/admin/searches?done=search-saved"
    made = newest(served)
    assert made.wanted.given() == {
        "keywords": "pumps",
        "province": "Gauteng",
        "status": "open",
        "closing_within_days": 7,
    }
    assert (made.frequency, made.email, made.is_active) == ("weekly", "bidder@firm.example", True)

    page = viewer.get("/admin/searches")
    assert "bidder@firm.example" in page.text
    assert "SMTP_HOST is not set" in page.text
    token = csrf_of(page)
    for active in ("false", "true"):
        viewer.post(f"/admin/searches/{made.id}/active", data={"csrf": token, "active": active})
        assert newest(served).is_active == (active == "true")
    viewer.post(f"/admin/searches/{made.id}/delete", data={"csrf": token})
    assert "bidder@firm.example" not in viewer.get("/admin/searches").text


def test_nobody_changes_or_sees_another_account_s_search_but_an_admin(
    served: Serving, browser: Browser
) -> None:
    admin, viewer = browser("admin"), browser("viewer")
    save(admin, name="The admin's own")
    made = newest(served)
    listing = viewer.get("/admin/searches")
    assert "The admin" not in listing.text
    refused = viewer.post(f"/admin/searches/{made.id}/delete", data={"csrf": csrf_of(listing)})
    assert refused.status_code == 404
    assert "The admin" in admin.get("/admin/searches").text


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("email", "nobody", "Mail address"),
        ("email", "jürgen@firm.example", "Mail address"),
        ("email", "a@b.example\r\nBcc: c@d.example", "Mail address"),
        ("frequency", "hourly", "How often"),
        ("closing_within_days", "-1", "Closing within"),
        ("closing_within_days", "9999", "Closing within"),
        ("status", "lost", "State"),
        ("name", " \n ", "Name"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(browser: Browser, field: str, value: str, fault: str) -> None:
    answer = save(browser("viewer"), **{field: value})
    assert answer.status_code == 422
    assert fault in answer.text


def test_a_preview_shows_what_fits_now_and_saves_nothing(served: Serving, browser: Browser) -> None:
    with served.runtime.engine.connect() as connection:
        before = len(saved_searches.page(connection))
    page = browser("viewer").get("/admin/searches", params={"preview": "true", "keywords": "zzzz <b>"})
    assert "No tender fits now." in page.text
    assert "zzzz &lt;b&gt;" in page.text
    with served.runtime.engine.connect() as connection:
        assert len(saved_searches.page(connection)) == before


def test_the_mail_s_link_asks_first_and_one_click_stops(
    served: Serving, browser: Browser, anybody: httpx.Client
) -> None:
    save(browser("viewer"))
    made = newest(served)
    address = f"/unsubscribe/{unsubscribing.token_of(served.settings, made.id)}"
    asked = anybody.get(address)
    assert asked.status_code == 200
    assert "Stop these mails?" in asked.text
    assert newest(served).is_active
    stopped = anybody.post(address, data={"List-Unsubscribe": "One-Click"})
    assert stopped.status_code == 200
    assert "No more mails" in stopped.text
    assert not newest(served).is_active
    assert anybody.post(address).status_code == 200
    with served.runtime.engine.connect() as connection:
        noted = connection.execute(
            sa.text("SELECT count(*) FROM audit_log WHERE action = 'search.unsubscribe' AND target = :id"),
            {"id": made.id},
        ).scalar_one()
    assert noted == 1


@pytest.mark.parametrize("change", ["", "x", "forged"])
def test_a_link_that_is_not_ours_stops_nothing(
    served: Serving, browser: Browser, anybody: httpx.Client, change: str
) -> None:
    save(browser("viewer"))
    made = newest(served)
    token = unsubscribing.token_of(served.settings, made.id)
    forged = {"": made.id, "x": f"{token}x", "forged": f'"{made.id}".{token.rsplit(".", 1)[1][::-1]}'}[change]
    assert anybody.post(f"/unsubscribe/{forged}").status_code == 404
    assert newest(served).is_active


def test_a_due_search_is_written_to_the_outbox_by_the_served_app_and_the_job_says_so(
    served: Serving, browser: Browser
) -> None:
    admin = browser("admin")
    save(admin, name="End to end", keywords="zebra", status="")
    made = newest(served)
    with served.runtime.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO tenders (ocid, n, slug, title, lifecycle, enrichment_status, is_published,"
                " first_seen_at, last_changed_at, content_hash) VALUES"
                " ('ocds-9t57fa-9', 9, 'z-9', 'Zebra crossings', 'open', 'enriched', true, now(), now(), 'x')"
            )
        )
        connection.execute(sa.text("UPDATE saved_searches SET next_due_at = now()"))

    key = {"Authorization": f"Bearer {served.runtime.instance.token}"}
    asked = httpx.post(
        f"{served.url}/api/admin/events", json={"name": "tender/alerts.requested", "data": {}}, headers=key
    )
    assert asked.is_success, asked.text
    with served.runtime.engine.connect() as connection:
        job = until(
            lambda: next(
                (job for job in jobs.page(connection, limit=5, type="ALERTS") if not job.active), None
            ),
            what="the end of send-alerts",
        )
    assert job.status == "SUCCESS"
    assert "1 mail written to" in str(job.note)
    assert "not sent to anybody" in str(job.note)
    assert job.metadata["mails"]["transport"] == "folder"
    (mail,) = (served.settings.home / "outbox").glob(f"{made.id}.*.eml")
    text = mail.read_text()
    assert "Zebra crossings" in text
    assert '<td data-label="State">written' in admin.get("/admin/searches").text
