"""The stream of changes that live pages listen to."""

from __future__ import annotations

import json

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from app.dependencies import TheRuntime
from app.live import MAX_VIEWERS, event_stream

router = APIRouter(include_in_schema=False)


@router.get("/admin/live")
async def live(runtime: TheRuntime) -> StreamingResponse:
    """Server-sent events: the ids of jobs that moved."""
    ticker = runtime.ticker
    if ticker.full:
        raise HTTPException(503, f"{MAX_VIEWERS} live connections are open; reload by hand for now.")
    body = event_stream(ticker.changes(), lambda moved: json.dumps(sorted(moved)))
    return StreamingResponse(body, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
