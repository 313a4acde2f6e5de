"""What the durable engine's pages share: the embedded engine, or the sentence that says who has it instead."""

from __future__ import annotations

import json
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse

from app.pages.templates import page
from app.runtime import Runtime
from engine import Engine


def engine_of(runtime: Runtime) -> Engine:
    """The embedded engine. Raises 409 under an Inngest server, which has these actions itself."""
    if runtime.durable is None:
        raise HTTPException(409, f"Runs are kept by Inngest. Do this there: {place(runtime)}")
    return runtime.durable


def place(runtime: Runtime) -> str:
    """Where the Inngest server's own pages are."""
    settings = runtime.settings
    return settings.inngest_dev or settings.inngest_base_url or "https://app.inngest.com"


def elsewhere(request: Request, runtime: Runtime, title: str) -> HTMLResponse:
    """The page that stands in when an Inngest server keeps runs, functions and events."""
    return page(request, "elsewhere.html", title=title, place=place(runtime))


def decoded(body: bytes | None) -> Any:
    """Stored JSON as a value; what cannot be read is shown as text."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def short(slug: str) -> str:
    """A function's id without its app."""
    return slug.removeprefix("protenders-platform-")
