"""Making tenders out of what is stored of both sources: the release first, the portal's row for the gaps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from db.staging import Source
from db.tender_rows import TenderRow
from enrichment.derive import DerivedTender, derive
from enrichment.rows import PortalRow, read_row
from ocds import release as ocds_release
from ocds.errors import DataError
from ocds.ids import ocid_of

_FIRST_WAIT = timedelta(hours=6)
_LONGEST_WAIT = timedelta(days=30)
_LONGEST_FAULT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How this run enriches. `held_back` says why a tender that could be enriched is not, `held_for` for how long."""

    now: datetime
    enrich: bool
    held_back: str = "over the limit of this run"
    held_for: timedelta = timedelta(0)
    # The open bucket was read: a tender that is not in it is not listed, rather than unknown.
    portal_read: bool = True
    require_enrichment: bool = False


def make(source: Source, rules: Rules) -> TenderRow:
    """One tender. What cannot be derived from both sources is derived from the release alone, with the reason.

    A tender that was enriched stays so, and one without a release is made of its row: neither waits for a budget.
    """
    release = None if source.release is None else ocds_release.read(source.release)
    row, fault = _row(source.row)
    use_row = row is not None and (rules.enrich or source.was_enriched or release is None)
    try:
        derived = derive(release, row if use_row else None, now=rules.now)
    except (ValueError, DataError) as problem:
        if release is None or not use_row:
            raise
        fault, use_row = f"{type(problem).__name__}: {problem}", False
        derived = derive(release, None, now=rules.now)
    status = _status(source, rules, row=row, enriched=use_row, fault=fault)
    documents = [document._asdict() for document in derived.documents]
    content = {name: value for name, value in derived.columns.items() if name != "ocid"}
    return TenderRow(
        n=source.n,
        ocid=ocid_of(source.n),
        content=content,
        documents=documents,
        slug=derived.slug,
        lifecycle=derived.lifecycle,
        provenance=derived.provenance,
        quality=derived.quality,
        content_hash=_content_hash(derived, content, documents),
        release_hash=source.release_hash,
        release_fetched_at=source.release_fetched_at,
        row_hash=source.row_hash if use_row else None,
        portal_hash=source.row_hash,
        is_published=source.was_published or use_row or not rules.require_enrichment,
        now=rules.now,
        **status,
    )


def make_all(sources: Sequence[Source], rules: Rules) -> tuple[list[TenderRow], list[tuple[int, str]]]:
    """Make each; those that cannot be made come back with the reason, so that one odd tender never stops the rest.

    When none of several can be made, the fault is ours and is raised.
    """
    made: list[TenderRow] = []
    unmade: list[tuple[int, str]] = []
    for source in sources:
        try:
            made.append(make(source, rules))
        except Exception as problem:
            unmade.append((source.n, f"no tender could be made of it: {type(problem).__name__}: {problem}"))
            if len(sources) > 1 and len(unmade) == len(sources):
                raise
    return made, unmade


def _row(raw: Any) -> tuple[PortalRow | None, str | None]:
    if raw is None:
        return None, None
    try:
        return read_row(raw), None
    except DataError as problem:
        # An index holds it.
        return None, str(problem)[:_LONGEST_FAULT]


def _status(
    source: Source, rules: Rules, *, row: PortalRow | None, enriched: bool, fault: str | None
) -> dict[str, Any]:
    """The enrichment's state. What cannot be enriched now is due again after a growing while, never dropped."""
    if enriched:
        return _state("enriched", source.attempts + (0 if source.was_enriched else 1), at=rules.now)
    if fault is not None:
        return _tried("failed", source, rules, fault)
    if row is not None:
        return _state("pending", source.attempts, due=rules.now + rules.held_for, error=rules.held_back)
    if rules.portal_read:
        return _tried("not_listed", source, rules, "the portal does not list it now")
    return _state("pending", source.attempts, due=rules.now, error="the portal could not be read")


def _tried(status: str, source: Source, rules: Rules, error: str) -> dict[str, Any]:
    wait = min(_FIRST_WAIT * 2 ** min(source.attempts, 10), _LONGEST_WAIT)
    return _state(status, source.attempts + 1, due=rules.now + wait, error=error)


def _state(
    status: str,
    attempts: int,
    *,
    at: datetime | None = None,
    due: datetime | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    return {
        "enrichment_status": status,
        "enrichment_attempts": attempts,
        "enrichment_next_at": due,
        "enrichment_error": error,
        "enriched_at": at,
    }


def _content_hash(
    derived: DerivedTender, content: Mapping[str, Any], documents: list[dict[str, Any]]
) -> bytes:
    """Over everything that is shown of the tender but the moment at which it was made."""
    origins = {name: [each["source"], each["field"]] for name, each in derived.provenance.items()}
    said = orjson.dumps([content, documents, origins], option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(said).digest()
