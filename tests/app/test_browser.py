"""The console in a real browser, on the real app: an operator's walk, a viewer's, one without JavaScript; and axe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from app.replay.control import Orders
from app.serving import Serving
from db import jobs, jobs_tables
from tests.app import chromium
from tests.app.conftest import PASSWORDS
from tests.waiting import until

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
PATIENCE = 60_000
# On a busy machine a page may take its time; none of these tests is about that.
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium.launched() as browser:
        yield browser


@contextmanager
def logged_in(chrome: Browser, served: Serving, role: str, **options: Any) -> Iterator[Page]:
    """A page of somebody who has logged in through the form; it fails on any error of the browser's console."""
    problems: list[str] = []
    context = chrome.new_context(base_url=served.url, **options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.goto("/admin/jobs")
    page.get_by_label("User name").fill(role)
    page.get_by_label("Password").fill(PASSWORDS[role])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    try:
        yield page
        assert problems == []
    finally:
        context.close()


@pytest.fixture(scope="module")
def orders(served: Serving) -> Iterator[Orders]:
    """Faults for the recorded source."""
    stand_in = served.runtime.source.stand_in
    assert stand_in is not None
    found: Orders = stand_in.app.orders
    yield found
    found.clear()


@pytest.fixture(scope="module")
def synced(served: Serving, chrome: Browser) -> str:
    """A sync that was started in the browser and watched to its end without a reload; its job's id."""
    with logged_in(chrome, served, "admin") as page:
        page.evaluate("window.notReloaded = true")
        page.get_by_role("button", name="Sync now").click()
        expect(page.get_by_role("status")).to_contain_text("The sync was asked for")
        page.evaluate("window.notReloaded = true")
        first = page.locator("tbody tr").filter(has_text="delta sync").first
        expect(first).to_contain_text("success", timeout=PATIENCE)
        assert page.evaluate("window.notReloaded") is True
        first.get_by_role("link").first.click()
        expect(page.get_by_role("heading", name="Steps")).to_be_visible()
        expect(page.locator("table.steps tbody tr").first).to_contain_text("create-job-log")
        assert page.locator("svg.waterfall").count() >= 8
        return page.url.rsplit("/", 1)[-1]


def test_a_sync_is_started_watched_and_read(synced: str) -> None:
    assert synced


def test_a_job_is_cancelled_and_its_run_goes_on_from_a_step(
    served: Serving, chrome: Browser, synced: str, orders: Orders
) -> None:
    orders.add("bucket", "503", times=-1)
    with logged_in(chrome, served, "admin") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Sync now").click()
        running = page.locator("tbody tr").filter(has_text="delta sync").filter(has_text="running").first
        waiting = page.locator("tbody tr").filter(has_text="delta sync").filter(has_text="retry").first
        expect(running.or_(waiting).first).to_be_visible()
        running.or_(waiting).first.get_by_role("link").first.click()
        expect(page.locator("#job")).to_contain_text("fetch-portal-rows")
        job_id = page.url.rsplit("/", 1)[-1]
        page.get_by_role("button", name="Cancel the job").click()
        expect(page.locator("h1")).to_contain_text("cancelled")
        orders.clear()
        page.get_by_role("link", name=run_of(served, job_id)).click()
        expect(page.locator("h1")).to_contain_text("cancelled")
        page.get_by_text("Run again from a step").click()
        page.get_by_label("From step").select_option(label="fetch-ocds-releases-1")
        page.get_by_role("button", name="Run from there").click()
        expect(page.locator("h1")).to_contain_text("completed", timeout=PATIENCE)
        page.get_by_role("link", name=job_id).click()
        expect(page.locator("h1")).to_contain_text("success")


def test_a_tender_is_found_and_its_history_followed(served: Serving, chrome: Browser, synced: str) -> None:
    with logged_in(chrome, served, "admin") as page:
        page.get_by_role("link", name="Tenders", exact=True).click()
        title = page.locator("tbody tr a").first.inner_text()
        page.keyboard.press("/")
        page.keyboard.type(" ".join(title.split()[:3]))
        page.keyboard.press("Enter")
        page.locator("tbody tr a").first.click()
        expect(page.get_by_role("heading", name="Fields and where they came from")).to_be_visible()
        expect(page.get_by_text("The first version that was seen.")).to_be_visible()
        page.get_by_role("link", name="delta sync").first.click()
        expect(page.get_by_role("heading", name="Steps")).to_be_visible()


def test_a_viewer_reads_everything_and_is_refused_a_change(
    served: Serving, chrome: Browser, synced: str
) -> None:
    with logged_in(chrome, served, "viewer") as page:
        expect(page.get_by_role("button", name="Sync now")).to_have_count(0)
        page.goto(f"/admin/jobs/{synced}")
        expect(page.get_by_role("button", name="Run it again")).to_have_count(0)
        token = page.locator("input[name=csrf]").first.get_attribute("value")
        answer = page.request.post(
            "/admin/actions/sync-now", form={"csrf": str(token)}, headers={"Origin": served.url}
        )
        assert answer.status == 403
        assert "change nothing" in answer.text()


def test_reading_works_without_javascript(served: Serving, chrome: Browser, synced: str) -> None:
    with logged_in(chrome, served, "viewer", java_script_enabled=False) as page:
        for name in ("Overview", "Runs", "Functions", "Events", "Tenders", "Coverage", "Enrichment", "Audit"):
            page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()
            expect(page.locator("h1")).to_be_visible()
        page.goto("/admin/jobs")
        page.get_by_label("Search").fill("nothing has this text")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text("No job fits these filters.")).to_be_visible()


