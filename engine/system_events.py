"""The events that the engine itself sends about runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from engine import ids, records
from engine.records import NewEvent

# Names that begin so are the engine's own: nobody else may send them.
PREFIX = "inngest/"
FAILED = "inngest/function.failed"
FINISHED = "inngest/function.finished"
CANCELLED = "inngest/function.cancelled"
INVOKED = "inngest/function.invoked"
TIMER = "inngest/scheduled.timer"
CANCEL_ERROR = {"error": "function cancelled", "name": "FunctionCancelled", "message": "function cancelled"}


def event_body(event_id: str, name: str, data: bytes, ts: int) -> bytes:
    """An event as functions receive it, around already encoded data."""
    return b'{"data":%b,"id":%b,"name":%b,"ts":%d,"user":{}}' % (
        data,
        orjson.dumps(event_id),
        orjson.dumps(name),
        ts,
    )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def make(name: str, data: bytes, now: datetime, *, event_id: str | None = None) -> NewEvent:
    """A system event with its own ULID, or the given id."""
    found = event_id or ids.ulid(_ms(now))
    return NewEvent(id=found, name=name, body=event_body(found, name, data, _ms(now)), received_at=now)


def about_run(
    name: str,
    *,
    slug: str,
    run_id: str,
    events: Sequence[bytes],
    status: str,
    now: datetime,
    result: bytes = b"null",
    error: Mapping[str, Any] | None = None,
    event_id: str | None = None,
) -> NewEvent:
    """`inngest/function.failed`, `.finished` or `.cancelled` of a run."""
    parts = [b'"_inngest":{"status":"%b"}' % status.encode()]
    if error is not None:
        parts.append(b'"error":%b' % orjson.dumps(dict(error)))
    parts.append(b'"event":%b,"events":[%b]' % (events[0], b",".join(events)))
    parts.append(b'"function_id":%b' % orjson.dumps(slug))
    parts.append(b'"result":%b,"run_id":"%b"' % (result, run_id.encode()))
    return make(name, b"{" + b",".join(parts) + b"}", now, event_id=event_id)


def invoked(
    data: Any,
    *,
    slug: str,
    run_id: str,
    step_id: str,
    step_name: str,
    source_app_id: str,
    source_fn_id: str,
    expire: datetime,
    now: datetime,
    version: str | None,
) -> NewEvent:
    """`inngest/function.invoked`: the callee's trigger, with the way back to the caller."""
    payload = dict(data) if isinstance(data, dict) else {}
    payload["_inngest"] = {
        "correlation_id": f"{run_id}.{step_id}",
        "expire": _ms(expire),
        "fn_id": slug,
        "gid": step_id,
        "name": step_name,
        "source_app_id": source_app_id,
        "source_fn_id": source_fn_id,
        "source_fn_v": 1,
    }
    event = make(INVOKED, orjson.dumps(payload), now)
    if version is not None:
        decoded = orjson.loads(event.body)
        decoded["v"] = version
        event.body = orjson.dumps(decoded)
    return event


def about_end(
    slug: str,
    run_id: str,
    events: list[bytes],
    status: str,
    output: bytes,
    error: dict[str, Any] | None,
    now: datetime,
) -> list[NewEvent]:
    """The system events about a run's end."""
    found = []
    if error is not None:
        name = FAILED if status == records.FAILED else CANCELLED
        found.append(
            about_run(
                name, slug=slug, run_id=run_id, events=events, status=status, now=now, result=output,
                error=error, event_id=run_id if status == records.FAILED else None,
            )
        )  # fmt: skip
    found.append(
        about_run(
            FINISHED, slug=slug, run_id=run_id, events=events, status=status, now=now,
            result=output, error=error,
        )
    )  # fmt: skip
    return found
