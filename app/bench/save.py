"""`protenders bench save`: saving beside plain COPY into the same tables, and beside a row-by-row loop.

Each figure is tenders per second, on one PostgreSQL, in one run. The tenders are made from the captured ones; the
plain COPY writes the same rows into the same tables with the same indexes, and is all that any saving could reach.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from app.bench.server import database, server
from app.replay.stand_in import ReplayConfig, make_app
from db import bodies, bulk, identifiers, saving
from db.engine import make_engine
from db.staging import FetchedRelease, Source
from db.tables import releases, tender_documents, tender_ids, tenders
from db.tender_rows import COLUMNS, TenderRow, values
from functions.making import Rules, make
from ocds.ids import number_of, ocid_of
from ocds.release import content_hash

SIZES = (2_000, 20_000, 200_000)
LOOP_AT_MOST = 2_000
PORTION = 2_000
PAGE = 1_000
TARGETS = {
    "save": "at least 0.85 of plain COPY",
    "unchanged": "at least 100 x the loop",
    "statements": "at most 20 a page",
}
_FIRST = 1_000_000
NOW = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)

Prepared = tuple[list[FetchedRelease], list[TenderRow]]
Sample = tuple[Any, TenderRow]


def run() -> dict[str, Any]:
    """Every figure, in one run on one PostgreSQL."""
    samples = _samples()
    found: dict[str, Any] = {"targets": TARGETS, "sizes": {}}
    with server() as at:
        for size in SIZES:
            found["sizes"][str(size)] = _measure(at, samples, size)
    return found


def as_text(found: dict[str, Any]) -> str:
    """The figures for people."""
    lines = ["saving, in tenders a second", ""]
    lines.append(
        f"{'tenders':>9} {'COPY':>9} {'save':>9} {'share':>6} {'loop':>7} {'unchanged':>10} {'x loop':>7}"
    )
    for size, each in found["sizes"].items():
        lines.append(
            f"{int(size):>9,} {each['copy']:>9,.0f} {each['save']:>9,.0f} {each['share']:>6.0%}"
            f" {each['loop']:>7,.0f} {each['unchanged']:>10,.0f} {each['timesLoop']:>7,.0f}"
        )
    worst = max(each["statements"] for each in found["sizes"].values())
    lines += ["", f"statements for an unchanged page of {PAGE}: {worst}"]
    lines += [f"to reach: {name}: {target}" for name, target in found["targets"].items()]
    return "\n".join(lines)


def _measure(at: str, samples: Sequence[Sample], size: int) -> dict[str, Any]:
    """Both ways in turn, a portion each: whatever else the machine does, it does to both."""
    with _opened(at) as copied, _opened(at) as saved:
        copying = saving_ = 0.0
        for place, portion in enumerate(_portions(samples, size)):
            copying += _seconds(partial(_copy, copied, portion))
            saving_ += _seconds(partial(_save, saved, portion, f"save-{place}"))
        counter = _Counter(saved)
        unchanged = _seconds(partial(_look_again, saved, size))
        statements = -(-counter.count * PAGE // size)
    looped = min(size, LOOP_AT_MOST)
    with _opened(at) as engine:
        loop = sum(_seconds(partial(_loop, engine, portion)) for portion in _portions(samples, looped))
    return {
        "copy": size / copying,
        "save": size / saving_,
        "share": copying / saving_,
        "loop": looped / loop,
        "unchanged": size / unchanged,
        "timesLoop": (size / unchanged) / (looped / loop),
        "statements": statements,
    }


@contextmanager
def _opened(at: str) -> Iterator[sa.Engine]:
    with database(at) as url:
        engine = make_engine(url)
        _open_job(engine)
        try:
            yield engine
        finally:
            engine.dispose()


def _seconds(work: Callable[[], None]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _open_job(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        conn.execute(
            sa.text(
                "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at)"
                " VALUES ('bench', 'DELTA_SYNC', 'RUNNING', 'tender-sync', 'bench', :now, :now)"
            ),
            {"now": NOW},
        )


def _samples() -> list[Sample]:
    """Captured tenders, made once: what is measured is saving, not making."""
    stand_in = make_app(ReplayConfig(clock=lambda: NOW))
    rules = Rules(now=NOW, enrich=True)
    found: list[Sample] = []
    for each in stand_in.truth(limit=500):
        number = number_of(each["ocid"]) or 0
        source = Source(
            n=number,
            release=each["release"],
            release_hash=content_hash(each["release"]),
            release_fetched_at=NOW,
            row=each["older"],
            row_hash=b"row",
            was_enriched=False,
            was_published=False,
            attempts=0,
        )
        found.append((each["release"], make(source, rules)))
    return found


def _portions(samples: Sequence[Sample], size: int) -> Iterator[Prepared]:
    """As many tenders as wanted, alike but for identifier, slug and hash, a portion at a time."""
    for start in range(0, size, PORTION):
        fetched: list[FetchedRelease] = []
        made: list[TenderRow] = []
        for place in range(start, min(size, start + PORTION)):
            body, tender = samples[place % len(samples)]
            number = _FIRST + place
            digest = _digest(number)
            fetched.append(
                FetchedRelease(
                    n=number,
                    ocid=ocid_of(number),
                    release_id=tender.content.get("release_id"),
                    date=tender.content.get("date"),
                    content_hash=digest,
                    body=body,
                    fetched_at=NOW,
                )
            )
            made.append(
                replace(
                    tender,
                    n=number,
                    ocid=ocid_of(number),
                    slug=f"{tender.slug}-{number}",
                    content_hash=digest,
                    release_hash=digest,
                )
            )
        yield fetched, made


def _digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def _save(engine: sa.Engine, portion: Prepared, step: str) -> None:
    fetched, made = portion
    with engine.begin() as conn:
        saving.save(conn, job_id="bench", step=step, fetched=fetched, made=made, now=NOW)


def _look_again(engine: sa.Engine, size: int) -> None:
    """What a sync does with a page of releases of which none has changed, from their hashes on."""
    for start in range(0, size, PAGE):
        numbers = range(_FIRST + start, _FIRST + min(size, start + PAGE))
        with engine.begin() as conn:
            known = identifiers.known_hashes(conn, numbers)
        if any(known[number] != _digest(number) for number in numbers):
            raise RuntimeError("what was just saved is not known")


_TENDER_COLUMNS = [tenders.c[column.name] for column in COLUMNS if column.name != "documents"]
_RELEASE_COLUMNS = [
    releases.c[name]
    for name in ("ocid", "release_id", "date", "content_hash", "body", "body_exact", "fetched_at", "job_id")
]
_DOCUMENT_NAMES = ("id", "title", "url", "format", "date_published", "date_modified", "source")
_LEDGER_NAMES = (
    "n",
    "ocid",
    "state",
    "is_expected",
    "expected_by",
    "is_present",
    "published_on",
    "first_expected_at",
    "fetched_at",
    "release_hash",
)


def _copy(engine: sa.Engine, portion: Prepared) -> None:
    fetched, made = portion
    with engine.begin() as conn:
        bulk.copy(
            conn,
            "releases",
            _RELEASE_COLUMNS,
            (
                (
                    each.ocid,
                    each.release_id,
                    each.date,
                    each.content_hash,
                    bodies.encode(each.body).jsonb,
                    None,
                    each.fetched_at,
                    "bench",
                )
                for each in fetched
            ),
        )
        bulk.copy(conn, "tenders", _TENDER_COLUMNS, (values(each)[:-1] for each in made))
        bulk.copy(
            conn,
            "tender_documents",
            [tender_documents.c[name] for name in ("ocid", "position", *_DOCUMENT_NAMES)],
            (
                (each.ocid, position, *(document[name] for name in _DOCUMENT_NAMES))
                for each in made
                for position, document in enumerate(each.documents)
            ),
        )
        bulk.copy(
            conn,
            "tender_ids",
            [tender_ids.c[name] for name in _LEDGER_NAMES],
            (
                (
                    each.n,
                    each.ocid,
                    "known",
                    True,
                    "list",
                    True,
                    each.date,
                    NOW,
                    NOW,
                    each.content_hash,
                )
                for each in fetched
            ),
        )


def _loop(engine: sa.Engine, portion: Prepared) -> None:
    """A query and an upsert for each tender, as the predecessor saved."""
    names = [column.name for column in _TENDER_COLUMNS]
    upsert = sa.text(
        f"INSERT INTO tenders ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"  # noqa: S608
        " ON CONFLICT (ocid) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in names if name != "ocid")
    )
    for tender in portion[1]:
        with engine.begin() as conn:
            conn.execute(sa.text("SELECT * FROM tenders WHERE ocid = :ocid"), {"ocid": tender.ocid}).first()
            conn.execute(upsert, dict(zip(names, values(tender)[:-1], strict=True)))


class _Counter:
    """Counts the statements that an engine sends."""

    def __init__(self, engine: sa.Engine) -> None:
        self.count = 0
        sa.event.listen(engine, "before_cursor_execute", self._add)

    def _add(self, *_: object) -> None:
        self.count += 1
