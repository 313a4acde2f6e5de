"""The served app over HTTP: health, headers, the JSON API and the pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import closing
from html.parser import HTMLParser
from typing import NoReturn

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from app.auth.sessions import COOKIE
from app.headers import MAX_BODY
from app.serving import Serving
from engine.database import Closed
from engine.sql import reading
from enrichment.quality import MOST
from tests.app.conftest import PASSWORDS, csrf_of, log_in
from tests.waiting import until

Browser = Callable[[str], httpx.Client]
PAGES = (
    "/admin",
    "/admin/jobs",
    "/admin/runs",
    "/admin/functions",
    "/admin/events",
    "/admin/tenders",
    "/admin/coverage",
    "/admin/enrichment",
    "/admin/users",
    "/admin/audit",
)


def basic(role: str) -> dict[str, str]:
    credentials = base64.b64encode(f"{role}:{PASSWORDS[role]}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


@pytest.fixture(scope="module")
def job_id(served: Serving) -> str:
    """A sync that was asked for over the API and has ended."""
    with httpx.Client(base_url=served.url, headers=basic("admin"), timeout=60) as client:
        asked = client.post("/api/admin/jobs/sync-now", json={"maxEnrichment": 50})
        assert asked.status_code == 202, asked.text
        event_id = asked.json()["eventId"]
        started = until(
            lambda: client.get(f"/api/admin/events/{event_id}/jobs").json()["jobs"],
            what="the job's beginning",
        )
        found: str = started[0]["id"]
        until(
            lambda: client.get(f"/api/admin/jobs/{found}").json()["status"] in {"SUCCESS", "PARTIAL"},
            seconds=90,
            what="the sync's end",
        )
    return found


def test_it_says_that_it_is_alive_and_ready(anybody: httpx.Client) -> None:
    assert anybody.get("/healthz").json()["status"] == "alive"
    ready = anybody.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert ready.json()["source"] == "replay"
    assert ready.json()["engine"] == "embedded"


def test_a_process_in_words_has_no_password(served: Serving) -> None:
    assert served.runtime.database_url not in repr(served.runtime)


def test_the_metrics_are_prometheus_text(anybody: httpx.Client, job_id: str) -> None:
    text = anybody.get("/metrics").text
    assert re.search(r"^protenders_sync_age_seconds \d", text, flags=re.MULTILINE)
    assert "protenders_jobs{" in text


@pytest.mark.parametrize(
    "path", ["/admin/login", "/healthz", "/api/tenders", "/static/console.css", "/nowhere"]
)
def test_every_answer_carries_the_safety_headers(anybody: httpx.Client, path: str) -> None:
    headers = anybody.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in policy


def test_a_request_that_is_too_large_is_refused(anybody: httpx.Client) -> None:
    assert anybody.post("/admin/login", content=b"x" * (MAX_BODY + 1)).status_code == 413

    def drip() -> object:
        for _ in range(MAX_BODY // 1024 + 2):
            yield b"x" * 1024

    answer = anybody.post(
        "/admin/login",
        content=drip(),  # type: ignore[arg-type]
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413


def test_a_login_replaces_whatever_session_cookie_was_planted(served: Serving) -> None:
    with closing(log_in(served.url, "viewer")) as client:
        planted = client.cookies[COOKIE]
        form = client.get("/admin/login")
        assert form.status_code == 303
    with httpx.Client(base_url=served.url, cookies={COOKIE: planted}) as victim:
        token = re.search(r'name="form_token" value="([^"]+)"', victim.get("/admin/login").text)
        assert token is None, "the planted cookie is a session of the viewer's own"
    with httpx.Client(base_url=served.url, cookies={COOKIE: "planted-by-somebody"}) as victim:
        token = re.search(r'name="form_token" value="([^"]+)"', victim.get("/admin/login").text)
        assert token
        data = {"username": "admin", "password": PASSWORDS["admin"], "form_token": token[1]}
        answer = victim.post("/admin/login", data=data)
        assert answer.status_code == 303
        set_cookie = answer.headers.get_list("set-cookie")[0]
        assert "planted-by-somebody" not in set_cookie
        assert "HttpOnly" in set_cookie
        assert "SameSite=lax" in set_cookie


@pytest.mark.parametrize(("proto", "secure"), [("https", True), ("http", False)])
def test_behind_a_proxy_with_https_the_cookies_are_secure(served: Serving, proto: str, secure: bool) -> None:
    headers = {"X-Forwarded-Proto": proto, "X-Forwarded-For": "203.0.113.9"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=20) as client:
        form = client.get("/admin/login")
        token = re.search(r'name="form_token" value="([^"]+)"', form.text)
        assert token
        data = {"username": "viewer", "password": PASSWORDS["viewer"], "form_token": token[1]}
        cookies = {"Cookie": f"protenders_login={token[1]}"}
        answer = client.post("/admin/login", data=data, headers=cookies)
        assert answer.status_code == 303
        for set_cookie in (form.headers["set-cookie"], answer.headers.get_list("set-cookie")[0]):
            assert ("; Secure" in set_cookie) == secure
    with served.runtime.engine.connect() as connection:
        address = connection.execute(sa.text("SELECT ip FROM sessions ORDER BY created_at DESC LIMIT 1"))
        assert address.scalar() == "203.0.113.9"


def test_a_login_without_its_form_token_is_refused(anybody: httpx.Client) -> None:
    answer = anybody.post("/admin/login", data={"username": "admin", "password": PASSWORDS["admin"]})
    assert answer.status_code == 403
    assert COOKIE not in answer.cookies


def test_the_anonymous_are_led_to_the_login_and_back(anybody: httpx.Client) -> None:
    answer = anybody.get("/admin/jobs?status=FAILED")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/admin/login?next=/admin/jobs%3Fstatus%3DFAILED"


def test_the_job_log_has_the_promised_shape(anybody: httpx.Client, job_id: str) -> None:
    answer = anybody.get("/api/admin/jobs?limit=1", headers=basic("viewer")).json()
    assert set(answer) == {"recentJobs", "statistics", "lastSyncAt", "next"}
    assert len(answer["recentJobs"]) == 1
    assert answer["lastSyncAt"].endswith("+02:00")
    following = anybody.get(
        "/api/admin/jobs", params={"before": answer["next"] or "x"}, headers=basic("viewer")
    )
    assert following.status_code == 200
    job = anybody.get(f"/api/admin/jobs/{job_id}", headers=basic("viewer")).json()
    assert job["type"] == "DELTA_SYNC"
    assert job["metadata"]["source"] == "replay"
    assert job["metadata"]["triggeredBy"] == "manual"
    assert job["metadata"]["coverage"]["missing"] == 0
    assert job["steps"][0]["name"] == "create-job-log"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fromDate": "yesterday"}, "fromDate"),
        ({"fromDate": "2026-08-14", "toDate": "2026-08-01"}, "toDate: is before fromDate"),
        ({"fromDate": "2999-01-01"}, "fromDate 2999-01-01 is in the future"),
        ({"colour": "red"}, "colour"),
        ({"maxEnrichment": -1}, "maxEnrichment"),
        ({"maxEnrichment": True}, "maxEnrichment"),
        ({"maxEnrichment": 10**10}, "maxEnrichment"),
        ({"requireEnrichment": 0}, "requireEnrichment"),
    ],
)
def test_a_wrong_request_names_its_field(anybody: httpx.Client, body: dict[str, object], field: str) -> None:
    answer = anybody.post("/api/admin/jobs/sync-now", json=body, headers=basic("admin"))
    assert answer.status_code == 422
    assert field in answer.json()["error"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"x"])
def test_a_body_that_is_no_object_is_told(anybody: httpx.Client, content: bytes) -> None:
    head = basic("admin") | {"Content-Type": "application/json"}
    answer = anybody.post("/api/admin/jobs/enrich-backfill", content=content, headers=head)
    assert answer.status_code == 422
    assert answer.json()["error"] == "The body must be a JSON object, sent as application/json."


@pytest.mark.parametrize(
    "path", ["/api/admin/jobs/none", "/admin/jobs/none", "/admin/runs/none", "/admin/tenders/none"]
)
def test_what_is_not_there_is_404(anybody: httpx.Client, path: str) -> None:
    anybody.headers.update(basic("viewer"))
    answer = anybody.get(path)
    assert answer.status_code == 404
    assert "none" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/admin/runs?before=%00",
        "/admin/runs?function=%00",
        "/admin/runs?status=%00",
        "/admin/runs/%00",
        "/admin/events?before=%00",
        "/admin/events?name=%00",
        "/admin/events/%00",
        "/admin/jobs?q=%00",
        "/admin/audit?actor=%00",
        "/admin/coverage?until=0001-01-01",
    ],
)
def test_what_no_column_holds_and_no_calendar_has_is_the_asker_s_fault(
    anybody: httpx.Client, path: str
) -> None:
    anybody.headers.update(basic("viewer"))
    assert anybody.get(path).status_code == 422


@pytest.mark.parametrize("number", ["²", "many", "-1"])
def test_a_number_in_a_form_that_is_none_is_named(browser: Browser, number: str) -> None:
    admin = browser("admin")
    form = {"csrf": csrf_of(admin.get("/admin/jobs")), "max_enrichment": number}
    answer = admin.post("/admin/actions/sync-now", data=form)
    assert answer.status_code == 422
    assert "is not a number" in answer.text


def test_a_page_before_no_job_is_not_called_the_end(anybody: httpx.Client, job_id: str) -> None:
    anybody.headers.update(basic("viewer"))
    answer = anybody.get("/api/admin/jobs", params={"before": "none"})
    assert answer.status_code == 422
    assert answer.json()["error"] == "before: there is no job none; leave it out to start again"
    last = anybody.get("/api/admin/jobs", params={"limit": 200}).json()["recentJobs"][-1]["id"]
    assert anybody.get("/api/admin/jobs", params={"before": last}).json()["recentJobs"] == []


def test_the_state_of_the_sync_is_told(anybody: httpx.Client, job_id: str) -> None:
    anybody.headers.update(basic("viewer"))
    state = anybody.get("/api/admin/sync/state").json()
    assert state["coverage"]["missing"] == 0
    assert state["freshness"]["state"] == "fresh"
    progress = anybody.get("/api/admin/enrichment/progress").json()
    assert progress["total"] == sum(progress["byStatus"].values()) > 0
    assert anybody.get("/api/admin/metrics").json()["pool"]["size"] >= 0


def test_an_ended_job_cannot_be_cancelled_and_can_be_run_again(anybody: httpx.Client, job_id: str) -> None:
    anybody.headers.update(basic("admin"))
    assert anybody.post(f"/api/admin/jobs/{job_id}/cancel").status_code == 409
    assert anybody.post("/api/admin/jobs/none/cancel").status_code == 404
    again = anybody.post(f"/api/admin/jobs/{job_id}/rerun")
    assert again.status_code == 202, again.text
    started = until(
        lambda: anybody.get(f"/api/admin/events/{again.json()['eventId']}/jobs").json()["jobs"],
        what="the second job's beginning",
    )
    assert started[0]["id"] != job_id
    [run] = anybody.get(f"/v1/events/{again.json()['eventId']}/runs").json()["data"]
    assert run["run_id"] == anybody.get(f"/api/admin/jobs/{started[0]['id']}").json()["metadata"]["runId"]


def test_wrong_credentials_are_counted_for_basic_too(served: Serving, anybody: httpx.Client) -> None:
    wrong = base64.b64encode(b"somebody-else:wrong").decode()
    statuses = [
        anybody.get("/api/admin/jobs", headers={"Authorization": f"Basic {wrong}"}).status_code
        for _ in range(6)
    ]
    assert statuses == [401, 401, 401, 401, 401, 429]


@pytest.mark.parametrize("header", ["Basic !!!", "Basic", "Bearer nonsense", "Digest x", "Basic eA=="])
def test_odd_credentials_are_none(anybody: httpx.Client, header: str) -> None:
    assert anybody.get("/api/admin/jobs", headers={"Authorization": header}).status_code == 401


def test_the_deprecated_routes_are_off_without_their_secret(anybody: httpx.Client) -> None:
    assert anybody.post("/api/cron/sync").status_code == 404


class Outline(HTMLParser):
    """What a page consists of, as far as the policy and the reader care."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "h1":
            self.headings.append(tag)
        if "style" in names or tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)
        if any(name.startswith("on") for name in names):
            self.inline.append(f"{tag} with a handler")
        if names.get("id"):
            self.ids.append(str(names["id"]))


