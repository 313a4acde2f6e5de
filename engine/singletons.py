"""Singletons: one run of a function, or of a key of it, at a time."""

from __future__ import annotations

from typing import Any

from engine import expressions
from engine.functions import Function
from engine.records import NewRun
from engine.sql import admitting
from engine.sql.applying import Connection


async def take_place(connection: Connection, function: Function, event: Any, run: NewRun) -> str | None:
    """Let the run hold its function's singleton (`run.singleton`); returns the run that held it until now.

    In mode `skip` that one keeps it, and `run` must not be created; in mode `cancel` it is for the caller to end.
    """
    own = function.singleton and expressions.own_key(function.singleton.key, event)
    if function.singleton is None or own is None:
        return None
    key = f"{function.id}|{own}"[:1000]
    holder = await admitting.single(connection, key, run.id)
    if holder != run.id and function.singleton.mode == "skip":
        return holder
    run.singleton = key
    if holder == run.id:
        return None
    await admitting.replace_single(connection, key, run.id)
    return holder
