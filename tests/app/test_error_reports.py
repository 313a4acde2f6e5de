"""Error reports: what the log says at level error, with its traceback and its run, and never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from app import logs
from app.error_reports import ErrorReports

SECRET = "a-secret-that-no-report-may-have"


class Kept(Transport):
    """Keeps the events instead of sending them."""

    events: list[dict[str, Any]]

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        assert event is not None
        type(self).events.append(json.loads(json.dumps(event, default=str)))


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger whose errors are reported."""
    Kept.events = []
    reports = ErrorReports(
        "https://key@errors.example/1",
        clean=logs.SecretFilter([SECRET]).clean,
        environment="test",
        release="protenders@0",
        transport=Kept,
    )
    found = logging.Logger("protenders.test")  # noqa: LOG001 - one of its own
    found.addHandler(reports)
    yield found
    reports.close()


def raised(logger: logging.Logger) -> None:
    password = SECRET
    try:
        raise ValueError(f"cannot log in with {password}")
    except ValueError:
        logger.exception("unexpected error at GET /admin?token=%s", SECRET, extra={"note": SECRET})


def test_an_error_is_reported_with_its_traceback_and_no_secret(logger: logging.Logger) -> None:
    raised(logger)
    [event] = Kept.events
    [problem] = event["exception"]["values"]
    assert problem["type"] == "ValueError"
    assert problem["stacktrace"]["frames"][-1]["function"] == "raised"
    text = json.dumps(event)
    assert SECRET not in text
    assert "[secret]" in text
    assert '"vars"' not in text


def test_a_step_that_failed_for_good_is_one_issue_with_its_run_and_job(logger: logging.Logger) -> None:
    for run in ("01A", "01B"):
        bound = {
            "function": "tender-sync",
            "run": run,
            "job": "01J",
            "step": "fetch",
            "error": "UpstreamError",
        }
        logger.error("step failed: HTTP 503", extra=bound)
    first, second = Kept.events
    assert first["tags"]["run"] == "01A"
    assert first["tags"]["job"] == "01J"
    assert first["fingerprint"] == second["fingerprint"] == ["tender-sync", "fetch", "UpstreamError"]


def test_what_is_no_error_is_not_reported(logger: logging.Logger) -> None:
    logger.warning("step retrying: HTTP 503")
    logger.info("step done")
    assert Kept.events == []


def test_a_report_that_cannot_be_sent_harms_nobody(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(Kept, "capture_envelope", refuse)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    raised(logger)
