"""With an Inngest server named, the embedded engine stays off and only the SDK's protocol is spoken."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.headers import MAX_BODY
from app.loopback import ThreadedServer
from app.replay.stand_in import ReplayConfig, make_app
from app.runtime import utc_now
from app.serving import BackgroundServing
from app.settings import Settings
from db import jobs
from tests.app.conftest import add_accounts, log_in
from tests.waiting import until

KEY = "signkey-prod-" + "0f" * 32


class Inngest:
    """An Inngest server by script: it takes events and registrations, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append(("POST", self.path, json.loads(body)))
                answer = (
                    {"ids": ["01SCRIPTED"], "status": 200} if self.path.startswith("/e/") else {"ok": True}
                )
                text = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_DELETE(self) -> None:
                outer.asked.append(("DELETE", self.path, None))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[Inngest]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def inngest() -> Iterator[Inngest]:
    with Inngest().running() as server:
        yield server


def invocation(run_id: str, steps: dict[str, Any]) -> dict[str, Any]:
    """The request body with which a server runs one step of tender-sync."""
    event = {
        "name": "tender/sync.requested",
        "id": "ev-1",
        "ts": 1_770_000_000_000,
        "data": {"triggeredBy": "manual"},
    }
    return {
        "ctx": {
            "attempt": 0,
            "disable_immediate_execution": False,
            "fn_id": "protenders-platform-tender-sync",
            "max_attempts": 4,
            "run_id": run_id,
            "stack": {"current": 0, "stack": []},
            "use_api": False,
        },
        "event": event,
        "events": [event],
        "steps": steps,
        "use_api": False,
    }


def test_a_dev_server_runs_the_same_functions_while_the_embedded_engine_stays_off(
    inngest: Inngest, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        _env_file=None, database_url=database_url, protenders_home=tmp_path / "home", inngest_dev=inngest.url
    )
    with BackgroundServing(settings, source="replay") as serving:
        assert serving.runtime.durable is None
        add_accounts(serving)
        with httpx.Client(base_url=serving.url, timeout=30) as program:
            assert program.get("/readyz").json()["engine"] == "dev-server"
            for path in ("/dev", "/v1/events", "/v1/runs/x", "/v0/runs/x/actions"):
                assert program.get(path).status_code == 404, path
            assert program.post("/e/key", json={"name": "x", "data": {}}).status_code == 404

            registered = program.put("/api/inngest")
            assert registered.status_code == 200, registered.text
            _, path, payload = inngest.asked[-1]
            assert path.startswith("/fn/register")
            ids = {function["id"] for function in payload["functions"]}
            assert "protenders-platform-tender-sync" in ids
            assert not any("schedule" in name for name in ids), "SYNC_CRON is the embedded engine's alone"

            answer = program.post(
                "/api/inngest",
                params={"fnId": "protenders-platform-tender-sync", "stepId": "step"},
                json=invocation("01RUN", {}),
            )
            assert answer.status_code == 206, answer.text
            planned = answer.json()[0]
            assert planned["displayName"] == "create-job-log"
        with closing(log_in(serving.url, "admin")) as admin:
            assert inngest.url in admin.get("/admin/runs").text
            assert "‖" not in admin.get("/admin/functions").text
            sent = admin.post("/api/admin/jobs/sync-now", json={}, headers={"X-CSRF-Token": _token(admin)})
            assert sent.status_code == 202, sent.text
        until(
            lambda: [path for _, path, _ in inngest.asked if path.startswith("/e/")],
            what="the event's arrival",
        )
        _, _, events = inngest.asked[-1]
        assert [event["name"] for event in events] == ["tender/sync.requested"]
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM engine.runs")).scalar_one() == 0
        assert connection.execute(sa.text("SELECT count(*) FROM engine.functions")).scalar_one() == 0
        assert connection.execute(sa.text("SELECT status FROM jobs")).scalars().all() == ["RUNNING"]
    engine.dispose()


