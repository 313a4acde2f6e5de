"""The predecessor's cron routes, kept for callers that still use them. Send the event instead."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from app import actions
from app.auth.protection import Actor, client_address
from app.dependencies import TheRuntime

log = logging.getLogger("protenders.cron")

router = APIRouter(prefix="/api/cron", tags=["deprecated"])

_HEADERS = {
    "Deprecation": "@1796083200",
    "Sunset": "Wed, 30 Jun 2027 22:00:00 GMT",
    "Link": '</docs#deprecated>; rel="deprecation", </api/inngest>; rel="successor-version"',
}
_CALLER = Actor(name="cron secret", role="admin", via="token")


@router.post("/sync", status_code=202, deprecated=True)
async def sync(request: Request, runtime: TheRuntime) -> JSONResponse:
    """Asks for a sync. Deprecated: send `tender/sync.requested`."""
    return await _answer(request, runtime, actions.SYNC, {"triggeredBy": "cron", "requireEnrichment": True})


@router.post("/alerts-run", status_code=202, deprecated=True)
async def alerts(request: Request, runtime: TheRuntime) -> JSONResponse:
    """Asks for the alerts. Deprecated: send `tender/alerts.requested`."""
    return await _answer(request, runtime, "tender/alerts.requested", {})


async def _answer(request: Request, runtime: TheRuntime, name: str, data: dict[str, Any]) -> JSONResponse:
    address = client_address(request)
    log.warning(
        "the deprecated route %s was used from %s; send the event %s instead", request.url.path, address, name
    )
    by = actions.By(actor=_CALLER, ip=address)
    sent = await actions.send(runtime, by, name, data, action="cron.deprecated-route")
    return JSONResponse({"eventId": sent.id}, status_code=202, headers=_HEADERS)
