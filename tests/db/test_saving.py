"""Saving: hashes first, nothing twice, nothing older over something newer, and few statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa

from db import identifiers, jobs, saving, staging
from db.saving import Saved
from db.staging import FetchedRelease
from db.tender_rows import TenderRow

NOW = datetime(2026, 10, 7, 10, 0, tzinfo=UTC)
Save = Callable[..., Saved]


def digest(*parts: object) -> bytes:
    """A hash of anything."""
    return sha256(repr(parts).encode()).digest()


def release(n: int, version: int = 1, *, at: datetime = NOW) -> FetchedRelease:
    """A release of one of its versions."""
    return FetchedRelease(
        n=n,
        ocid=f"ocds-9t57fa-{n}",
        release_id=f"r{version}",
        date=date(2026, 10, 1),
        content_hash=digest(n, version),
        body={"ocid": f"ocds-9t57fa-{n}", "version": version},
        fetched_at=at,
    )


def tender(n: int, version: int = 1, *, at: datetime = NOW, **changed: Any) -> TenderRow:
    """The tender made of that release."""
    made = TenderRow(
        n=n,
        ocid=f"ocds-9t57fa-{n}",
        content={"title": f"T {n}", "description": f"version {version}"},
        documents=[{"id": f"d{n}-{version}", "title": "a\x00b", "url": "u", "source": "release"}],
        slug=f"tender-{n}",
        lifecycle="open",
        provenance={"title": {"source": "release", "field": "tender.title", "at": at.isoformat()}},
        quality={},
        content_hash=digest("tender", n, version),
        release_hash=digest(n, version),
        release_fetched_at=at,
        row_hash=None,
        portal_hash=None,
        enrichment_status="pending",
        enrichment_attempts=0,
        enrichment_next_at=NOW,
        enrichment_error=None,
        enriched_at=None,
        is_published=True,
        now=at,
    )
    return replace(made, **changed)


@pytest.fixture
def save(db_engine: sa.Engine) -> Save:
    """Saves releases with their tenders, for the job `job`."""
    with db_engine.begin() as conn:
        jobs.create(
            conn,
            job_id="job",
            type="DELTA_SYNC",
            function_id="tender-sync",
            run_id="run",
            event_id=None,
            source=None,
            triggered_by=None,
            actor=None,
            parameters={},
            now=NOW,
        )

    def save_all(
        fetched: Sequence[FetchedRelease],
        made: Sequence[TenderRow],
        *,
        staged: bool = False,
        step: str = "save",
    ) -> Saved:
        with db_engine.begin() as conn:
            if not staged:
                return saving.save(conn, job_id="job", step=step, fetched=fetched, made=made, now=NOW)
            staging.stage(conn, "job", fetched)
            staging.put_tenders(conn, "job", made, batch=None)
            found = saving.save_staged(conn, job_id="job", step=step, limit=1000, now=NOW)
            assert found is not None
            return found

    return save_all


BOTH = pytest.mark.parametrize("staged", [False, True], ids=["from memory", "staged"])


@BOTH
def test_new_tenders_are_added_with_release_documents_and_ledger(
    db_engine: sa.Engine, save: Save, staged: bool
) -> None:
    saved = save([release(1), release(2)], [tender(1), tender(2)], staged=staged)
    assert saved == Saved(tenders=2, added=2, updated=0)
    with db_engine.connect() as conn:
        assert conn.execute(sa.text("SELECT ocid, id, title FROM tender_documents ORDER BY 1")).all() == [
            ("ocds-9t57fa-1", "d1-1", "a\ufffdb"),
            ("ocds-9t57fa-2", "d2-1", "a\ufffdb"),
        ]
        assert conn.execute(sa.text("SELECT n, state, is_present FROM tender_ids ORDER BY 1")).all() == [
            (1, "known", True),
            (2, "known", True),
        ]
        assert identifiers.known_hashes(conn, [1, 2, 3]) == {1: digest(1, 1), 2: digest(2, 1)}


@BOTH
def test_saving_again_writes_nothing_and_counts_nothing(
    db_engine: sa.Engine, save: Save, staged: bool
) -> None:
    versions = sa.text(
        "SELECT ocid, xmin::text FROM tenders UNION ALL SELECT ocid, xmin::text FROM tender_documents"
    )
    save([release(1)], [tender(1)], staged=staged)
    with db_engine.connect() as conn:
        before = conn.execute(versions).all()
    assert save([release(1)], [tender(1)], staged=staged) == Saved(tenders=1, added=0, updated=0)
    with db_engine.connect() as conn:
        assert conn.execute(versions).all() == before
        assert conn.execute(sa.text("SELECT count(*) FROM releases")).scalar() == 1
        found = jobs.get(conn, "job")
    assert found is not None
    assert found.metadata["recordsAdded"] == 1


@BOTH
def test_a_change_replaces_documents_keeps_slug_and_first_sight_and_appends_the_release(
    db_engine: sa.Engine, save: Save, staged: bool
) -> None:
    save([release(1)], [tender(1)], staged=staged)
    later = NOW + timedelta(hours=1)
    changed = tender(1, 2, at=later, slug="another-slug")
    assert save([release(1, 2, at=later)], [changed], staged=staged) == Saved(tenders=1, added=0, updated=1)
    with db_engine.connect() as conn:
        row = conn.execute(
            sa.text("SELECT slug, description, first_seen_at, last_changed_at FROM tenders")
        ).one()
        assert tuple(row) == ("tender-1", "version 2", NOW, later)
        assert conn.execute(sa.text("SELECT id FROM tender_documents")).scalars().all() == ["d1-2"]
        assert conn.execute(sa.text("SELECT release_id FROM releases ORDER BY id")).scalars().all() == [
            "r1",
            "r2",
        ]


@BOTH
def test_what_was_fetched_earlier_never_replaces_what_was_fetched_later(
    db_engine: sa.Engine, save: Save, staged: bool
) -> None:
    later = NOW + timedelta(hours=1)
    save([release(1, 2, at=later)], [tender(1, 2, at=later)], staged=staged)
    assert save([release(1)], [tender(1)], staged=staged).updated == 0
    row_alone = tender(1, 3, release_hash=None, release_fetched_at=None)
    assert save([], [row_alone], staged=staged).updated == 0
    with db_engine.connect() as conn:
        assert conn.execute(sa.text("SELECT description FROM tenders")).scalar() == "version 2"
        assert identifiers.known_hashes(conn, [1]) == {1: digest(1, 2)}


@BOTH
def test_equal_slugs_are_told_apart_by_number(db_engine: sa.Engine, save: Save, staged: bool) -> None:
    save([release(1)], [tender(1, slug="same")], staged=staged)
    both = [tender(2, slug="same"), tender(3, slug="other"), tender(4, slug="other")]
    save([release(2), release(3), release(4)], both, staged=staged)
    with db_engine.connect() as conn:
        slugs = conn.execute(sa.text("SELECT slug FROM tenders ORDER BY n")).scalars().all()
    assert slugs == ["same", "same-2", "other", "other-4"]


def test_what_is_published_stays_published(db_engine: sa.Engine, save: Save) -> None:
    save([release(1)], [tender(1)])
    later = NOW + timedelta(hours=1)
    save([release(1, 2, at=later)], [tender(1, 2, at=later, is_published=False)])
    with db_engine.connect() as conn:
        assert conn.execute(sa.text("SELECT is_published FROM tenders")).scalar() is True


def test_a_release_of_which_no_tender_was_made_is_kept_and_still_asked_for(
    db_engine: sa.Engine, save: Save
) -> None:
    save([release(1), release(2)], [tender(1)])
    with db_engine.connect() as conn:
        assert conn.execute(sa.text("SELECT count(*) FROM releases")).scalar() == 2
        assert identifiers.known_hashes(conn, [1, 2]) == {1: digest(1, 1)}


@pytest.mark.parametrize("known", [0, 250, 500])
def test_a_page_costs_few_statements_however_much_of_it_is_new(
    db_engine: sa.Engine, save: Save, known: int
) -> None:
    save([release(n) for n in range(1, known + 1)], [tender(n) for n in range(1, known + 1)])
    later = NOW + timedelta(hours=1)
    asked: list[str] = []
    sa.event.listen(db_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    saved = save(
        [release(n, 2, at=later) for n in range(1, 501)], [tender(n, 2, at=later) for n in range(1, 501)]
    )

    assert (saved.added, saved.updated) == (500 - known, known)
    assert len(asked) <= 20, asked


def test_a_job_that_ended_badly_leaves_nothing_staged(db_engine: sa.Engine, save: Save) -> None:
    with db_engine.begin() as conn:
        staging.stage(conn, "job", [release(1)])
        staging.discard(conn, "job")
        assert staging.staged_sources(conn, "job", limit=9) == []
