"""Registering an app: read and check every function, then store them all, or refuse the whole."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from engine import ids, reach
from engine.functions import Function, RefusedError, parse
from engine.sql import registering

if TYPE_CHECKING:
    from engine.engine import Engine


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """What registering did. `archived`: functions that the app no longer names; they start no more runs."""

    app_id: str
    sync_id: str
    modified: bool
    archived: list[str] = field(default_factory=list)


def read_functions(appname: str, raw: list[Any]) -> list[Function]:
    """Every function of a registration; raises `RefusedError` that lists all that is wrong."""
    found: list[Function] = []
    faults: list[str] = []
    for one in raw:
        try:
            found.append(parse(appname, one))
        except RefusedError as error:
            faults.append(str(error))
    if faults:
        raise RefusedError("; ".join(faults))
    seen: set[str] = set()
    for function in found:
        if function.slug in seen:
            raise RefusedError(f"function {function.slug} is registered twice")
        seen.add(function.slug)
    return found


async def register(
    engine: Engine,
    appname: str,
    url: str,
    raw: list[Any],
    *,
    sdk: str = "",
    framework: str = "",
    hosts: Collection[str] | None = None,
) -> RegistrationResult:
    """Store the app; raises `RefusedError`, also when `hosts` are given and an address is at none of them."""
    if not appname or "\x00" in appname or len(appname) > 256:
        raise RefusedError("appname must be a text of at most 256 characters")
    functions = read_functions(appname, raw)
    for address in () if hosts is None else {url, *(function.url for function in functions)}:
        fault = reach.refusal(address, hosts or ())
        if fault is not None:
            raise RefusedError(fault)
    now = engine.clock()
    checksum = hashlib.sha256(orjson.dumps([url, raw], option=orjson.OPT_SORT_KEYS)).hexdigest()
    app = {
        "name": appname, "id": ids.app_id(appname), "url": url, "sdk": sdk, "framework": framework,
        "checksum": checksum,
    }  # fmt: skip
    plans = schedules(functions, now)
    modified, archived = await engine.database.run(
        lambda c: registering.register(c, app=app, functions=functions, schedules=plans, now=now),
        "register",
    )
    return RegistrationResult(
        app_id=str(app["id"]), sync_id=str(uuid.uuid4()), modified=modified, archived=archived
    )


def schedules(functions: list[Function], now: datetime) -> list[tuple[uuid.UUID, str, datetime, datetime]]:
    """Each cron trigger's next due time, without and with jitter."""
    found = []
    for function in functions:
        for trigger in function.triggers:
            if trigger.schedule is not None:
                due = trigger.schedule.after(now)
                found.append((function.id, trigger.schedule.text, due, trigger.schedule.jittered(due)))
    return found