def test_every_page_has_one_heading_unique_ids_and_nothing_inline(browser: Browser, job_id: str) -> None:
    admin = browser("admin")
    run_id = admin.get(f"/api/admin/jobs/{job_id}").json()["metadata"]["runId"]
    ocid = admin.get("/api/tenders?limit=1").json()["tenders"][0]["ocid"]
    for path in (*PAGES, f"/admin/jobs/{job_id}", f"/admin/runs/{run_id}", f"/admin/tenders/{ocid}"):
        answer = admin.get(path)
        assert answer.status_code == 200, (path, answer.text[:500])
        outline = Outline(answer.text)
        assert len(outline.headings) == 1, path
        assert outline.inline == [], path
        assert len(outline.ids) == len(set(outline.ids)), path
        assert "Recorded stand-in" in answer.text, path


def test_a_tender_shows_the_points_of_its_score(browser: Browser, job_id: str) -> None:
    admin = browser("admin")
    tender = admin.get("/api/tenders?limit=1").json()["tenders"][0]
    points = admin.get(f"/api/tenders/{tender['ocid']}").json()["quality"]
    shown = admin.get(f"/admin/tenders/{tender['ocid']}").text
    assert sum(points.values()) == tender["data_quality_score"]
    assert sum(MOST.values()) == 100
    assert f"Data quality: {tender['data_quality_score']} of 100" in shown
    for group, given in points.items():
        assert f"<dt>{group.capitalize()}</dt><dd>{given} of {MOST[group]}</dd>" in shown


