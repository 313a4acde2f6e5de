"""The engine benchmark's shapes on DBOS: a program of its own, so that it may run in another environment.

`python engine_dbos.py DATABASE_URL` prints one JSON object, seconds by shape. It imports nothing of ours.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from dbos import DBOS, DBOSConfig

RUNS = 200


@DBOS.step()
async def step(number: int) -> int:
    return number + 1


@DBOS.step()
def step_sync(number: int) -> int:
    return number + 1


@DBOS.workflow()
async def three(number: int) -> int:
    for _ in range(3):
        number = await step(number)
    return number


@DBOS.workflow()
def three_sync(number: int) -> int:
    for _ in range(3):
        number = step_sync(number)
    return number


@DBOS.workflow()
async def sequence(length: int) -> int:
    number = 0
    for _ in range(length):
        number = await step(number)
    return number


@DBOS.workflow()
async def fan(width: int) -> int:
    return sum(await asyncio.gather(*(step(number) for number in range(width))))


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def many(workflow: Any) -> None:
    handles = await asyncio.gather(*(DBOS.start_workflow_async(workflow, number) for number in range(RUNS)))
    await asyncio.gather(*(handle.get_result() for handle in handles))


async def many_sync() -> None:
    handles = [await asyncio.to_thread(DBOS.start_workflow, three_sync, number) for number in range(RUNS)]
    await asyncio.gather(*(asyncio.to_thread(handle.get_result) for handle in handles))


async def measure() -> dict[str, float]:
    await many(three)
    found = {
        "three_async": min([await timed(lambda: many(three)) for _ in range(3)]),
        "three_sync": min([await timed(many_sync) for _ in range(3)]),
        "sequence_100": min([await timed(lambda: sequence(100)) for _ in range(3)]),
    }
    for width in (50, 200, 500):
        found[f"parallel_{width}"] = min([await timed(partial(fan, width)) for _ in range(2)])
    return found


def main() -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": sys.argv[1],
        "log_level": "ERROR",
        "run_admin_server": False,
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        found = asyncio.run(measure())
    finally:
        DBOS.destroy()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
