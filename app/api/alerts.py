"""The link at the foot of an alert's mail: it stops that search's mails, without a login."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from app import unsubscribing
from app.dependencies import TheRuntime
from app.pages.templates import page
from app.runtime import Runtime
from db import audit, saved_searches

router = APIRouter(prefix="/unsubscribe", include_in_schema=False)

Token = Annotated[str, Path(max_length=500)]


@router.get("/{token}")
def ask(request: Request, runtime: TheRuntime, token: Token) -> HTMLResponse:
    """Asks first: programs that look into mails follow links, and must not stop anything by that."""
    return _answer(request, runtime, token, stop=False)


@router.post("/{token}")
def stop(request: Request, runtime: TheRuntime, token: Token) -> HTMLResponse:
    """Stops the mails: the page's button, or the one click of a mail program (RFC 8058)."""
    return _answer(request, runtime, token, stop=True)


def _answer(request: Request, runtime: Runtime, token: str, *, stop: bool) -> HTMLResponse:
    search_id = unsubscribing.search_of(runtime.settings, token)
    search = None
    if search_id is not None:
        with runtime.engine.begin() as connection:
            search = saved_searches.get(connection, search_id)
            if search is not None and stop and search.is_active:
                now = runtime.clock()
                saved_searches.unsubscribe(connection, search.id, now=now)
                audit.record(
                    connection, actor="a mail's link", action="search.unsubscribe", target=search.id, now=now
                )
    return page(
        request,
        "unsubscribe.html",
        status=200 if search is not None else 404,
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
        search=search,
        stopped=search is not None and (stop or not search.is_active),
    )
