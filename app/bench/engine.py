"""`protenders bench engine`: the embedded engine's speed, beside DBOS on the same shapes and PostgreSQL.

PostgreSQL is durable (`synchronous_commit` on): the server that PROTENDERS_BENCH_DATABASE_URL names, where
databases may be created, or an embedded one of the benchmark's own. DBOS runs in this Python if it is installed
(group `bench`), or in the one that PROTENDERS_BENCH_PYTHON names; without either its column stays empty.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
import uvloop
from sqlalchemy.pool import NullPool

from app.bench.engine_rig import Rig, opened
from app.bench.server import database, server
from db.engine import normalise

RUNS = 200
STEPS = 3
SLEEPERS = 10_000
MEMORY_RUNS = 20_000
STORED = (0, 10_000, 100_000)
TARGETS = {
    "three_async": "at least 3 x DBOS's best",
    "three_sync": "at least 2 x DBOS's best",
    "sequence_100": "at most 0.3 s",
    "parallel_50": "at most 0.2 s",
    "parallel_200": "at most 1.0 s",
}


def run() -> dict[str, Any]:
    """Every figure, in one run on one PostgreSQL."""
    with server() as at:
        with database(at) as url:
            found = uvloop.run(_measure(url))
        found["postgresql"] = _settings_of(at)
        found["dbos"] = _dbos(at)
    found["ratios"] = _ratios(found)
    return found


def _settings_of(at: str) -> dict[str, str]:
    admin = sa.create_engine(at, poolclass=NullPool)
    names = ("server_version", "synchronous_commit", "fsync")
    with admin.connect() as connection:
        found = {name: str(connection.execute(sa.text(f"SHOW {name}")).scalar()) for name in names}
    admin.dispose()
    return found


async def _measure(url: str) -> dict[str, Any]:
    async with opened(url) as rig:
        three = [{"name": "bench/three"} for _ in range(RUNS)]
        await rig.timed(three)
        found: dict[str, Any] = {
            "three_async": await _best(3, lambda: rig.timed(three)),
            "three_sync": await _best(3, lambda: rig.timed([{"name": "bench/three-sync"}] * RUNS)),
            "sequence_100": await _best(3, lambda: rig.timed([_of("sequence", 100)])),
        }
        for width in (50, 200, 500):
            found[f"parallel_{width}"] = await _best(2, partial(rig.timed, [_of("fan", width)]))
        found["steps_per_second_async"] = RUNS * STEPS / found["three_async"]
        found["steps_per_second_sync"] = RUNS * STEPS / found["three_sync"]
        found["event_to_first_step_ms"] = await _latency(rig)
        found["sleepers"] = await _sleepers(rig)
        found["stored"] = await _stored(rig)
        found["memory"] = await _memory(rig)
        return found


def _of(name: str, number: float) -> dict[str, Any]:
    return {"name": f"bench/{name}", "data": {"n": number}}


async def _best(times: int, measure: Callable[[], Awaitable[float]]) -> float:
    return min([await measure() for _ in range(times)])


async def _latency(rig: Rig, samples: int = 300) -> dict[str, float]:
    """From the moment the sender's request goes out, over HTTP, to the first step's body."""
    found: list[float] = []
    async with httpx.AsyncClient(base_url=rig.url) as http:
        for number in range(-20, samples):
            sent = time.perf_counter()
            await http.post("/e/bench", json=_of("first", number))

            async def started(number: int = number) -> bool:
                return number in rig.first_steps

            await rig.until(started, pause=0.0005)
            await rig.until(rig.idle)
            if number >= 0:
                found.append((rig.first_steps[number] - sent) * 1000)
    return _spread(found)


def _spread(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {"p50": cuts[49], "p95": cuts[94], "max": max(values)}


async def _sleepers(rig: Rig) -> dict[str, float]:
    """Ten thousand runs asleep until the same moment: how soon after it each goes on."""
    rig.woken.clear()
    until = time.time() + 20
    for first in range(0, SLEEPERS, 1000):
        events = [{"name": "bench/sleeper", "data": {"until": until}} for _ in range(1000)]
        await rig.engine.send(events)
        del first

    async def asleep() -> bool:
        return await rig.parked() == SLEEPERS or time.time() > until

    await rig.until(asleep, pause=0.05)
    fell_asleep = SLEEPERS if time.time() < until else await rig.parked()

    async def over() -> bool:
        return time.time() > until and await rig.left() == 0

    await rig.until(over, pause=0.02)
    ended = time.time()
    late = [moment - until for moment in rig.woken]
    return {
        "runs": len(late),
        "asleep_in_time": fell_asleep,
        "seconds": ended - until,
        "late_p50": statistics.median(late),
        "late_max": max(late),
        "early": float(sum(1 for each in late if each < 0)),
    }


_FILL = """
INSERT INTO engine.events (id, name, body, received_at)
SELECT lpad(upper(to_hex(n)), 26, '0'), 'bench/old', '{"name":"bench/old","data":{},"id":"x","ts":1}'::bytea,
  now()
FROM generate_series(%(first)s, %(last)s) n;
INSERT INTO engine.runs (id, function_id, status, cause, event_ids, queued_at, started_at, ended_at, output)
SELECT lpad(upper(to_hex(n)), 26, '0'), (SELECT id FROM engine.functions WHERE slug = 'bench-three'),
  'Completed', 'event', ARRAY[lpad(upper(to_hex(n)), 26, '0')], now(), now(), now(), '3'::bytea