def test_a_viewer_sees_every_page_and_no_button_that_changes(browser: Browser, job_id: str) -> None:
    viewer = browser("viewer")
    for path in (*PAGES, f"/admin/jobs/{job_id}"):
        answer = viewer.get(path)
        assert answer.status_code == 200, path
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', answer.text)
        assert forms == ["/admin/logout"], path


def test_what_people_write_is_shown_as_text(served: Serving, browser: Browser) -> None:
    admin = browser("admin")
    nasty = "<script>alert(1)</script>"
    answer = admin.post(
        "/admin/users/add",
        data={"csrf": csrf_of(admin.get("/admin/users")), "username": nasty, "role": "viewer"},
    )
    assert answer.status_code == 200
    assert nasty not in answer.text
    assert "&lt;script&gt;" in answer.text
    for path in (
        f"/admin/jobs?q={nasty}",
        f"/admin/tenders?q={nasty}",
        f"/admin/audit?actor={nasty}",
        "/admin/audit",
    ):
        assert nasty not in admin.get(path).text, path


def test_actions_are_audited_with_who_and_what(browser: Browser) -> None:
    admin = browser("admin")
    answer = admin.post("/admin/actions/enrich-today", data={"csrf": csrf_of(admin.get("/admin/jobs"))})
    assert answer.headers["location"] == "/admin/jobs?done=enrich-requested"
    audit = admin.get("/admin/audit?action=enrich-today.request").text
    assert "tender/enrich-today.requested" in audit
    assert ">admin<" in audit