def test_every_action_works_without_javascript(
    served: Serving, chrome: Browser, synced: str, orders: Orders
) -> None:
    def reload_until(page: Page, word: str) -> None:
        def look() -> bool:
            page.reload()
            return word in page.locator("h1").inner_text()

        until(look, seconds=PATIENCE / 1000, what=f"a job that is {word}")

    with logged_in(chrome, served, "admin", java_script_enabled=False) as page:
        message = page.get_by_role("status")
        orders.add("bucket", "503", times=-1)
        page.get_by_text("Sync with options").click()
        page.get_by_label("Enrich at most").fill("3")
        page.get_by_role("button", name="Start the sync").click()
        expect(message).to_contain_text("The sync was asked for")
        with served.runtime.engine.connect() as connection:
            page.goto(f"/admin/jobs/{until(lambda: running_sync(connection), what='the job')}")
        reload_until(page, "retry")
        assert "until" in page.locator("h1").inner_text()
        page.get_by_role("button", name="Cancel the job").click()
        expect(message.first).to_contain_text("The job was asked to end")
        reload_until(page, "cancelled")
        orders.clear()
        page.get_by_role("button", name="Go on from where it ended").click()
        expect(message).to_contain_text("The job goes on")
        reload_until(page, "success")
        page.goto("/admin/functions")
        name = page.get_by_role("link", name="send-alerts", exact=True)
        row = page.locator("tbody tr").filter(has=name)
        row.get_by_text("Pause", exact=True).click()
        row.get_by_role("button", name="Pause it").click()
        expect(row).to_contain_text("paused")
        row.get_by_role("button", name="Resume").click()
        expect(row).to_contain_text("active")
        page.goto("/admin/runs")
        page.get_by_label("Of function").select_option(label="tender-refresh")
        page.get_by_role("button", name="Count them first").click()
        expect(page.get_by_text("There is none.")).to_be_visible()
        page.goto("/admin/events?name=tender/enrich-today.requested")
        expect(page.get_by_text("No event fits.")).to_be_visible()
        page.goto("/admin/audit?action=job.retry")
        page.get_by_text("show", exact=True).first.click()
        expect(page.locator("td pre").first).to_contain_text('"before": "CANCELLED"')


def running_sync(connection: Any) -> str | None:
    """The id of the sync that is running; a scheduled function's job may be running beside it."""
    connection.rollback()
    asked = sa.select(jobs_tables.jobs.c.id).where(
        jobs_tables.jobs.c.function_id == "tender-sync", jobs_tables.jobs.c.status.in_(jobs.ACTIVE)
    )
    found: str | None = connection.execute(asked).scalar()
    return found


