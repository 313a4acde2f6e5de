"""The enrichment part of `protenders bench sync`: how many tenders a second one core reads and derives.

Every captured portal row once, in a process that has derived nothing before: no two are the same tender, so that no
cache helps but for what tenders truly share (buyers, domains, words). Counted in CPU time, so that a busy machine does
not change the figure; a second pass over the same rows shows what the caches are worth when a sync sees them again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from app.replay.captures import load
from enrichment.derive import derive
from enrichment.rows import PortalRow, read_row

TARGET = "at least 5,000 tenders a second of CPU time, from the first row on"
NOW = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)


def run() -> dict[str, Any]:
    """The figures of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "app.bench.enriching"], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def as_line(found: dict[str, Any]) -> str:
    return (
        f"enrichment, tenders a second of CPU time: {found['first']:,.0f} at first sight,"
        f" {found['again']:,.0f} seen again, {found['read']:,.0f} rows read ({found['tenders']:,} tenders)"
    )


def measure() -> dict[str, Any]:
    """Tenders a second of CPU time: rows read, derived at first sight (tables and dictionary loaded meanwhile), and
    derived again.
    """
    raw = [orjson.loads(template.row) for template in load([]).templates.values() if template.row]
    rows: list[PortalRow] = []
    read = _cpu(lambda: rows.extend(map(read_row, raw)))
    first = _cpu(lambda: _derive(rows))
    again = _cpu(lambda: _derive(rows))
    return {
        "tenders": len(rows),
        "read": len(rows) / read,
        "first": len(rows) / first,
        "again": len(rows) / again,
    }


def _derive(rows: list[PortalRow]) -> None:
    for row in rows:
        derive(None, row, now=NOW)


def _cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()))
