"""The questions that pages, jobs and every sync ask find their answers by an index, however much is stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from db import (
    audit,
    console,
    coverage,
    history,
    identifiers,
    job_log,
    jobs,
    portal_rows,
    refreshing,
    saving,
    staging,
    sync_state,
)
from db.engine import make_engine
from db.portal_rows import BucketRow
from tests.conftest import temporary_database

NOW = datetime(2026, 10, 7, 10, 0, tzinfo=UTC)
DAY = NOW.date()
TENDERS, JOBS = 30_000, 20_000
GREAT = (
    "tenders",
    "tender_ids",
    "portal_rows",
    "releases",
    "jobs",
    "job_steps",
    "job_effects",
    "coverage_days",
    "audit_log",
)

_FILL = f"""
    INSERT INTO tender_ids (
        n, ocid, state, is_expected, expected_by, is_present, published_on, first_expected_at, release_hash, portal_hash
    )
    SELECT n, 'ocds-9t57fa-' || n, 'known', true, 'list', true, CAST(:now AS date) - (({TENDERS} - n) / 100)::int,
        :now, sha256(n::text::bytea), sha256(n::text::bytea)
    FROM generate_series(1, {TENDERS}) AS n;
    INSERT INTO tenders (
        ocid, n, slug, lifecycle, enrichment_status, is_published, first_seen_at, last_changed_at, content_hash,
        release_hash, release_fetched_at, published_at, closing_at, title
    )
    SELECT 'ocds-9t57fa-' || n, n, 'tender-' || n, CASE WHEN n > {TENDERS} - 500 THEN 'open' ELSE 'closed' END,
        'enriched', true, :now, CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '15 minutes',
        sha256(n::text::bytea), sha256(n::text::bytea), :now,
        CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '15 minutes',
        CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '15 minutes' + interval '20 days', 'T ' || n
    FROM generate_series(1, {TENDERS}) AS n;
    INSERT INTO releases (ocid, content_hash, body, fetched_at)
    SELECT 'ocds-9t57fa-' || n, sha256(n::text::bytea), '{{}}',
        CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '15 minutes' FROM generate_series(1, {TENDERS}) AS n;
    INSERT INTO portal_rows (n, ocid, bucket, row_hash, saved_hash, body, first_seen_at, changed_at)
    SELECT n, 'ocds-9t57fa-' || n, CASE WHEN n > {TENDERS} - 500 THEN 1 ELSE 3 END, sha256(n::text::bytea),
        sha256(n::text::bytea), '{{}}', :now, :now
    FROM generate_series(1, {TENDERS}) AS n;
    INSERT INTO coverage_days (day, complete, listed_at)
    SELECT CAST(:now AS date) - g, g > 0, :now FROM generate_series(0, 2000) AS g;
    INSERT INTO jobs (
        id, type, status, function_id, run_id, event_id, triggered_by, started_at, finished_at, heartbeat_at
    )
    SELECT 'job-' || lpad(g::text, 8, '0'), CASE g % 10 WHEN 0 THEN 'CLEANUP' ELSE 'DELTA_SYNC' END,
        CASE g % 50 WHEN 0 THEN 'FAILED' WHEN 1 THEN 'PARTIAL' ELSE 'SUCCESS' END, 'tender-sync', 'run-' || g,
        'event-' || g,
        CASE g % 500 WHEN 0 THEN 'github-actions' ELSE 'cron' END,
        CAST(:now AS timestamptz) - ({JOBS} - g) * interval '30 minutes', :now, :now
    FROM generate_series(1, {JOBS}) AS g;
    INSERT INTO job_runs (run_id, job_id) SELECT run_id, id FROM jobs;
    INSERT INTO job_steps (job_id, run_id, name, status, attempts, started_at, attempt_started_at)
    SELECT id, run_id, 'step', 'SUCCESS', 1, :now, :now FROM jobs;
    INSERT INTO job_effects (job_id, step, processed) SELECT id, 'step', 1 FROM jobs;
    INSERT INTO audit_log (at, actor, action)
    SELECT :now, CASE g % 5000 WHEN 0 THEN 'seldom' ELSE 'admin' END,
        CASE g % 5000 WHEN 0 THEN 'seldom' ELSE 'login' END
    FROM generate_series(1, {JOBS}) AS g;
