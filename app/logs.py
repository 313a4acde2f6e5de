"""Logging: one line per record, for people (console) or for machines (JSON), never with a secret in it.

Fields handed over with `extra={…}` (run, function, step, attempt, job, …) are bound to the line in both formats.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_MASK = "[secret]"


class SecretFilter(logging.Filter):
    """Replaces every known secret's value by a mask, in the message, its arguments and the traceback."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """`text` without any secret's value."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Cleans the record in place; every record passes."""
        if not self._secrets:
            return True
        record.msg, record.args = self.clean(record.getMessage()), None
        if record.exc_info:
            record.exc_text = self.clean(logging.Formatter().formatException(record.exc_info))
        for name, value in _fields(record).items():
            if isinstance(value, str):
                setattr(record, name, self.clean(value))
        return True


class ConsoleFormatter(logging.Formatter):
    """`19:08:33 INFO  protenders.server  message  key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows on lines of its own."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = "".join(f"  {name}={value}" for name, value in _fields(record).items())
        return f"{moment} {record.levelname:<7} {record.name}  {record.getMessage()}{fields}{_trace(self, record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, the bound fields, `traceback` on errors."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, as compact JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        trace = _trace(self, record)
        if trace:
            line["traceback"] = trace.strip()
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str, style: Literal["console", "json"], secrets: Iterable[str] = ()) -> None:
    """Sends all logging to stderr in the given style, Python's warnings and what ends the process as well. Calling it
    again replaces the earlier set-up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else ConsoleFormatter())
    handler.addFilter(SecretFilter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(floor, logging.getLevelName(level)))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        noisy = logging.getLogger(name)
        noisy.handlers.clear()
        noisy.propagate = True
    logging.captureWarnings(True)
    sys.excepthook = _fatal


def _fatal(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody caught ends the process; its traceback is a record like any other, without a secret."""
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("protenders").critical(
        "ended by an error that nobody caught", exc_info=(kind, problem, trace)
    )


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    return f"\n{record.exc_text}" if record.exc_text else ""


_QUIET = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "asyncio": logging.WARNING,
    "alembic": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