def test_an_inngest_server_that_takes_no_event_is_told_of(database_url: str, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        settings = Settings(
            _env_file=None,
            database_url=database_url,
            protenders_home=tmp_path / "home",
            inngest_dev=f"http://127.0.0.1:{silent.getsockname()[1]}",
            cron_secret="a-secret-of-the-cron",
        )
        with BackgroundServing(settings, source="replay") as serving:
            answer = httpx.post(
                f"{serving.url}/api/cron/sync",
                headers={"Authorization": "Bearer a-secret-of-the-cron"},
                timeout=30,
            )
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("Inngest did not take the event: ")
    assert "INNGEST_EVENT_KEY" in answer.json()["error"]


def test_the_buttons_work_through_events_or_say_where_to_do_it(
    inngest: Inngest, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        _env_file=None, database_url=database_url, protenders_home=tmp_path / "home", inngest_dev=inngest.url
    )
    with BackgroundServing(settings, source="replay") as serving:
        add_accounts(serving)
        with serving.runtime.engine.begin() as connection:
            for name in ("runs", "ended"):
                jobs.create(
                    connection,
                    job_id=name,
                    type="DELTA_SYNC",
                    function_id="tender-sync",
                    run_id=f"01RUN-{name}",
                    event_id="ev-1",
                    source="replay",
                    triggered_by="manual",
                    actor=None,
                    parameters={},
                    now=utc_now(),
                )
            jobs.close(connection, "ended", "FAILED", now=utc_now())
        with closing(log_in(serving.url, "admin")) as admin:
            token = _token(admin)
            days = {"from_date": "2026-08-01", "to_date": "2026-08-02"}
            for path, form in {
                "sync-now": {**days, "max_enrichment": "5", "require_enrichment": "true"},
                "enrich-today": {},
                "enrich-one": {"ocid": "ocds-9t57fa-1"},
                "enrich-backfill": {**days, "max_enrichment": "5"},
                "history-backfill": days,
                "jobs/ended/rerun": {},
                "jobs/runs/cancel": {},
            }.items():
                answer = admin.post(f"/admin/actions/{path}", data={**form, "csrf": token})
                assert answer.status_code == 303, (path, answer.text)
            sent = [body[0] for _, path, body in inngest.asked if path.startswith("/e/")]
            assert [event["name"].removeprefix("tender/") for event in sent] == [
                "sync.requested",
                "enrich-today.requested",
                "enrich.requested",
                "enrich-backfill.requested",
                "history-backfill.requested",
                "sync.requested",
            ]
            assert sent[0]["data"]["requireEnrichment"] is True
            assert sent[0]["data"]["fromDate"] == "2026-08-01"
            assert ("DELETE", "/v1/runs/01RUN-runs", None) in inngest.asked
            for path in ("/admin/runs", "/admin/functions", "/admin/events", "/admin/runs/x"):
                text = admin.get(path).text
                assert inngest.url in text, path
                assert 'method="post" action="/admin/logout"' in text
                assert text.count('method="post"') == 1, path
            page = admin.get("/admin/jobs/ended").text
            assert f"{inngest.url}/run?runID=01RUN-ended" in page
            assert "Go on from where it ended" not in page
            for path in (
                "/admin/functions/x/pause",
                "/admin/runs/x/cancel",
                "/admin/events/x/resend",
                "/admin/actions/jobs/ended/retry",
            ):
                refused = admin.post(path, data={"csrf": token})
                assert refused.status_code == 409, path
                assert "Inngest" in refused.text, path


def signature(body: bytes, *, key: str = KEY, at: float | None = None) -> str:
    """Inngest's request signature."""
    moment = int(at if at is not None else time.time())
    secret = key.removeprefix("signkey-prod-").encode()
    digest = hmac.new(secret, body + str(moment).encode(), hashlib.sha256).hexdigest()
    return f"t={moment}&s={digest}"


def test_in_production_the_endpoint_wants_fresh_signatures(
    inngest: Inngest, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        protenders_home=tmp_path / "home",
        inngest_signing_key=KEY,
        inngest_event_key="an-event-key",
        inngest_base_url=inngest.url,
        secret_key="0123456789abcdef",
        ocds_base_url="http://127.0.0.1:9",
        etenders_base_url="http://127.0.0.1:9",
    )
    body = json.dumps(invocation("01RUN", {}), separators=(",", ":"), sort_keys=True).encode()
    address = "/api/inngest?fnId=protenders-platform-tender-sync&stepId=step"
    with BackgroundServing(settings) as serving, httpx.Client(base_url=serving.url, timeout=30) as program:
        assert serving.runtime.source.kind == "live"
        refused = [
            program.get("/api/inngest"),
            program.put("/api/inngest"),
            program.post(address, content=body),
            program.post(address, content=body, headers={"X-Inngest-Signature": "t=1&s=00"}),
            program.post(
                address,
                content=body,
                headers={"X-Inngest-Signature": signature(body, key="signkey-prod-" + "11" * 32)},
            ),
            program.post(
                address, content=body, headers={"X-Inngest-Signature": signature(body, at=time.time() - 3600)}
            ),
        ]
        assert [answer.status_code for answer in refused] == [401] * len(refused)
        assert all("signed with" in answer.text for answer in refused[:3]), "the SDK was asked"
        good = program.post(address, content=body, headers={"X-Inngest-Signature": signature(body)})
        assert good.status_code == 206, good.text
        large = json.dumps(
            json.loads(body) | {"v": "x" * MAX_BODY}, separators=(",", ":"), sort_keys=True
        ).encode()
        good = program.post(address, content=large, headers={"X-Inngest-Signature": signature(large)})
        assert good.status_code == 206, good.text
        for method in ("GET", "POST", "PUT"):
            forged = {"X-Inngest-Signature": signature(large, key="signkey-prod-" + "11" * 32)}
            answer = program.request(method, address, content=large, headers=forged)
            # Ours, from a thread: the SDK would answer while nobody else is.
            assert (answer.status_code, "is not signed with" in answer.text) == (401, True)
        deep = b"[" * 200_000 + b"]" * 200_000
        answer = program.post(address, content=deep, headers={"X-Inngest-Signature": signature(b"")})
        assert answer.status_code == 401


def _token(client: httpx.Client) -> str:
    from tests.app.conftest import csrf_of

    return csrf_of(client.get("/admin/jobs"))


def test_in_production_the_embedded_engine_signs_and_wants_keys(database_url: str, tmp_path: Path) -> None:
    stand_in = ThreadedServer(make_app(ReplayConfig(ids=(165_000, 165_600))))
    stand_in.start()
    settings = Settings(
        _env_file=None,
        APP_ENV="production",
        database_url=database_url,
        protenders_home=tmp_path / "home",
        secret_key="0123456789abcdef",
        ocds_base_url=stand_in.url,
        etenders_base_url=stand_in.url,
        rate_limit_delay_ms=0,
    )
    try:
        with (
            BackgroundServing(settings) as serving,
            httpx.Client(base_url=serving.url, timeout=30) as program,
        ):
            event = {"name": "tender/sync.requested", "data": {}}
            assert program.post("/e/guessed", json=event).status_code == 401
            assert program.get("/v1/runs").status_code == 401
            assert program.put("/api/inngest").status_code == 401
            assert program.post("/api/inngest?fnId=x&stepId=step", json={}).status_code == 401
            program.headers["Authorization"] = f"Bearer {serving.instance.token}"
            sent = program.post("/api/admin/events", json=event)
            assert sent.status_code == 202, sent.text
            address = f"/api/admin/events/{sent.json()['eventId']}/jobs"
            ended = until(
                lambda: [
                    job
                    for job in program.get(address).json()["jobs"]
                    if job["status"] not in ("QUEUED", "RUNNING")
                ],
                seconds=60,
                what="the job's end",
            )
            assert ended[0]["status"] == "SUCCESS"
    finally:
        stand_in.stop()
