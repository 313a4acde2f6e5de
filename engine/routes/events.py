"""Taking events in, and reading them."""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Iterator
from email.errors import MessageError
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine.intake import BadEventError, take
from engine.routes.edge import (
    ApiError,
    Edge,
    Route,
    answer,
    body_of,
    clean_id,
    form_object,
    instant_of,
    limit_of,
)
from engine.routes.runs import run_json
from engine.sql import reading
from engine.sql.reading import EventRow

_COPIES_SHOWN = 10
_FORM = "application/x-www-form-urlencoded"
_NOWHERE = "00000000-0000-0000-0000-000000000000"


def event_json(row: EventRow) -> dict[str, Any]:
    """An event as `/v1/events` shows it."""
    body = orjson.loads(row.body)
    shown = {
        "internal_id": row.id, "account_id": _NOWHERE, "environment_id": _NOWHERE, "source": "",
        "source_id": None, "received_at": row.received_at, "id": row.sender_id or row.id, "name": row.name,
        "data": body.get("data"), "ts": body.get("ts"),
    }  # fmt: skip
    for key in ("user", "v"):
        if body.get(key):
            shown[key] = body[key]
    return shown


def _read(body: bytes, content_type: str) -> list[Any]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _FORM:
        return [form_object(body)]
    if kind == "multipart/form-data":
        try:
            return [_multipart(body, content_type)]
        except (MessageError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise BadEventError(f"the form cannot be read: {error}") from None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadEventError(f"the body is not valid JSON: {error}") from None
    return value if isinstance(value, list) else [value]


def _multipart(body: bytes, content_type: str) -> dict[str, Any]:
    """The fields of a multipart form, without its files."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", errors="replace")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    fields: dict[str, Any] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str) and part.get_filename() is None:
            payload = part.get_payload(decode=True)
            fields[name] = payload.decode(errors="replace") if isinstance(payload, bytes) else ""
    return fields


def _from_form(one: Any) -> Any:
    """A form can only say text: its `data` may be JSON, its other fields are the data otherwise."""
    if not isinstance(one, dict):
        return one
    event = dict(one)
    if isinstance(event.get("data"), str):
        try:
            event["data"] = orjson.loads(event["data"])
        except orjson.JSONDecodeError:
            event["data"] = {"data": event["data"]}
    if isinstance(event.get("ts"), str):
        event["ts"] = int(event["ts"]) if event["ts"].isascii() and event["ts"].isdigit() else None
    return event


def routes(edge: Edge) -> Iterator[Route]:
    """`/e/{key}` and `/v1/events…`."""
    engine = edge.engine

    async def send(request: Request) -> Response:
        key = clean_id(request, "key")
        if not engine.config.dev and not edge.event_key_is_known(key):
            raise BadEventError("Event key not found", status=401)
        body = await body_of(request)
        content_type = request.headers.get("content-type", "")
        if content_type.lower().startswith(_FORM) and body.lstrip()[:1] in (b"{", b"["):
            # curl calls whatever it sends a form; no form begins like that
            content_type = ""
        found = _read(body, content_type)
        if "form" in content_type.lower():
            found = [_from_form(one) for one in found]
        ids = await take(engine, found, seed=request.headers.get("x-inngest-event-id-seed"))
        return answer({"ids": ids or [""], "status": 200})

    async def listed(request: Request) -> Response:
        query = request.query_params
        since = instant_of(query.get("received_after"), "received_after")
        until = instant_of(query.get("received_before"), "received_before")
        async with engine.database.connection() as connection:
            rows = await reading.events(
                connection, name=query.get("name"), before=query.get("cursor"), since=since, until=until,
                limit=limit_of(request),
            )  # fmt: skip
        # A sender that repeats an event is shown once for each time, as on Inngest; it is handled once.
        shown = [event_json(row) for row in rows for _ in range(min(row.copies, _COPIES_SHOWN))]
        return answer({"data": shown, "metadata": edge.metadata()})

    async def one(request: Request) -> Response:
        async with engine.database.connection() as connection:
            row = await reading.event(connection, clean_id(request, "id"))
        if row is None:
            raise ApiError(404, "Event not found")
        return answer({"data": event_json(row), "metadata": edge.metadata()})

    async def runs(request: Request) -> Response:
        async with engine.database.connection() as connection:
            rows = await reading.runs_of_event(connection, clean_id(request, "id"))
        return answer({"data": [run_json(row) for row in rows], "metadata": edge.metadata()})

    yield "/e/{key}", ["POST"], edge.open(send)
    yield "/v1/events", ["GET"], edge.keyed(listed)
    yield "/v1/events/{id}", ["GET"], edge.keyed(one)
    yield "/v1/events/{id}/runs", ["GET"], edge.keyed(runs)
