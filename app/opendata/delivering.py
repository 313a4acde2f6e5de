"""Answers that a client need not fetch twice: ETag, Last-Modified, 304."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

CACHE = "public, max-age=30"


def answer(
    request: Request,
    body: Any,
    *,
    changed: datetime | None,
    next_url: str | None = None,
    media_type: str = "application/json",
) -> Response:
    """The body as JSON, or 304 when the client has it. `changed` is when what it shows last changed."""
    content = orjson.dumps(body)
    headers = validators(f'"{hashlib.sha256(content).hexdigest()[:32]}"', changed)
    if next_url is not None:
        headers["Link"] = f'<{next_url}>; rel="next"'
    if is_current(request, headers):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def validators(etag: str, changed: datetime | None) -> dict[str, str]:
    """The headers by which a client asks again."""
    headers = {"ETag": etag, "Cache-Control": CACHE}
    if changed is not None:
        headers["Last-Modified"] = format_datetime(changed.astimezone(UTC), usegmt=True)
    return headers


def weak_tag(*parts: object) -> str:
    """A tag for what is streamed: the same parts stand for the same tenders, if not the same bytes."""
    return f'W/"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def is_current(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the client's copy is this one: by its tag, or by its time where it sends no tag (RFC 9110, 13.2.2)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        asked = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return "*" in asked or headers["ETag"].removeprefix("W/") in asked
    since, changed = request.headers.get("if-modified-since"), headers.get("Last-Modified")
    if since is None or changed is None:
        return False
    try:
        return parsedate_to_datetime(changed) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False