def test_the_keyboard_moves_through_the_rows(served: Serving, chrome: Browser, synced: str) -> None:
    with logged_in(chrome, served, "viewer") as page:
        page.keyboard.press("j")
        expect(page.locator("tr.chosen")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Steps")).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()


def test_live_updates_can_be_paused_and_stop_while_nobody_looks(
    served: Serving, chrome: Browser, synced: str
) -> None:
    viewers = served.runtime.ticker._viewers
    with logged_in(chrome, served, "viewer") as page:
        expect(page.locator("#live-state")).to_have_text("● live")
        page.get_by_role("button", name="Pause live updates").click()
        expect(page.locator("#live-state")).to_contain_text("paused")
        until(lambda: not viewers, what="the end of the paused page's stream")
        page.get_by_role("button", name="Resume live updates").click()
        expect(page.locator("#live-state")).to_have_text("● live")
        hide = "hidden => Object.defineProperty(document, 'hidden', {value: hidden, configurable: true})"
        for hidden in (True, False):
            page.evaluate(hide, hidden)
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            until(lambda hidden=hidden: bool(viewers) != hidden, what="the stream's end, or its return")


def test_a_lost_connection_is_said_and_found_again(served: Serving, chrome: Browser, synced: str) -> None:
    with logged_in(chrome, served, "viewer") as page:
        state: Any = page.context.storage_state()
    # A browser whose console may complain of the connection that it is not given.
    context = chrome.new_context(base_url=served.url, storage_state=state)
    page = context.new_page()
    page.route("**/admin/live", lambda route: route.abort())
    page.goto("/admin/jobs")
    expect(page.locator("#live-state")).to_contain_text("connection lost")
    page.unroute("**/admin/live")
    expect(page.locator("#live-state")).to_have_text("● live")
    context.close()


def test_a_refresh_leaves_what_the_reader_has_opened_typed_and_chosen(
    served: Serving, chrome: Browser, synced: str
) -> None:
    def refresh(page: Page) -> None:
        page.evaluate("document.activeElement.blur()")
        with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
            page.keyboard.press("r")

    with logged_in(chrome, served, "viewer", permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_label("Search").fill("half a wo")
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("j")
        refresh(page)
        expect(page.locator("tr.chosen")).to_have_count(1)
        expect(page.get_by_label("Search")).to_have_value("half a wo")
        page.goto(f"/admin/jobs/{synced}")
        page.get_by_text("Everything that was recorded").click()
        recorded = page.locator("details", has_text="Everything that was recorded")
        refresh(page)
        expect(recorded.locator("pre")).to_be_visible()
        recorded.get_by_role("button", name="Copy").click()
        expect(recorded.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == recorded.locator("pre").inner_text()


def pages_of(served: Serving, job_id: str) -> list[str]:
    """One address of every kind of page."""
    with served.runtime.engine.connect() as connection:
        from db.tender_search import Filters, search

        ocid = search(connection, Filters(), limit=1).tenders[0]["ocid"]
    plain = (
        "",
        "/jobs",
        "/runs",
        "/functions",
        "/events",
        "/tenders",
        "/coverage",
        "/enrichment",
        "/users",
        "/account",
        "/searches",
        "/audit",
    )
    return [
        *(f"/admin{path}" for path in plain),
        f"/admin/jobs/{job_id}",
        f"/admin/runs/{run_of(served, job_id)}",
        f"/admin/tenders/{ocid}",
        "/docs",
        "/admin/nowhere",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(served: Serving, chrome: Browser, synced: str, scheme: Any) -> None:
    # Axe is put in by the test: the page's own policy lets no other script in.
    with logged_in(chrome, served, "admin", color_scheme=scheme, bypass_csp=True) as page:
        for address in pages_of(served, synced):
            if address != "/admin/nowhere":
                page.goto(address)
                assert violations(page) == [], (address, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_login(served: Serving, chrome: Browser, scheme: Any) -> None:
    context = chrome.new_context(base_url=served.url, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto("/admin/login")
    assert violations(page) == []
    context.close()


def test_no_page_is_wider_than_a_small_telephone(served: Serving, chrome: Browser, synced: str) -> None:
    with logged_in(chrome, served, "viewer", viewport={"width": 360, "height": 740}) as page:
        for address in pages_of(served, synced)[:-1]:
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, address


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe says against the page: rule and the first element."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found["violations"]]


def run_of(served: Serving, job_id: str) -> str:
    """The run that works on a job."""

    def look() -> jobs.Job | None:
        with served.runtime.engine.connect() as connection:
            return jobs.get(connection, job_id)

    found = until(look, what="the job")
    assert found is not None
    return found.run_id