"""


@pytest.fixture(scope="module")
def filled(pg_server: str, template_database: str) -> Iterator[sa.Engine]:
    """A database with many tenders and jobs, analysed."""
    with temporary_database(pg_server, template=template_database) as url:
        engine = make_engine(url)
        with engine.begin() as conn:
            for statement in _FILL.split(";\n")[:-1]:
                conn.execute(sa.text(statement), {"now": NOW} if ":now" in statement else {})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql("VACUUM ANALYZE")
        yield engine
        engine.dispose()


Question = Callable[[sa.Connection], Any]
NEW_ROW = BucketRow(TENDERS, f"ocds-9t57fa-{TENDERS}", b"other", DAY, {})
QUESTIONS: dict[str, Question] = {
    "the newest jobs": lambda conn: jobs.page(conn, limit=50),
    "the next page of jobs": lambda conn: jobs.page(conn, limit=50, before="job-00010000"),
    "jobs of a type": lambda conn: jobs.page(conn, limit=50, type="CLEANUP"),
    "jobs of a status": lambda conn: jobs.page(conn, limit=50, status="FAILED"),
    "jobs of a trigger": lambda conn: jobs.page(conn, limit=50, trigger="github-actions"),
    "jobs of some days": lambda conn: jobs.page(
        conn, limit=50, since=NOW - timedelta(days=9), until=NOW - timedelta(days=8)
    ),
    "the oldest jobs": lambda conn: jobs.page(conn, limit=50, order="oldest"),
    "the longest jobs": lambda conn: jobs.page(conn, limit=50, order="longest"),
    "the next page of the shortest jobs": lambda conn: jobs.page(
        conn, limit=50, order="shortest", before="job-00010000"
    ),
    "jobs with a word": lambda conn: jobs.page(conn, limit=50, text="run-7000"),
    "jobs with words that none has": lambda conn: jobs.page(
        conn, limit=50, text="never heard of", status="FAILED"
    ),
    "the jobs of an event": lambda conn: console.jobs_of_event(conn, "event-77"),
    "the running jobs": lambda conn: job_log.active(conn, limit=21),
    "what live pages look at": console.digest,
    "how syncs have been": lambda conn: console.sync_facts(conn, until=NOW),
    "how syncs of the stand-in have been": lambda conn: console.sync_facts(conn, until=NOW, replay=True),
    "the week of syncs": lambda conn: console.week_of_syncs(conn, now=NOW),
    "the week's strip": lambda conn: console.days_of_jobs(conn, now=NOW),
    "tenders by day": lambda conn: console.published_per_day(conn, now=NOW),
    "the types of jobs": console.job_types,
    "why tenders wait": console.enrichment_reasons,
    "whose turn it is": lambda conn: console.enrichment_queue(conn, limit=50),
    "what is open": coverage.open_counts,
    "what a job touched": lambda conn: console.tenders_of_job(
        conn, jobs.get_brief(conn, f"job-{JOBS:08}"), now=NOW
    ),
    "a tender's jobs": lambda conn: console.jobs_of_tender(conn, "ocds-9t57fa-7"),
    "the audit of an actor": lambda conn: audit.page(conn, limit=100, actor="seldom"),
    "the audit of an action": lambda conn: audit.page(conn, limit=100, action="seldom"),
    "one job": lambda conn: jobs.get(conn, "job-00010000"),
    "a run's job": lambda conn: jobs.of_run(conn, "run-10000"),
    "how jobs do": lambda conn: jobs.statistics(conn, now=NOW),
    "whether a function is busy": lambda conn: jobs.is_active(conn, "tender-sync"),
    "dead jobs": lambda conn: jobs.close_dead(conn, silent_for=timedelta(minutes=30), now=NOW),
    "coverage of days": lambda conn: coverage.days(conn, first=DAY - timedelta(days=30), last=DAY),
    "coverage of blocks": lambda conn: coverage.blocks(conn, limit=5),
    "what is missing": coverage.missing,
    "why it is missing": coverage.reasons,
    "incomplete days": lambda conn: coverage.incomplete_days(conn, due_by=NOW),
    "judging days": lambda conn: coverage.judge_days(conn, DAY - timedelta(days=3), DAY, now=NOW),
    "work for the background": lambda conn: coverage.due_for_background(conn, now=NOW),
    "freshness": sync_state.freshness,
    "known hashes of a page": lambda conn: identifiers.known_hashes(conn, range(1000, 1050)),
    "what to fetch": lambda conn: identifiers.due(conn, job_id="job-00010000", limit=100, now=NOW),
    "how much to fetch": lambda conn: identifiers.count_due(conn, job_id="job-00010000", now=NOW),
    "what to fetch in the background": lambda conn: history.due(conn, limit=100, now=NOW),
    "what of a range has no answer": lambda conn: history.count_unanswered(conn, first=1000, last=2000),
    "what is awaited and has no answer": history.count_expected_unanswered,
    "the frontier": lambda conn: identifiers.add_frontier(
        conn, job_id="job-00010000", above=5, below=200, limit=205, now=NOW
    ),
    "gaps between identifiers": lambda conn: identifiers.add_between(
        conn, since=DAY - timedelta(days=13), until=DAY, now=NOW
    ),
    "how many gaps": lambda conn: identifiers.count_between(conn, since=DAY - timedelta(days=13), until=DAY),
    "what to fetch before its time": lambda conn: identifiers.due(
        conn, job_id="job-00010000", limit=100, now=NOW, eager=True
    ),
    "what keeps failing": lambda conn: identifiers.wake_failing(conn, now=NOW),
    "the highest identifier": identifiers.highest,
    "how many tenders are known of some days": lambda conn: coverage.known_in(
        conn, DAY - timedelta(days=2), DAY
    ),
    "what left the open bucket early": lambda conn: portal_rows.count_early(
        conn, 1, shown=range(TENDERS - 480, TENDERS), now=NOW
    ),
    "one tender made anew": lambda conn: staging.plan_one(conn, "job-00010000", 7),
    "a chunk of a bucket": lambda conn: portal_rows.stage(conn, "job-00010000", 1, [NEW_ROW]),
    "what a sync makes anew": lambda conn: staging.plan_changes(
        conn, "job-00010000", batch_size=250, limit=300, now=NOW
    ),
    "what to look at again": lambda conn: refreshing.due(conn, limit=100, now=NOW),
    "what closes by the clock": lambda conn: saving.close_passed(conn, now=NOW),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_hot_question_reads_a_whole_table(filled: sa.Engine, name: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_conn: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    with filled.connect() as conn:
        sa.event.listen(filled, "before_cursor_execute", note)
        try:
            QUESTIONS[name](conn)
        finally:
            sa.event.remove(filled, "before_cursor_execute", note)
        conn.rollback()
        assert asked
        for statement, parameters in asked:
            plan = "\n".join(
                row[0] for row in conn.exec_driver_sql(f"EXPLAIN {statement}", parameters).fetchall()
            )
            whole = [table for table in re.findall(r"Seq Scan on (\w+)", plan) if table in GREAT]
            assert whole == [], f"{statement}\n{plan}"
        conn.rollback()
