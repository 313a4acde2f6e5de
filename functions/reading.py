"""Releases as they come, sorted into what can be kept and what must be set aside, and staged for the job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db import identifiers, rejected, staging
from db.identifiers import Sighting
from db.rejected import Rejected
from db.staging import FetchedRelease
from ocds import release as ocds_release
from ocds.errors import RejectedRelease
from ocds.ids import number_of, ocid_of


@dataclass
class Readings:
    """What some raw releases turned out to be."""

    accepted: list[FetchedRelease] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        """The identifiers of the accepted ones."""
        return [release.n for release in self.accepted]

    @property
    def torn(self) -> set[int]:
        """The identifiers of which there are several contents."""
        contents = {(release.n, release.content_hash) for release in self.accepted}
        return {n for n, times in Counter(n for n, _ in contents).items() if times > 1}


def read_all(raws: Iterable[Any], *, fetched_at: datetime) -> Readings:
    """Read each release; one that cannot be read never stops the rest."""
    found = Readings()
    for raw in raws:
        try:
            release = ocds_release.read(raw)
        except RejectedRelease as problem:
            found.rejected.append(Rejected(ocds_release.content_hash(raw), problem.ocid, problem.reason, raw))
            continue
        found.accepted.append(
            FetchedRelease(
                n=release.number,
                ocid=release.ocid,
                release_id=release.release_id,
                date=release.date,
                content_hash=release.hash,
                body=raw,
                fetched_at=fetched_at,
            )
        )
    return found


def stage(
    conn: sa.Connection,
    job_id: str,
    found: Readings,
    *,
    shown: Collection[int] = (),
    by: str,
    now: datetime,
) -> set[int]:
    """Stage what differs from what is held, and set aside what could not be read; the numbers of what differs.

    `shown` are those that the job has been given before. Of a tender that is given with several contents, at once or
    one after the other, all are kept and none is believed, for either may be the older one: it is asked for by ocid.
    """
    known = identifiers.known_hashes(conn, found.numbers)
    staged = staging.staged_hashes(conn, job_id, found.numbers)
    before = known | staged
    differing = [release for release in found.accepted if known.get(release.n) != release.content_hash]
    torn = found.torn | {
        release.n
        for release in found.accepted
        if (release.n in staged or release.n in shown) and before.get(release.n) != release.content_hash
    }
    changed = [release for release in differing if release.n not in torn]
    fresh = [release for release in differing if release.n not in known]
    identifiers.expect(
        conn,
        [Sighting(release.n, release.ocid, release.date) for release in fresh],
        by=by,
        now=now,
    )
    staging.stage(conn, job_id, changed)
    if torn:
        staging.keep_aside(conn, job_id, [release for release in found.accepted if release.n in torn])
        identifiers.doubt(conn, sorted(torn), reason="the list shows several contents of it", now=now)
    set_aside(conn, job_id, found.rejected, by=by, now=now)
    return {release.n for release in differing}


def set_aside(conn: sa.Connection, job_id: str, found: list[Rejected], *, by: str, now: datetime) -> None:
    """Keep rejected releases with their reasons; those that name their tender make it expected."""
    rejected.keep(conn, found, reader_version=ocds_release.READER_VERSION, job_id=job_id, now=now)
    for item in found:
        number = None if item.ocid is None else number_of(item.ocid)
        if number is not None:
            identifiers.record_rejected(
                conn, number, ocid=ocid_of(number), reason=item.reason, by=by, now=now
            )


def read_rejected_again(conn: sa.Connection, job_id: str, *, limit: int, now: datetime) -> int:
    """Read again what an older reader rejected; how many are accepted now."""
    kept = rejected.for_newer_reader(conn, reader_version=ocds_release.READER_VERSION, limit=limit)
    if not kept:
        return 0
    found = read_all((item.body for item in kept), fetched_at=now)
    stage(conn, job_id, found, by="list", now=now)
    rejected.resolve(conn, [release.content_hash for release in found.accepted], now=now)
    return len(found.accepted)
