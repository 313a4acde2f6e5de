"""Sending any known event, as the command line does, and finding what it started."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from app import actions
from app.dependencies import Reading, TheCaller, TheRuntime
from db import console
from functions.events import EVENTS

router = APIRouter(prefix="/api/admin/events", tags=["events"])


class NewEvent(BaseModel):
    """An event: its name, its data and, to make a repeat harmless, an id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, WithJsonSchema({"type": "string", "enum": sorted(EVENTS)})] = Field(max_length=512)
    data: dict[str, Any] = Field(default_factory=dict)
    id: str | None = Field(default=None, max_length=200)


@router.post("", status_code=202)
async def send(runtime: TheRuntime, by: TheCaller, event: NewEvent) -> dict[str, Any]:
    """Sends the event to whoever runs the functions."""
    try:
        sent = await actions.send(runtime, by, event.name, event.data, event_id=event.id, action="event.send")
    except actions.ActionRefusedError as refusal:
        raise HTTPException(422, str(refusal)) from refusal
    return {"eventId": sent.id}


@router.get("/{event_id}/jobs")
def started(connection: Reading, event_id: str) -> dict[str, Any]:
    """The jobs that an event started."""
    return {
        "jobs": [{"id": row.id, "status": row.status} for row in console.jobs_of_event(connection, event_id)]
    }