FROM generate_series(%(first)s, %(last)s) n;
INSERT INTO engine.steps
  (run_id, id, name, op, status, attempt, position, queued_at, started_at, ended_at, memo)
SELECT lpad(upper(to_hex(n)), 26, '0'), md5(s::text), s::text, 'StepRun', 'Completed', 0, n * 3 + s, now(),
  now(), now(), '{"data":1}'::bytea
FROM generate_series(%(first)s, %(last)s) n, generate_series(1, 3) s;
ANALYZE engine.events, engine.runs, engine.steps;
"""


async def _stored(rig: Rig) -> dict[str, float]:
    """Steps a second with so many finished runs in the tables; the middle of five."""
    found: dict[str, float] = {}
    have = 0
    for wanted in STORED:
        if wanted > have:
            await rig.execute(_FILL % {"first": have + 1, "last": wanted})
            have = wanted
        await rig.timed([{"name": "bench/three"}] * RUNS)
        times = [await rig.timed([{"name": "bench/three"}] * RUNS) for _ in range(5)]
        found[str(wanted)] = RUNS * STEPS / statistics.median(times)
    return found


async def _memory(rig: Rig) -> dict[str, float]:
    """Resident memory after two thousand runs and after twenty thousand more."""
    batch = [{"name": "bench/three"}] * 1000
    for _ in range(2):
        await rig.timed(batch)
    before = _resident()
    begun = time.perf_counter()
    for _ in range(MEMORY_RUNS // len(batch)):
        await rig.timed(batch)
    seconds = time.perf_counter() - begun
    return {
        "before_mib": before,
        "after_mib": _resident(),
        "runs": MEMORY_RUNS,
        "steps_per_second": MEMORY_RUNS * STEPS / seconds,
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def _dbos(at: str) -> dict[str, float] | None:
    python = os.environ.get("PROTENDERS_BENCH_PYTHON") or (sys.executable if find_spec("dbos") else None)
    if python is None:
        return None
    with database(at, migrated=False) as url:
        plain = normalise(url).set(drivername="postgresql").render_as_string(hide_password=False)
        script = Path(__file__).with_name("engine_dbos.py")
        done = subprocess.run([python, str(script), plain], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"DBOS's part of the benchmark failed: {done.stderr.strip().splitlines()[-1:]}"
        raise RuntimeError(message)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _ratios(found: dict[str, Any]) -> dict[str, float]:
    """How many times DBOS's best each shape is; and what stored runs cost."""
    stored = found["stored"]
    ratios = {"stored_100k_cost": 1 - stored[str(STORED[-1])] / stored[str(STORED[0])]}
    dbos = found["dbos"]
    if dbos is None:
        return ratios
    best = min(dbos["three_async"], dbos["three_sync"])
    ratios["three_async"] = best / found["three_async"]
    ratios["three_sync"] = best / found["three_sync"]
    for name in ("sequence_100", "parallel_50", "parallel_200", "parallel_500"):
        ratios[name] = dbos[name] / found[name]
    return ratios


def as_text(found: dict[str, Any]) -> str:
    """The figures as a table for people."""
    dbos, ratios = found["dbos"] or {}, found["ratios"]
    settings = ", ".join(f"{name} {value}" for name, value in found["postgresql"].items())
    lines = [
        f"engine, on PostgreSQL with {settings}",
        f"{'':24}{'engine':>10}{'DBOS':>10}{'ratio':>8}  target",
    ]
    shapes = ("three_async", "three_sync", "sequence_100", "parallel_50", "parallel_200", "parallel_500")
    for name in shapes:
        other = f"{dbos[name]:8.3f} s" if name in dbos else "-"
        ratio = f"{ratios[name]:6.1f} x" if name in ratios else "-"
        lines.append(f"{name:24}{found[name]:8.3f} s{other:>10}{ratio:>8}  {TARGETS.get(name, '')}")
    latency, sleepers, memory = found["event_to_first_step_ms"], found["sleepers"], found["memory"]
    stored = ", ".join(f"{count}: {rate:.0f}" for count, rate in found["stored"].items())
    rates = (found["steps_per_second_async"], found["steps_per_second_sync"])
    late = (sleepers["runs"], sleepers["seconds"], sleepers["late_p50"])
    p50, p95 = latency["p50"], latency["p95"]
    cost = ratios["stored_100k_cost"]
    grown = (memory["runs"], memory["before_mib"], memory["after_mib"])
    lines += [
        "steps a second: {:.0f} asynchronous, {:.0f} synchronous".format(*rates),
        f"event to first step: p50 {p50:.1f} ms, p95 {p95:.1f} ms (target: 10 ms)",
        "{} sleeping runs woken within {:.1f} s (half within {:.1f} s)".format(*late),
        f"steps a second by stored finished runs: {stored} (cost {cost:.1%}; target under 10 %)",
        "memory over {} runs: {:.0f} to {:.0f} MiB".format(*grown),
    ]
    if not dbos:
        lines.append("DBOS is not installed: install the group `bench`, or set PROTENDERS_BENCH_PYTHON")
    return "\n".join(lines)
