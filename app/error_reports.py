"""Errors for Sentry, or whatever speaks its protocol: every log line at level error, with its traceback.

The log already says everything once: the final failure of a step with its run and job, a request that ended badly, a
late sync. So a report is a log record that goes one way more, cleaned of secrets like the log itself. The SDK's
integrations stay off: they would send local variables, headers and bodies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import sentry_sdk
from sentry_sdk.transport import Transport
from sentry_sdk.utils import event_from_exception

_BOUND = ("function", "run", "job", "step", "attempt", "kind", "error")
_CLOSE_SECONDS = 1.0


class ErrorReports(logging.Handler):
    """A log handler whose records become reports."""

    def __init__(
        self,
        dsn: str,
        *,
        clean: Callable[[str], str],
        environment: str,
        release: str,
        transport: type[Transport] | None = None,
    ) -> None:
        super().__init__(logging.ERROR)
        self._clean = clean
        self._client = sentry_sdk.Client(
            dsn=dsn,
            environment=environment,
            release=release,
            transport=transport,
            before_send=lambda event, _hint: _cleaned(event, clean),
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record over; it is sent by a thread of the SDK's, and what goes wrong there stays there."""
        if record.name.startswith(("sentry_sdk", "urllib3")):
            return
        try:
            self._client.capture_event(self._event(record))
        except Exception:
            self.handleError(record)

    def _event(self, record: logging.LogRecord) -> Any:
        event: dict[str, Any] = {}
        if record.exc_info and record.exc_info[1] is not None:
            event, _ = event_from_exception(record.exc_info[1], client_options=self._client.options)  # type: ignore[assignment]
        tags = {name: str(getattr(record, name)) for name in _BOUND if hasattr(record, name)}
        event |= {"level": "error", "logger": record.name, "message": record.getMessage(), "tags": tags}
        if "step" in tags:
            # The same step of the same function, failing in the same way, is one issue, whatever the run.
            event["fingerprint"] = [tags.get("function", ""), tags["step"], tags.get("error", "")]
        return event

    def close(self) -> None:
        """Send what is left, for a moment at most."""
        self._client.close(timeout=_CLOSE_SECONDS)
        super().close()


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(item, clean) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, clean) for item in value]
    return value
