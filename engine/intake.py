"""Taking events in: what is refused and with which words, their ids, their runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import orjson

from engine import ids, system_events
from engine.records import Accept, NewEvent
from engine.room import launch_created
from engine.routing import route

if TYPE_CHECKING:
    from engine.engine import Engine

MAX_EVENTS = 5_000
MAX_EVENT_BYTES = 3 * 1024 * 1024
MAX_NAME = 512
MAX_ID = 1024
_MAX_TS = 253_402_300_799_999


class BadEventError(ValueError):
    """An event that is refused, with the status to answer and the ids of those that were taken."""

    def __init__(self, message: str, *, status: int = 400, ids: list[str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.ids = ids or [""]


def _name(name: object) -> str:
    if name is None or name == "":
        raise BadEventError("event name is empty")
    if not isinstance(name, str) or "\x00" in name:
        raise BadEventError("event name must be a string")
    if name.startswith(system_events.PREFIX):
        raise BadEventError(f"event name is reserved for internal use: {name}")
    if len(name) > MAX_NAME:
        raise BadEventError(f"event name is longer than {MAX_NAME} characters")
    return name


def read_event(raw: object, event_id: str, now: datetime) -> tuple[NewEvent, dict[str, Any]]:
    """One event as it is stored and as expressions see it; raises `BadEventError`."""
    if not isinstance(raw, dict):
        raise BadEventError("an event must be a JSON object")
    source = cast("dict[str, Any]", raw)
    name, data = _name(source.get("name")), source.get("data")
    if data is not None and not isinstance(data, dict):
        raise BadEventError("event data must be an object")
    sender_id, ts, user, version = (source.get(key) for key in ("id", "ts", "user", "v"))
    if sender_id is not None and (not isinstance(sender_id, str) or "\x00" in sender_id):
        raise BadEventError("event id must be a string")
    if sender_id is not None and len(sender_id) > MAX_ID:
        raise BadEventError(f"event id is longer than {MAX_ID} characters")
    if ts is not None and (isinstance(ts, bool) or not isinstance(ts, int | float)):
        raise BadEventError("event ts must be a number of milliseconds")
    if user is not None and not isinstance(user, dict):
        raise BadEventError("event user must be an object")
    stamp = int(ts) if ts and 0 < ts <= _MAX_TS else int(now.timestamp() * 1000)
    event: dict[str, Any] = {
        "data": data or {}, "id": sender_id or event_id, "name": name, "ts": stamp, "user": user or {}
    }  # fmt: skip
    if version is not None:
        event["v"] = str(version)
    try:
        body = orjson.dumps(event)
    except orjson.JSONEncodeError as error:
        raise BadEventError(f"the event cannot be stored: {error}") from None
    if len(body) > MAX_EVENT_BYTES:
        raise BadEventError(
            f"Event is over the max size: Max {MAX_EVENT_BYTES} bytes / Size {len(body)} bytes"
        )
    return NewEvent(id=event_id, name=name, body=body, received_at=now, sender_id=sender_id or None), event


async def take(engine: Engine, raw: list[Any], *, seed: str | None = None) -> list[str]:
    """Store events and start their runs, all or none; returns ids after the commit."""
    if len(raw) > MAX_EVENTS:
        raise BadEventError(f"too many events in one request: {len(raw)}; at most {MAX_EVENTS} are taken")
    now = engine.clock()
    stamp = int(now.timestamp() * 1000)
    given = ids.seeded(seed, len(raw)) if seed else None
    event_ids = given or [ids.ulid(stamp) for _ in raw]
    read = [read_event(one, event_id, now) for one, event_id in zip(raw, event_ids, strict=True)]
    accept = Accept()
    for event, decoded in read:
        routed = route(engine.registry, event, now, claim=engine.try_claim, data=decoded)
        accept.events += routed.events
        accept.runs += routed.runs
        accept.intents += routed.intents
    created: set[str] = set()
    try:
        created = (await engine.writer.write(accept)).created
    finally:
        launch_created(engine, accept, created)
    if engine.config.on_accept is not None:
        engine.config.on_accept([(event.sender_id or event.id, event.name) for event, _ in read])
    return event_ids
