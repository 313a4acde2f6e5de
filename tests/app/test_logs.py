"""Log lines: for people and for machines, without secrets."""

from __future__ import annotations

import io
import json
import logging

import pytest

from app.logs import ConsoleFormatter, JsonFormatter, SecretFilter


def line(formatter: logging.Formatter, secrets: list[str], *args: object, **options: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(SecretFilter(secrets))
    logger = logging.Logger("protenders.test")  # noqa: LOG001 - one of its own
    logger.addHandler(handler)
    logger.error(*args, **options)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), JsonFormatter()])
def test_a_secret_never_reaches_a_line(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("cannot log in with hunter2-secret")
    except ValueError:
        text = line(
            formatter,
            ["hunter2-secret"],
            "sent %s",
            "hunter2-secret",
            exc_info=True,
            extra={"key": "hunter2-secret"},
        )
    assert "hunter2" not in text
    assert text.count("[secret]") >= 3


def test_a_json_line_is_one_object_with_its_bound_fields() -> None:
    parsed = json.loads(
        line(JsonFormatter(), [], "step %s ended", "fetch", extra={"run": "r1", "attempt": 2})
    )
    assert parsed["message"] == "step fetch ended"
    assert (parsed["level"], parsed["run"], parsed["attempt"]) == ("error", "r1", 2)
    assert parsed["time"].endswith("+00:00")


def test_a_line_break_in_a_message_stays_inside_its_json_line() -> None:
    assert line(JsonFormatter(), [], "two\nlines").count("\n") == 1
