"""`protenders bench sync`: what a whole history costs, and what a routine sync costs on top of it.

Each size runs in a process of its own, so that its memory is its own, against the stand-in in another one. The steps'
bodies are called one after the other: what is measured is our own work, not an engine's.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import sqlalchemy as sa

from app.bench import enriching
from app.bench.server import database, server
from app.loopback import listen, port_of
from app.replay.config import ReplayConfig
from app.replay.server import run as serve_stand_in
from db import coverage, jobs
from db.engine import make_engine
from enrichment.client import PortalClient
from functions import fetching, history_backfill, listing, looking, tender_sync
from functions.enriching import Manner, configure_changes, enrich_batch, save_to_database
from functions.gate import PostgresGate
from functions.listing import Window
from functions.recorder import Json, Step
from functions.resources import Limits, Resources
from ocds.client import OcdsClient

SIZES = (2_000, 20_000, 200_000)
TARGETS = {
    "memory": "within 60 MB of that at 2,000 tenders",
    "time": "200,000 in at most 110 times the time of 2,000",
    "routine": "at most 1 s of CPU time, no release fetched, one look at the bucket",
    "enrichment": enriching.TARGET,
}


def run() -> dict[str, Any]:
    """Every figure, in one run on one PostgreSQL."""
    found: dict[str, Any] = {"targets": TARGETS, "enrichment": enriching.run(), "sizes": {}}
    with server() as at:
        for size in SIZES:
            with _stand_in(size) as base, database(at) as url:
                command = [sys.executable, "-m", "app.bench.sync", str(size), url, base]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                found["sizes"][str(size)] = json.loads(done.stdout)
    return found


def as_text(found: dict[str, Any]) -> str:
    """The figures for people."""
    sizes = found["sizes"]
    least = sizes[min(sizes, key=int)]
    lines = [
        "a whole history, then a routine sync that finds nothing",
        "",
        f"{'tenders':>9} {'seconds':>9} {'a second':>9} {'MB':>6} {'grown':>6} {'routine CPU':>12} {'requests':>9}",
    ]
    for size, each in sizes.items():
        lines.append(
            f"{int(size):>9,} {each['seconds']:>9.1f} {int(size) / each['seconds']:>9.0f} {each['memoryMb']:>6.0f}"
            f" {each['memoryMb'] - least['memoryMb']:>6.0f} {each['routineCpuSeconds']:>10.2f} s"
            f" {each['routineRequests']:>9}"
        )
    return "\n".join(
        [
            *lines,
            "",
            enriching.as_line(found["enrichment"]),
            "",
            *(f"to reach: {name}: {target}" for name, target in found["targets"].items()),
        ]
    )


@contextmanager
def _stand_in(size: int) -> Iterator[str]:
    with listen("127.0.0.1", 0) as listening:
        port = port_of(listening)
    config = {"synthetic": size, "time_scale": 0.0}
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(config, port), daemon=True)
    process.start()
    base = f"http://127.0.0.1:{port}"
    try:
        while process.is_alive():
            try:
                httpx.get(f"{base}/__replay__/traffic", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield base
    finally:
        process.terminate()
        process.join()


def _serve(config: dict[str, Any], port: int) -> None:
    serve_stand_in(ReplayConfig(**config), port=port)


def _measure(size: int, url: str, base: str) -> dict[str, Any]:
    engine = make_engine(url)
    gate = PostgresGate(engine, pause=0.0)
    resources = Resources(
        engine=engine,
        ocds=OcdsClient(base, gate=gate),
        portal=PortalClient(base, gate=gate, delay_ms=0),
        clock=lambda: datetime.now(UTC),
        source="replay",
        limits=Limits(max_enrichment_per_run=20_000, max_release_fetch_per_run=20_000),
    )
    started = time.perf_counter()
    _history(resources, size)
    seconds = time.perf_counter() - started
    memory = _peak_mb()
    _sync(resources, "first")
    _sync(resources, "second")
    asked_before = _asked(engine)
    cpu = time.process_time()
    _sync(resources, "routine")
    cpu = time.process_time() - cpu
    with engine.connect() as conn:
        covered = coverage.summary(conn).to_json()
    return {
        "seconds": seconds,
        "memoryMb": memory,
        "routineCpuSeconds": cpu,
        "routineRequests": _asked(engine) - asked_before,
        "coverage": covered,
    }


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024 / 1024


def _asked(engine: sa.Engine) -> int:
    with engine.connect() as conn:
        return int(
            conn.execute(sa.text("SELECT coalesce(sum(requests), 0) FROM upstream_hosts")).scalar_one()
        )


def _job(resources: Resources, name: str, kind: str) -> Callable[[str, Callable[[Step], Json]], Json]:
    with resources.engine.begin() as conn:
        job_id = jobs.create(
            conn,
            job_id=name,
            type=kind,
            function_id=name,
            run_id=name,
            event_id=None,
            source="replay",
            triggered_by="manual",
            actor=None,
            parameters={},
            now=resources.clock(),
        ).id
    return lambda step, body: body(Step(resources, job_id, name, step, 1))


def _history(resources: Resources, size: int) -> None:
    step = _job(resources, "history", "HISTORY_BACKFILL")
    last = size + size // 53 + 1
    task = {"range": {"first": 1, "last": last}, "total": last}
    at, number = 1, 1
    while True:
        done = step(f"fetch-releases-{number}", partial(history_backfill.fetch_batch, task, at))
        at, number = done["position"], number + 1
        if done["finished"]:
            return


def _sync(resources: Resources, name: str) -> None:
    """The steps of tender-sync, in its order."""
    step = _job(resources, name, "DELTA_SYNC")
    manner = Manner(limit=resources.limits.max_enrichment_per_run)
    span = step("determine-date-range", partial(listing.determine, from_date=None, to_date=None))
    listed: list[Json] = []
    for number, each in enumerate(span["windows"], start=1):
        walk = partial(listing.walk, window=Window.from_json(each))
        listed.append(step(f"fetch-ocds-releases-{number}", walk))
    step("fetch-portal-rows", looking.look_at_bucket)
    number = 1
    while True:
        fetch = partial(fetching.fetch_missing, first=number == 1, budget=20_000)
        if not step(f"fetch-missing-releases-{number}", fetch)["more"]:
            break
        number += 1
    plan = step("configure-enrichment", configure_changes(manner))
    for batch in range(1, plan["batches"] + 1):
        step(f"enrich-tenders-{batch}", enrich_batch(batch, manner))
    step("save-to-database", save_to_database(manner))
    step("update-sync-state", partial(tender_sync.update_sync_state, span, listed))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(int(sys.argv[1]), sys.argv[2], sys.argv[3])))
