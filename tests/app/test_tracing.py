"""Traces: one for an event and all that follows from it, whichever process does what; off, there is nothing."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import extras
from app.loopback import ThreadedServer
from app.replay.stand_in import ReplayConfig, make_app
from app.serving import BackgroundServing
from app.settings import Settings
from app.tracing import Tracing
from functions.resources import Attempt
from tests.waiting import until

SECRET = "a-secret-that-no-span-may-have"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Takes the spans of an app that is started meanwhile."""
    kept = InMemorySpanExporter()
    made = Tracing(SimpleSpanProcessor(kept), service="protenders", version="0")
    monkeypatch.setattr(extras, "tracing", lambda _settings: made)
    yield kept
    kept.shutdown()


def named(spans: tuple[ReadableSpan, ...], start: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name.startswith(start)]


def test_an_event_its_run_its_steps_their_requests_and_statements_are_one_trace(
    exporter: InMemorySpanExporter, database_url: str, tmp_path: Path
) -> None:
    stand_in = ThreadedServer(make_app(ReplayConfig(ids=(165_000, 165_300))))
    stand_in.start()
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        protenders_home=tmp_path / "home",
        ocds_base_url=stand_in.url,
        etenders_base_url=stand_in.url,
        sync_cron="0 0 1 1 *",
        rate_limit_delay_ms=0,
    )
    event = {"name": "tender/sync.requested", "data": {"triggeredBy": "manual"}, "id": f"traced-{SECRET}"}
    try:
        with BackgroundServing(settings) as serving:
            httpx.post(f"{serving.url}/e/key", json=event, timeout=30).raise_for_status()
            until(
                lambda: named(exporter.get_finished_spans(), "run protenders-platform-tender-sync"),
                seconds=60,
                what="the end of the sync's run",
            )
    finally:
        stand_in.stop()
    spans = exporter.get_finished_spans()
    [accepted] = named(spans, "event tender/sync.requested")
    [run] = named(spans, "run protenders-platform-tender-sync")
    ours = tuple(span for span in spans if span.context.trace_id == accepted.context.trace_id)
    assert accepted.parent is None
    assert parent(run) == accepted.context.span_id
    steps = named(ours, "step ")
    assert {"step create-job-log", "step save-to-database", "step update-job-log"} <= {s.name for s in steps}
    assert {parent(step) for step in steps} == {run.context.span_id}
    beneath = {step.context.span_id for step in steps}
    requests, statements = named(ours, "GET"), named(ours, "INSERT") + named(ours, "SELECT")
    assert len(requests) > 3
    assert len(statements) > 20
    assert {parent(span) for span in requests + statements} <= beneath
    assert requests[0].attributes is not None
    assert requests[0].attributes["http.response.status_code"] == 200
    assert run.start_time is not None
    assert run.end_time is not None
    assert run.start_time <= min(int(step.start_time or 0) for step in steps) + 2_000_000
    assert run.end_time >= max(int(step.end_time or 0) for step in steps)
    told = " ".join(span.to_json() for span in statements)
    assert SECRET not in told
    assert "%(" not in told, "names of statements, not their text"


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def attempt(**given: Any) -> Attempt:
    return Attempt(
        **{"function_id": "f", "run_id": "01R", "event_id": "e", "job_id": "j", "step": "s", "number": 1}
        | given
    )


def test_a_step_in_another_process_or_after_a_restart_finds_its_trace() -> None:
    found = []
    for _ in range(2):
        kept = InMemorySpanExporter()
        tracing = Tracing(SimpleSpanProcessor(kept), service="protenders", version="0")
        tracing.accepted([("e", "tender/sync.requested")])
        with tracing.step(attempt()):
            pass
        accepted, step = kept.get_finished_spans()
        assert accepted.context.trace_id == step.context.trace_id
        found.append((step.context.trace_id, parent(step)))
    assert found[0] == found[1]


def test_a_failed_attempt_is_seen_and_its_error_goes_on_without_its_words_in_the_trace() -> None:
    kept = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(kept), service="protenders", version="0")
    with pytest.raises(ValueError, match=SECRET), tracing.step(attempt()):
        raise ValueError(SECRET)
    [span] = kept.get_finished_spans()
    assert not span.status.is_ok
    assert SECRET not in span.to_json()


def test_without_an_endpoint_nothing_is_made_or_imported() -> None:
    assert extras.tracing(Settings(_env_file=None)) is None
    script = "import sys, app.server; print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'sentry'))])"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.strip() == "[]"


def test_an_endpoint_without_the_package_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "app.tracing", None)
    with caplog.at_level(logging.WARNING):
        assert (
            extras.tracing(Settings(_env_file=None, otel_exporter_otlp_endpoint="http://127.0.0.1:9")) is None
        )
    assert "make setup EXTRAS=yes" in caplog.text


def test_a_collector_that_never_answers_does_not_hold_up_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracing = Tracing.exporting(address, "authorization=Bearer x", service="protenders", version="0")
        with tracing.step(attempt()):
            pass
        ending = threading.Thread(target=tracing.close)
        ending.start()
        link, _ = silent.accept()
        with link:
            assert link.recv(4096).startswith(b"POST /v1/traces ")
            until(lambda: not ending.is_alive(), seconds=5, what="the end")
