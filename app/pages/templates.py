"""Rendering: the Jinja environment, its filters, and what every page is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from app import words
from app.auth.protection import Actor
from app.pages.messages import MESSAGES
from app.runtime import Runtime, utc_now

_ROOT = Path(__file__).resolve().parent.parent

NAVIGATION = (
    ("/admin", "Overview"),
    ("/admin/jobs", "Jobs"),
    ("/admin/runs", "Runs"),
    ("/admin/functions", "Functions"),
    ("/admin/events", "Events"),
    ("/admin/tenders", "Tenders"),
    ("/admin/searches", "Searches"),
    ("/admin/coverage", "Coverage"),
    ("/admin/enrichment", "Enrichment"),
    ("/admin/users", "Users"),
    ("/admin/audit", "Audit"),
)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ROOT / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        instant=words.instant,
        day=words.day,
        number=words.number,
        duration=words.duration,
        state=words.state,
        progress_text=words.progress_text,
        progress_share=words.progress_share,
        relative=words.relative,
        since=words.since,
        as_datetime=as_datetime,
        pretty=pretty,
    )
    environment.globals.update(asset=asset, link=link, navigation=NAVIGATION)
    return environment


def pretty(value: Any) -> str:
    """JSON for reading."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


@cache
def asset(name: str) -> str:
    """The address of a static file, new with every content."""
    digest = hashlib.sha256((_ROOT / "static" / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def link(path: str, parameters: Mapping[str, Any] | None = None, /, **changes: Any) -> str:
    """`path` with the parameters and changes that have a value as its query."""
    merged = {**(parameters or {}), **changes}
    query = urlencode({name: value for name, value in merged.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """A rendered page."""
    runtime: Runtime | None = getattr(request.app.state, "runtime", None)
    actor: Actor | None = getattr(request.state, "actor", None)
    html = (
        _environment()
        .get_template(template)
        .render(
            request=request,
            path=request.url.path,
            actor=actor,
            csrf=actor.csrf if actor else "",
            may_change=actor is not None and actor.is_admin,
            source=runtime.source if runtime else None,
            embedded=runtime is not None and runtime.durable is not None,
            now=runtime.clock() if runtime else utc_now(),
            message=MESSAGES.get(request.query_params.get("done", "")),
            **context,
        )
    )
    return HTMLResponse(html, status_code=status, headers=dict(headers or {}))


def error_page(
    request: Request, status: int, message: str, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """The page of an error: what happened, and the way back."""
    return page(request, "error.html", status=status, headers=headers, status_code=status, text=message)


def as_datetime(value: str | None) -> datetime | None:
    """An ISO instant as the job JSON has it."""
    return datetime.fromisoformat(value) if value else None
