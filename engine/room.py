"""What drivers and intake need of the engine they work in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from engine.config import EngineConfig
from engine.functions import Function
from engine.records import OWNED, Accept, NewRun
from engine.registry import Registry
from engine.sql.queueing import Claimed, StepRow
from engine.transport import Transport
from engine.writer import Writer


class Room(Protocol):
    """What a driver needs of its engine."""

    config: EngineConfig
    writer: Writer
    transport: Transport
    clock: Callable[[], datetime]
    calls: asyncio.Semaphore

    @property
    def registry(self) -> Registry: ...

    def try_claim(self) -> bool: ...

    def unclaim(self) -> None: ...

    def launch(self, run: NewRun, function: Function, events: list[bytes]) -> None: ...

    def expect(self, at: datetime) -> None: ...

    async def news(self, claimed: Claimed) -> list[StepRow] | None: ...

    async def take_more(self, claimed: Claimed, wanted: int) -> int: ...

    async def shrink(self, claimed: Claimed) -> None: ...


def launch_created(room: Room, accept: Accept, created: set[str]) -> None:
    """Start driving those runs of an accepted event that were claimed for this process."""
    bodies = {event.id: event.body for event in accept.events}
    for run in accept.runs:
        if run.state != OWNED:
            continue
        function = room.registry.by_id.get(run.function_id)
        if run.id in created and function is not None:
            room.launch(run, function, [bodies[event_id] for event_id in run.event_ids])
        else:
            room.unclaim()
