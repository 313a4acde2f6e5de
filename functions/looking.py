"""Looking at a bucket of the portal: one whole snapshot, judged before it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from db import jobs, portal_rows
from db.portal_rows import BucketRow, Snapshot
from enrichment.client import PUBLISHED
from enrichment.rows import read_row
from functions.recorder import Json, Step
from ocds.dates import day_of
from ocds.errors import DataError

_CHUNK = 500
_LEAST_SHARE = 0.6
_STEADY_LOOKS = 4
_STEADY_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a bucket showed."""

    rows: int
    rejected: int
    newest: date | None
    oldest: date | None


def judge(look: Look, last: Snapshot | None, doubted: Sequence[int], *, today: date) -> str | None:
    """Why this look at a bucket is not to be believed, or None. Pure.

    A bucket that stays small for a day, look after look, has really become small.
    """
    total = look.rows + look.rejected
    if look.rejected and look.rejected * 5 > total:
        return f"{look.rejected} of {total} rows could not be read"
    if look.oldest is not None and look.oldest > today + timedelta(days=1):
        return "every row is dated in the future"
    if last is not None and look.rows < last.row_count * _LEAST_SHARE:
        steady = [count for count in doubted if abs(count - look.rows) <= max(5, look.rows // 10)]
        if look.rows == 0 or len(steady) < _STEADY_LOOKS:
            return f"the bucket shows {look.rows} rows after {last.row_count}"
    return None


def look_at_bucket(step: Step, bucket: int = PUBLISHED) -> Json:
    """Read a bucket as it streams in, stage what changed of it, judge it, and settle it."""
    resources, job_id = step.resources, step.job_id
    shown: list[int] = []
    days: list[date] = []
    rejected = changed = 0
    for raws in _chunks(resources.portal.bucket(bucket), _CHUNK):
        if step.beat():
            step.progress(phase="portal rows read", done=len(shown))
        rows, bad = _read(raws)
        rejected += bad
        shown += [row.n for row in rows]
        days += [row.published_on for row in rows if row.published_on is not None]
        days = [min(days), max(days)] if days else []
        with resources.engine.begin() as conn:
            portal_rows.stage(conn, job_id, bucket, rows)
    now = resources.clock()
    shown = sorted(set(shown))
    look = Look(len(shown), rejected, max(days, default=None), min(days, default=None))
    with resources.engine.begin() as conn:
        last = portal_rows.last_accepted(conn, bucket)
        doubted = portal_rows.doubted_counts(conn, bucket, since=_since(now, last))
        doubt = judge(look, last, doubted, today=day_of(now))
        changed = portal_rows.settle(
            conn,
            job_id,
            bucket,
            shown=shown,
            rejected=rejected,
            accepted=doubt is None,
            reason=doubt,
            now=now,
        )
        jobs.add_metadata(conn, job_id, {"portalRows": len(shown), "portalRowsChanged": changed})
    return {"rows": len(shown), "changed": changed, "rejected": rejected, "problem": doubt}


def _since(now: datetime, last: Snapshot | None) -> datetime:
    """Doubted looks count as steady only when they began after the last believed one, a day ago or longer."""
    return now if last is None or now - last.fetched_at < _STEADY_FOR else last.fetched_at


def _read(raws: Sequence[Any]) -> tuple[list[BucketRow], int]:
    rows: list[BucketRow] = []
    bad = 0
    for raw in raws:
        try:
            row = read_row(raw)
        except DataError:
            bad += 1
            continue
        rows.append(BucketRow(row.number, row.ocid, row.hash, row.published_on, raw))
    return rows, bad


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk
