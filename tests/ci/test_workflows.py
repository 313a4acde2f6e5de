"""The GitHub workflows: their triggers, and the sync job's script run against a server on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.events import MAX_ENRICHMENT

ROOT = Path(__file__).parents[2]
KEY = "abc_DEF-123-secret-event-key"


def _workflow(name: str) -> dict[Any, Any]:
    loaded = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    assert isinstance(loaded, dict)
    return loaded


@dataclass
class Receiver:
    """An event endpoint that answers with the given statuses in turn, the last one for ever."""

    statuses: list[int]
    body: str = json.dumps({"ids": ["01K"], "status": 200})
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, sent: bytes) -> int:
        self.requests.append((path, json.loads(sent)))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    if shutil.which("curl") is None:
        pytest.skip("NO CURL: the workflow that sends events is NOT tested. Install it.")
    servers: list[ThreadingHTTPServer] = []

    def start(*statuses: int, body: str | None = None) -> Receiver:
        receiver = Receiver(list(statuses))
        receiver.body = body or receiver.body

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answer(self.path, sent)
                self.send_response(status)
                self.end_headers()
                self.wfile.write((receiver.body if status == 200 else f"refused {self.path}").encode())

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        servers.append(server)
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        return receiver

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _send(receiver: Receiver, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the job's script as the runner would: its env block, then bash with its options."""
    [step] = _workflow("scheduled-jobs.yml")["jobs"]["sync"]["steps"]
    unset = dict.fromkeys(step["env"], "")
    environment = {
        "PATH": os.environ["PATH"],
        "RETRIES": "1",
        **unset,
        "INNGEST_EVENT_KEY": KEY,
        "BASE_URL": receiver.url,
        **given,
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_sync_is_asked_for_twice_an_hour_and_by_hand() -> None:
    workflow = _workflow("scheduled-jobs.yml")
    triggers = workflow[True]  # YAML reads the key `on` as a boolean
    assert triggers["schedule"] == [{"cron": "7,37 * * * *"}]
    assert set(triggers["workflow_dispatch"]["inputs"]) == {
        "maxEnrichment",
        "requireEnrichment",
        "fromDate",
        "toDate",
    }
    [step] = workflow["jobs"]["sync"]["steps"]
    assert step["env"]["INNGEST_EVENT_KEY"] == "${{ secrets.INNGEST_EVENT_KEY }}"
    assert step["env"]["BASE_URL"] == "${{ vars.INNGEST_BASE_URL || 'https://inn.gs' }}"
    assert "${{" not in step["run"], "an expression in a script would let an input run commands"
    assert workflow["permissions"] == {}


def test_an_accepted_event_is_a_green_job_and_the_key_is_nowhere_in_the_log(
    receive: Callable[..., Receiver],
) -> None:
    receiver = receive(200)
    ended = _send(receiver)
    assert ended.returncode == 0, ended
    [(path, event)] = receiver.requests
    assert path == f"/e/{KEY}"
    assert event == {
        "id": event["id"],
        "name": "tender/sync.requested",
        "data": {"maxEnrichment": 300, "requireEnrichment": True, "triggeredBy": "github-actions"},
    }
    assert re.fullmatch(r"github-actions-\d{4}-\d\d-\d\dT\d\d:(00|30)Z", event["id"])
    assert KEY not in ended.stdout + ended.stderr
    assert "01K" in ended.stdout


def test_a_refused_event_is_a_red_job_at_once(receive: Callable[..., Receiver]) -> None:
    receiver = receive(401)
    ended = _send(receiver)
    assert ended.returncode == 1
    assert len(receiver.requests) == 1
    assert "::error::The event was not accepted" in ended.stdout
    assert "refused /e/***" in ended.stdout, "the answer is shown, the key that it repeats is not"
    assert KEY not in ended.stdout + ended.stderr


def test_a_server_error_is_tried_again_with_the_same_event(receive: Callable[..., Receiver]) -> None:
    receiver = receive(500, 200)
    ended = _send(receiver)
    assert ended.returncode == 0, ended
    assert len(receiver.requests) == 2
    assert receiver.requests[0] == receiver.requests[1]
    assert "refused" not in ended.stdout


def test_a_lasting_server_error_is_a_red_job(receive: Callable[..., Receiver]) -> None:
    receiver = receive(500)
    ended = _send(receiver)
    assert ended.returncode == 1
    assert len(receiver.requests) == 2
    assert KEY not in ended.stdout + ended.stderr


def test_a_page_that_is_no_inngest_server_is_a_red_job(receive: Callable[..., Receiver]) -> None:
    ended = _send(receive(200, body="<html>welcome</html>"))
    assert ended.returncode == 1
    assert "INNGEST_BASE_URL" in ended.stdout


def test_inputs_reach_the_event_and_make_it_another_one(receive: Callable[..., Receiver]) -> None:
    receiver = receive(200)
    for _ in range(2):
        _send(
            receiver,
            MAX_ENRICHMENT="0",
            REQUIRE_ENRICHMENT="false",
            FROM_DATE="2026-01-01",
            TO_DATE="2026-01-31",
        )
    _send(receiver)
    first, again, scheduled = (event for _, event in receiver.requests)
    assert first["data"] == {
        "maxEnrichment": 0,
        "requireEnrichment": False,
        "triggeredBy": "github-actions",
        "fromDate": "2026-01-01",
        "toDate": "2026-01-31",
    }
    assert first["id"] == again["id"] != scheduled["id"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"INNGEST_EVENT_KEY": ""}, "INNGEST_EVENT_KEY"),
        ({"INNGEST_EVENT_KEY": 'x"\nurl = "http://elsewhere'}, "INNGEST_EVENT_KEY"),
        ({"BASE_URL": "inn.gs"}, "INNGEST_BASE_URL"),
        ({"MAX_ENRICHMENT": "many"}, "maxEnrichment"),
        ({"MAX_ENRICHMENT": '1, "x": 1'}, "maxEnrichment"),
        ({"MAX_ENRICHMENT": str(MAX_ENRICHMENT + 1)}, f"from 0 to {MAX_ENRICHMENT}"),
        ({"MAX_ENRICHMENT": "007"}, "maxEnrichment"),
        ({"REQUIRE_ENRICHMENT": "yes"}, "requireEnrichment"),
        ({"FROM_DATE": "01/02/2026"}, "fromDate"),
        ({"TO_DATE": '2026-01-01"'}, "toDate"),
        ({"TO_DATE": "2026-02-30"}, "toDate"),
        (
            {"FROM_DATE": "2026-02-02", "TO_DATE": "2026-02-01"},
            "fromDate 2026-02-02 is after toDate 2026-02-01",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    receive: Callable[..., Receiver], given: dict[str, str], named: str
) -> None:
    receiver = receive(200)
    ended = _send(receiver, **given)
    assert ended.returncode == 1
    [complaint] = [line for line in ended.stdout.splitlines() if line.startswith("::error::")]
    assert named in complaint
    assert receiver.requests == []


def test_ci_runs_on_every_supported_python_what_anybody_can_run() -> None:
    workflow = _workflow("ci.yml")
    checks = workflow["jobs"]["checks"]
    assert checks["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert checks["steps"][-1]["run"] == ".ci/run"
    for name in ("test", "lint", "types", "imports", "docs-check"):
        assert f"make {name}" in (ROOT / ".ci" / "run").read_text()
        assert re.search(rf"^{name}: .*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_weaknesses_are_looked_for_and_a_newcomer_s_path_is_walked() -> None:
    jobs = _workflow("ci.yml")["jobs"]
    assert [step for step in jobs["audit"]["steps"] if step.get("run") == "make audit"]
    [walk] = [step["run"] for step in jobs["run"]["steps"] if "run" in step]
    assert "/api/tenders" in walk, "the first tenders, not only an answer"
    assert jobs["run"]["timeout-minutes"] <= 10


@pytest.mark.parametrize("name", ["ci.yml", "restore-drill.yml", "scheduled-jobs.yml"])
def test_a_workflow_has_few_rights_and_puts_no_expression_into_a_script(name: str) -> None:
    workflow = _workflow(name)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 45
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
