"""A tender's releases as the source gave them, read again and corrected: columns, and OCDS releases."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.opendata import ocds_release
from db.tender_reads import Row, body_of, json_value
from enrichment.derive import derive
from ocds.errors import RejectedRelease
from ocds.release import read

Json = dict[str, Any]

log = logging.getLogger("protenders.opendata")


@dataclass(frozen=True)
class Content:
    """One distinct content of a tender. `columns` is None where today's reader refuses it."""

    body: Any
    content_hash: bytes
    release_id: str | None
    date: date | None
    fetched_at: datetime
    columns: Mapping[str, Any] | None
    documents: Sequence[Mapping[str, Any]]

    @property
    def fields(self) -> Json:
        """The columns and documents in JSON's types."""
        columns = self.columns or {}
        values = {name: json_value(value) for name, value in columns.items() if name not in _OURS}
        return {**values, "documents": list(self.documents)}


_OURS = frozenset({"content_hash", "first_seen_at"})


def content_of(row: Row) -> Content:
    """What a release, a row of `tender_reads.history`, says of the tender as it stood when it was fetched."""
    body = body_of(row)
    columns: dict[str, Any] | None = None
    documents: list[Json] = []
    try:
        derived = derive(read(body), None, now=row.fetched_at)
    except RejectedRelease as problem:
        log.warning("the release %s of %s is kept but cannot be read: %s", row.id, row.release_id, problem)
    else:
        columns = {
            **derived.columns,
            "lifecycle": derived.lifecycle,
            "first_seen_at": row.fetched_at,
            "content_hash": row.content_hash,
        }
        documents = [file._asdict() for file in derived.documents]
    return Content(body, row.content_hash, row.release_id, row.date, row.fetched_at, columns, documents)


def releases_of(
    contents: Iterable[Content],
    current: Mapping[str, Any],
    documents: Sequence[Mapping[str, Any]],
    *,
    portal_url: str,
) -> list[Json]:
    """Each content as a release, oldest first, then the current view, to which the portal has added.

    Dates never fall: a tender that was re-dated backward still ends with its newest content when it is merged by date.
    """
    found = [
        ocds_release.release(each.columns, each.documents, portal_url=portal_url)
        for each in contents
        if each.columns is not None
    ]
    found.append(ocds_release.release(current, documents, portal_url=portal_url))
    latest = datetime.fromisoformat(found[0]["date"])
    for release in found:
        latest = max(latest, datetime.fromisoformat(release["date"]))
        release["date"] = latest.isoformat()
    return found
