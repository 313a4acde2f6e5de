"""Looking at a bucket of the portal: one whole snapshot, judged before it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any

from db import jobs, portal_rows
from db.portal_rows import BucketRow, Snapshot
from enrichment.client import PUBLISHED
from enrichment.rows import read_row
from functions.recorder import Json, Step
from ocds.dates import day_of
from ocds.errors import DataError, UpstreamError

_CHUNK = 500
_LEAST_SHARE = 0.6
# A bucket that shows less than this share of the last one is asked once more how many rows it has.
_USUAL_SHARE = 0.9
_MOST_EARLY = 0.15
_STEADY_LOOKS = 4
_STEADY_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a bucket showed.

    `counted` is how many rows the portal says that the bucket has, where it was asked and answered. `left_early` counts
    the rows that are gone although their tender's closing time lies ahead.
    """

    rows: int
    rejected: int
    newest: date | None
    oldest: date | None
    counted: int | None = None
    left_early: int = 0


def judge(look: Look, last: Snapshot | None, doubted: Sequence[int], *, today: date) -> str | None:
    """Why this look at a bucket is not to be believed, or None. Pure.

    A bucket that stays small for a day, look after look, has really become small: `doubted` are the sizes of the looks
    that were doubted since the last believed one, none where that began less than a day ago.
    """
    total = look.rows + look.rejected
    if look.rejected and look.rejected * 5 > total:
        return f"{look.rejected} of {total} rows could not be read"
    if look.oldest is not None and look.oldest > today + timedelta(days=1):
        return "every row is dated in the future"
    steady = [count for count in doubted if abs(count - look.rows) <= max(5, look.rows // 10)]
    if look.rows and len(steady) >= _STEADY_LOOKS:
        return None
    return _shrunk(look, last)


def _shrunk(look: Look, last: Snapshot | None) -> str | None:
    """Why this look shows too little, or None."""
    if last is not None and look.rows < last.row_count * _LEAST_SHARE:
        return f"the bucket shows {look.rows} rows after {last.row_count}"
    if look.counted is not None and look.rows < look.counted - max(5, look.counted // 10):
        return f"the bucket shows {look.rows} rows where the portal counts {look.counted}"
    if last is None and look.rows == 0 and look.counted is None:
        return "the bucket is empty"
    if last is not None and look.left_early > max(20, int(last.row_count * _MOST_EARLY)):
        return f"{look.left_early} tenders left the bucket before their closing time"
    return None


def look_at_bucket(step: Step, bucket: int = PUBLISHED) -> Json:
    """Read a bucket as it streams in, stage what changed of it, judge it, and settle it."""
    resources, job_id = step.resources, step.job_id
    shown: set[int] = set()
    days: list[date] = []
    rejected = changed = 0
    for raws in _chunks(resources.portal.bucket(bucket), _CHUNK):
        if step.beat():
            step.progress(phase="portal rows read", done=len(shown))
        rows, bad = _read(raws)
        rejected += bad
        # Of a row that is shown again in another form the first counts: they would replace each other at every look.
        rows = [row for row in rows if row.n not in shown]
        shown |= {row.n for row in rows}
        days += [row.published_on for row in rows if row.published_on is not None]
        days = [min(days), max(days)] if days else []
        with resources.engine.begin() as conn:
            portal_rows.stage(conn, job_id, bucket, rows)
    with resources.engine.begin() as conn:
        last = portal_rows.last_accepted(conn, bucket)
    counted = None
    if last is None or len(shown) < last.row_count * _USUAL_SHARE:
        counted = _count(step, bucket)
    now = resources.clock()
    with resources.engine.begin() as conn:
        look = Look(
            len(shown),
            rejected,
            max(days, default=None),
            min(days, default=None),
            counted,
            portal_rows.count_early(conn, bucket, shown=sorted(shown), now=now) if bucket == PUBLISHED else 0,
        )
        doubted = portal_rows.doubted(conn, bucket)
        old = bool(doubted) and now - doubted[0][0] >= _STEADY_FOR
        doubt = judge(look, last, [rows for _, rows in doubted] if old else [], today=day_of(now))
        changed = portal_rows.settle(
            conn,
            job_id,
            bucket,
            shown=sorted(shown),
            rejected=rejected,
            accepted=doubt is None,
            reason=doubt,
            now=now,
        )
        jobs.add_metadata(conn, job_id, {"portalRows": len(shown)})
        jobs.count_in_metadata(conn, job_id, "portalRowsChanged", changed)
    return {"rows": len(shown), "changed": changed, "rejected": rejected, "problem": doubt}


def _count(step: Step, bucket: int) -> int | None:
    """How many rows the portal says that the bucket has, in a page of one; None where that was not answered."""
    try:
        return step.resources.portal.page(bucket, 0, 1).records_total
    except UpstreamError:
        return None


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
