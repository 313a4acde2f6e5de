"""Text that somebody planted — in tenders, events, errors, notes, names of steps — is shown as text on every page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.runtime import utc_now
from app.serving import Serving
from db import audit, job_steps, jobs
from db.tables import releases, tender_documents, tenders, upstream_hosts

Browser = Callable[[str], httpx.Client]

PLANTED = "planted"
NASTY = f"""</title></script><script>{PLANTED}()</script><img src=x onerror={PLANTED}()>"'><svg onload={PLANTED}()>"""
LINK = f"javascript:{PLANTED}()"
OCID = "ocds-9t57fa-999999"
JOB = "01PLANTED00000000000000000"
RUN = "01PLANTEDRUN00000000000000"


class Danger(HTMLParser):
    """Whatever of a page a browser would run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on") or (
                name in {"href", "src", "action", "formaction", "hx-get"}
                and (value or "").strip().lower().startswith(("javascript:", "data:", "vbscript:"))
            ):
                self.found.append(f"{tag} {name}={value}")
            if (
                name.startswith("hx-")
                and PLANTED in (value or "")
                and not (value or "").startswith("/admin/")
            ):
                self.found.append(f"{tag} {name}={value}")
        if tag == "script" and not dict(attrs).get("src", "").startswith("/static/"):  # type: ignore[union-attr]
            self.found.append("script")
        if tag in {"img", "iframe", "object", "embed", "base"}:
            self.found.append(tag)


@pytest.fixture(scope="module")
def planted(served: Serving) -> Iterator[str]:
    """Nasty text wherever text comes from outside; the id of a planted event."""
    now = utc_now()
    with served.runtime.engine.begin() as connection:
        texts = {
            "title": NASTY,
            "display_title": NASTY,
            "description": NASTY,
            "buyer_name": NASTY,
            "province": NASTY,
            "contact_person": NASTY,
            "briefing_meeting_link": LINK,
            "enrichment_error": NASTY[:200],
        }
        connection.execute(
            sa.insert(tenders).values(
                ocid=OCID,
                n=999_999,
                slug="planted-slug",
                lifecycle="open",
                enrichment_status="failed",
                is_published=True,
                first_seen_at=now,
                last_changed_at=now,
                published_at=now,
                content_hash=b"x",
                job_id=JOB,
                provenance={"title": {"source": NASTY, "field": NASTY}},
                **texts,
            )
        )
        for position, url in enumerate(
            (LINK, f"https://documents.example/{NASTY}", "JaVaScRiPt:alert(1)", NASTY)
        ):
            connection.execute(
                sa.insert(tender_documents).values(
                    ocid=OCID, position=position, id=NASTY, title=NASTY, url=url, format=NASTY, source=NASTY
                )
            )
        for number in range(2):
            body = {"ocid": OCID, "tender": {"title": f"{NASTY}{number}", NASTY: LINK}}
            connection.execute(
                sa.insert(releases).values(
                    ocid=OCID,
                    release_id=NASTY,
                    content_hash=bytes([number]),
                    body=body,
                    fetched_at=now,
                    job_id=JOB,
                )
            )
        jobs.create(
            connection,
            job_id=JOB,
            type="DELTA_SYNC",
            function_id="tender-sync",
            run_id=RUN,
            event_id=NASTY,
            source=NASTY,
            triggered_by=NASTY,
            actor=NASTY,
            parameters={NASTY: NASTY},
            now=now,
        )
        jobs.set_progress(connection, JOB, {"phase": NASTY, "done": 1, "total": 3, NASTY: NASTY}, now=now)
        error = {"kind": "EXTERNAL_API", "name": NASTY, "message": NASTY}
        job_steps.start(connection, JOB, run_id=RUN, name=NASTY, now=now)
        job_steps.fail(connection, JOB, run_id=RUN, name=NASTY, status="RETRYING", error=error, now=now)
        connection.execute(
            insert(upstream_hosts).values(
                host=NASTY, last_error=NASTY, last_error_at=now, requests=3, errors=3
            )
        )
        audit.record(
            connection, actor=NASTY, action=NASTY, target=NASTY, details={NASTY: NASTY}, ip=NASTY, now=now
        )
    answer = httpx.post(
        f"{served.url}/e/key", json={"name": NASTY[:200], "id": NASTY[:100], "data": {NASTY: NASTY}}
    )
    assert answer.status_code == 200, answer.text
    yield answer.json()["ids"][0]
    with served.runtime.engine.begin() as connection:
        jobs.close(connection, JOB, "FAILED", now=now, note=NASTY, error=error)


ADDRESSES = (
    "/admin",
    "/admin/jobs",
    f"/admin/jobs?q={NASTY}&type={NASTY}&trigger={NASTY[:40]}&status={NASTY[:20]}",
    f"/admin/jobs/{JOB}",
    "/admin/runs",
    f"/admin/runs?function={NASTY}&status={NASTY[:20]}",
    "/admin/functions",
    "/admin/events",
    f"/admin/events?name={NASTY}",
    "/admin/events/{event}",
    "/admin/tenders",
    f"/admin/tenders?q={NASTY}&province={NASTY}&buyer={NASTY}",
    f"/admin/tenders/{OCID}",
    "/admin/coverage",
    "/admin/enrichment",
    "/admin/users",
    "/admin/account",
    f"/admin/searches?keywords={NASTY}&preview=true",
    "/admin/audit",
    f"/admin/audit?actor={NASTY[:100]}&action={NASTY[:100]}",
    f"/admin/{NASTY}",
    f"/admin/jobs/{NASTY}",
    f"/admin/login?next={NASTY}",
    "/docs",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_planted_text_is_only_text(browser: Browser, planted: str, address: str) -> None:
    admin = browser("admin")
    answer = admin.get(address.format(event=planted), follow_redirects=True)
    assert Danger(answer.text).found == [], address
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_a_refresh_of_a_live_page_carries_text_only_too(browser: Browser, planted: str) -> None:
    admin = browser("admin")
    for address in ("/admin", "/admin/jobs", f"/admin/jobs/{JOB}", "/admin/events", "/admin/enrichment"):
        answer = admin.get(address, headers={"HX-Request": "true"})
        assert answer.status_code == 200
        assert PLANTED in answer.text
        assert Danger(answer.text).found == [], address


def test_the_stream_of_changes_has_ids_and_nothing_else(
    served: Serving, browser: Browser, planted: str
) -> None:
    admin = browser("admin")
    with admin.stream("GET", "/admin/live") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        with served.runtime.engine.begin() as connection:
            jobs.beat(connection, JOB, now=utc_now())
        seen = ""
        while not seen.startswith("data:"):
            with served.runtime.engine.begin() as connection:
                jobs.beat(connection, JOB, now=utc_now())
            seen = next(lines)
        assert seen == f'data: ["{JOB}"]'


def test_a_document_s_link_leads_to_https_only(browser: Browser, planted: str) -> None:
    text = browser("viewer").get(f"/admin/tenders/{OCID}").text
    assert f'href="{LINK}' not in text
    assert 'href="https://documents.example/' in text
    assert "&lt;script&gt;" in text