def test_the_message_after_an_action_cannot_be_written_by_a_link(browser: Browser) -> None:
    assert "pwned" not in browser("viewer").get("/admin/jobs?done=pwned").text


def test_a_function_is_paused_and_resumed(browser: Browser) -> None:
    admin = browser("admin")
    token = csrf_of(admin.get("/admin/functions"))
    slug = "protenders-platform-enrich-today"
    assert admin.post(f"/admin/functions/{slug}/pause", data={"csrf": token}).status_code == 303
    assert "‖ paused" in admin.get("/admin/functions").text
    assert admin.post(f"/admin/functions/{slug}/resume", data={"csrf": token}).status_code == 303
    assert "‖ paused" not in admin.get("/admin/functions").text


@pytest.mark.parametrize("problem", [psycopg.OperationalError("terminating connection"), Closed()])
def test_a_page_that_the_engine_s_connection_fails_says_so(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    async def fails(*_: object) -> NoReturn:
        raise problem

    monkeypatch.setattr(reading, "event", fails)
    answer = browser("admin").get("/admin/events/none")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_a_host_whose_pause_is_over_is_not_said_to_have_one(served: Serving, browser: Browser) -> None:
    put = "INSERT INTO upstream_hosts (host, state, open_until) VALUES ('down.example', 'open', '2026-01-01')"
    admin = browser("admin")
    with served.runtime.engine.begin() as connection:
        connection.execute(sa.text(put))
    try:
        words = "until the next request, which tries it once"
        until(lambda: words in admin.get("/admin").text, what="a page that was made since")
    finally:
        with served.runtime.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM upstream_hosts WHERE host = 'down.example'"))


def test_many_runs_are_counted_before_they_are_touched(browser: Browser) -> None:
    admin = browser("admin")
    token = csrf_of(admin.get("/admin/runs"))
    form = {"csrf": token, "what": "replay", "function": "protenders-platform-tender-sync"}
    asked = admin.post("/admin/runs/bulk", data=form)
    assert asked.status_code == 200
    assert "There is none." in asked.text


def test_an_account_without_a_name_is_refused(browser: Browser) -> None:
    admin = browser("admin")
    form = {"csrf": csrf_of(admin.get("/admin/users")), "username": " ", "role": "viewer"}
    assert admin.post("/admin/users/add", data=form).status_code == 422


def test_the_last_admin_cannot_be_removed(browser: Browser) -> None:
    admin = browser("admin")
    token = csrf_of(admin.get("/admin/users"))
    answer = admin.post("/admin/users/admin/active", data={"csrf": token, "active": "false"})
    assert answer.status_code == 409
    assert "only admin" in answer.text


def test_the_static_files_are_small_and_named_by_content(served: Serving, anybody: httpx.Client) -> None:
    from app.server import STATIC

    assert sum(file.stat().st_size for file in STATIC.iterdir()) <= 60 * 1024
    page = anybody.get("/admin/login").text
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert "?v=" in address
        assert anybody.get(address).status_code == 200


def test_the_numbers_of_the_first_page_are_the_database_s(
    served: Serving, browser: Browser, job_id: str
) -> None:
    until(lambda: not _active(served), seconds=90, what="the end of all jobs")
    page = browser("viewer").get("/admin").text
    shown = dict(re.findall(r"<dt>([^<]+)</dt><dd>([0-9\u202f]+)</dd>", page))
    numbers = {name: int(value.replace("\u202f", "")) for name, value in shown.items()}
    counted = {
        "tenders in all": "SELECT count(*) FROM tenders",
        "expected to exist": "SELECT count(*) FROM tender_ids WHERE is_expected",
        "missing": "SELECT count(*) FROM tender_ids WHERE is_expected AND NOT is_present",
        "awaiting release": "SELECT count(*) FROM tender_ids WHERE is_expected AND is_present AND release_hash IS NULL",
        "syncs ended": "SELECT count(*) FROM jobs WHERE type = 'DELTA_SYNC' AND finished_at IS NOT NULL"
        " AND status NOT IN ('SKIPPED', 'CANCELLED')",
        "pending": "SELECT count(*) FROM tenders WHERE enrichment_status = 'pending'",
        "not listed": "SELECT count(*) FROM tenders WHERE enrichment_status = 'not_listed'",
        "failed": "SELECT count(*) FROM tenders WHERE enrichment_status = 'failed'",
    }
    charts = dict(re.findall(r'aria-label="(Jobs|Tenders) a day: ([^"]+)"', page))
    columns = {
        "Jobs": "SELECT count(*) FROM jobs WHERE status IN ('SUCCESS', 'PARTIAL', 'CANCELLED', 'FAILED', 'CRASHED')",
        "Tenders": "SELECT count(*) FROM tenders WHERE published_at >= date_trunc('day', now(), 'Africa/Johannesburg')"
        " - interval '13 days' AND published_at < date_trunc('day', now(), 'Africa/Johannesburg') + interval '1 day'",
    }
    with served.runtime.engine.connect() as connection:
        for label, statement in counted.items():
            assert numbers[label] == connection.execute(sa.text(statement)).scalar_one(), label
        for label, statement in columns.items():
            drawn = sum(int(count) for count in re.findall(r" (\d+) [a-z]", charts[label]))
            assert drawn == connection.execute(sa.text(statement)).scalar_one(), label


def _active(served: Serving) -> bool:
    with served.runtime.engine.connect() as connection:
        return bool(connection.execute(sa.text(_ACTIVE)).scalar_one())


_ACTIVE = "SELECT count(*) FROM jobs WHERE status IN ('QUEUED', 'RUNNING', 'RETRYING')"
