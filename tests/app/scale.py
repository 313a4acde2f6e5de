"""A database as years of use leave it: 200,000 tenders, 100,000 jobs with 1,000,000 steps, and the engine's runs.

Made by the database itself in about two minutes, and the same every time: what varies comes from hashes of numbers.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

TENDERS = 200_000
JOBS = 100_000
STEPS = 10
RUNS = JOBS
AUDITED = 50_000

_TEXT = (
    "supply delivery installation maintenance construction upgrading rehabilitation repair cleaning security "
    "consulting engineering electrical mechanical civil water sewer road bridge school clinic hospital pump "
    "borehole generator transformer cable laptop software licence audit training catering transport vehicle "
    "tyre fuel uniform furniture stationery printing fencing paving roofing plumbing painting landscaping "
    "demolition asbestos waste recycling laboratory reagent dialysis oxygen bedding linen kitchen boiler lift "
    "fire alarm camera network fibre"
)
_WORDS = _TEXT.split()
_PROVINCES = (
    "Eastern Cape",
    "Free State",
    "Gauteng",
    "KwaZulu-Natal",
    "Limpopo",
    "Mpumalanga",
    "National",
    "North West",
    "Northern Cape",
    "Western Cape",
)


def _array(values: tuple[str, ...] | list[str]) -> str:
    return "ARRAY[" + ", ".join(f"'{value}'" for value in values) + "]"


def _pick(values: tuple[str, ...] | list[str], number: str) -> str:
    return f"({_array(values)})[1 + abs(hashint4(({number})::int)) % {len(values)}]"


def _title(number: str) -> str:
    words = (
        f"({_array(_WORDS)})[1 + abs(hashint4(({number} * 7 + {k})::int)) % {len(_WORDS)}]" for k in range(7)
    )
    return " || ' ' || ".join(words)


# One job in ten is not a sync. They begin every five minutes, the last one now.
_JOB_TYPE = "CASE g % 10 WHEN 0 THEN 'CLEANUP' WHEN 5 THEN 'ENRICHMENT_MANUAL' ELSE 'DELTA_SYNC' END"
_JOB_FUNCTION = "CASE g % 10 WHEN 0 THEN 'cleanup-jobs' WHEN 5 THEN 'enrich-today' ELSE 'tender-sync' END"
_JOB_STATUS = f"""
    CASE WHEN g > {JOBS} - 4 THEN 'RUNNING' WHEN g % 97 = 0 THEN 'FAILED' WHEN g % 53 = 0 THEN 'PARTIAL'
    WHEN g % 211 = 0 THEN 'CANCELLED' WHEN g % 997 = 0 THEN 'CRASHED' WHEN g % 31 = 0 THEN 'SKIPPED' ELSE 'SUCCESS' END
"""
_STARTED = f"CAST(:now AS timestamptz) - ({JOBS} - g) * interval '5 minutes'"
# The engine keeps its runs for thirty days.
_QUEUED = f"CAST(:now AS timestamptz) - ({RUNS} - g) * interval '25 seconds'"
_TOOK = "(30 + abs(hashint4(g)) % 120) * interval '1 second'"
_ULID = "lpad(upper(to_hex({number})), 26, '01{fill}0000000000000000000000')"


def _id(kind: str, number: str = "g") -> str:
    return _ULID.format(number=number, fill=kind)


_STATEMENTS = (
    f"""
    INSERT INTO tender_ids (
        n, ocid, state, is_expected, expected_by, is_present, published_on, first_expected_at, release_hash,
        portal_hash, reason
    )
    SELECT n, 'ocds-9t57fa-' || n,
        CASE WHEN n % 400 = 0 THEN 'pending' WHEN n % 1999 = 0 THEN 'failing' ELSE 'known' END,
        true, 'list', n % 800 <> 0 AND n % 1999 <> 0, CAST(:now AS date) - (({TENDERS} - n) / 100)::int, :now,
        CASE WHEN n % 400 = 0 OR n % 1999 = 0 THEN NULL ELSE sha256(n::text::bytea) END, sha256(n::text::bytea),
        CASE WHEN n % 1999 = 0 THEN 'the source answers 500' END
    FROM generate_series(1, {TENDERS}) AS n
    """,
    f"""
    INSERT INTO tenders (
        ocid, n, slug, lifecycle, status, enrichment_status, enrichment_error, enrichment_attempts,
        enrichment_next_at, is_published, first_seen_at, last_changed_at, content_hash, release_hash,
        release_fetched_at, published_at, closing_at, title, display_title, description, province, buyer_id,
        buyer_name, detailed_category, main_category, organ_of_state_type, job_id
    )
    SELECT 'ocds-9t57fa-' || n, n, 'tender-' || n,
        CASE WHEN n > {TENDERS} - 2000 THEN 'open' WHEN n % 50 = 0 THEN 'cancelled' ELSE 'closed' END, 'active',
        CASE WHEN n % 5 = 0 THEN 'pending' WHEN n % 11 = 0 THEN 'not_listed' WHEN n % 37 = 0 THEN 'failed'
            ELSE 'enriched' END,
        CASE WHEN n % 5 = 0 THEN NULL ELSE 'reason ' || n % 12 END, n % 4,
        CASE WHEN n % 5 = 0 AND n % 2 = 0 THEN CAST(:now AS timestamptz) + n * interval '1 second' END, n % 97 <> 0,
        CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '14 minutes',
        CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '14 minutes',
        sha256(n::text::bytea), sha256(n::text::bytea), :now,
        CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '14 minutes',
        CAST(:now AS timestamptz) - ({TENDERS} - n) * interval '14 minutes' + interval '20 days',
        upper({_title("n")}), {_title("n")}, {_title("n + 1")} || '. ' || {_title("n + 2")},
        {_pick(_PROVINCES, "n")}, (n % 900)::text, 'Department ' || n % 900, 'Category ' || n % 60,
        ({_array(("goods", "works", "services"))})[1 + n % 3], 'Local Municipality', {_id("J", f"({JOBS} - n / 2 + 1)")}
    FROM generate_series(1, {TENDERS}) AS n
    WHERE n % 800 <> 0 AND n % 1999 <> 0
    """,
    f"""
    INSERT INTO releases (ocid, release_id, content_hash, body, fetched_at, job_id)
    SELECT 'ocds-9t57fa-' || n, 'r-' || n, sha256(n::text::bytea),
        jsonb_build_object('ocid', 'ocds-9t57fa-' || n, 'tender', jsonb_build_object('title', {_title("n")})), :now,
        {_id("J", f"({JOBS} - n / 2 + 1)")}
    FROM generate_series(1, {TENDERS}) AS n WHERE n % 400 <> 0 AND n % 1999 <> 0
    """,
    f"""
    INSERT INTO tender_documents (ocid, position, id, title, url, source)
    SELECT 'ocds-9t57fa-' || n, k, 'd' || n || k, 'Document ' || k, 'https://documents.example/' || n, 'ocds'
    FROM generate_series(1, {TENDERS}) AS n, generate_series(1, 2) AS k
    WHERE n % 800 <> 0 AND n % 1999 <> 0
    """,
    """
    INSERT INTO coverage_days (day, complete, listed_at, reason)
    SELECT CAST(:now AS date) - g, g % 13 > 0, :now, CASE g % 13 WHEN 0 THEN '3 tenders are missing' END
    FROM generate_series(0, 2000) AS g
    """,
    f"""
    INSERT INTO jobs (
        id, type, status, function_id, run_id, event_id, source, triggered_by, started_at, finished_at, heartbeat_at,
        note, error_kind, error_name, error_message, metadata, progress
    )
    SELECT {_id("J")}, {_JOB_TYPE}, {_JOB_STATUS}, {_JOB_FUNCTION}, {_id("R")}, {_id("E")}, 'live',
        CASE WHEN g % 40 = 0 THEN 'manual' WHEN g % 3000 = 1 THEN 'github-actions' ELSE 'cron' END,
        {_STARTED}, CASE WHEN g <= {JOBS} - 4 THEN {_STARTED} + {_TOOK} END, {_STARTED} + {_TOOK},
        CASE WHEN g % 53 = 0 THEN (g % 7 + 1) || ' days were not proven complete' WHEN g % 31 = 0 THEN 'skipped: job '
            || {_id("J", "(g - 1)")} || ' was already running' END,
        CASE WHEN g % 97 = 0 THEN 'EXTERNAL_API' END, CASE WHEN g % 97 = 0 THEN 'UpstreamUnavailable' END,
        CASE WHEN g % 97 = 0 THEN 'ocds-api.etenders.gov.za answered ' || 500 + g % 5 || ' to page ' || g % 700
            || ' after ' || g % 60 || ' seconds' END,
        jsonb_build_object('window', jsonb_build_object('from', '2026-08-01', 'to', '2026-08-03')),
        CASE WHEN g > {JOBS} - 4 THEN '{{"phase": "page", "done": 3, "total": 7}}'::jsonb END
    FROM generate_series(1, {JOBS}) AS g
    """,
    f"""
    INSERT INTO job_runs (run_id, job_id, started_at)
    SELECT {_id("R")}, {_id("J")}, {_STARTED} FROM generate_series(1, {JOBS}) AS g
    """,
    f"""
    INSERT INTO job_steps (
        job_id, run_id, name, status, attempts, started_at, attempt_started_at, finished_at, output, error_kind,
        error_name, error_message
    )
    SELECT {_id("J")}, {_id("R")}, 'step-' || k,
        CASE WHEN g > {JOBS} - 4 AND k = {STEPS} THEN 'RUNNING' WHEN g % 97 = 0 AND k = {STEPS} THEN 'FAILED'
            ELSE 'SUCCESS' END, 1 + (g + k) % 2,
        {_STARTED} + k * interval '2 seconds', {_STARTED} + k * interval '2 seconds' + interval '200 ms',
        CASE WHEN g <= {JOBS} - 4 OR k < {STEPS} THEN {_STARTED} + k * interval '2 seconds' + interval '1 second' END,
        jsonb_build_object('rows', k * 100, 'pages', k), CASE WHEN g % 97 = 0 AND k = {STEPS} THEN 'EXTERNAL_API' END,
        CASE WHEN g % 97 = 0 AND k = {STEPS} THEN 'UpstreamUnavailable' END,
        CASE WHEN g % 97 = 0 AND k = {STEPS} THEN 'answered 503' END
    FROM generate_series(1, {JOBS}) AS g, generate_series(1, {STEPS}) AS k
    """,
    f"""
    INSERT INTO job_effects (job_id, step, processed, added, updated, enriched)
    SELECT {_id("J")}, 'step-' || k, 100, g % 7, g % 5, g % 3
    FROM generate_series(1, {JOBS}) AS g, generate_series(1, 2) AS k
    """,
    f"""
    INSERT INTO audit_log (at, actor, action, target, details)
    SELECT CAST(:now AS timestamptz) - ({AUDITED} - g) * interval '9 minutes',
        CASE WHEN g % 20000 = 1 THEN 'seldom' ELSE 'admin' END,
        CASE WHEN g % 3 = 0 THEN 'login' WHEN g % 20000 = 1 THEN 'function.pause' ELSE 'sync.request' END,
        'tender/sync.requested', '{{"before": 1}}' FROM generate_series(1, {AUDITED}) AS g
    """,
    """
    INSERT INTO upstream_hosts (host, state, requests, errors, mean_seconds, last_ok_at)
    VALUES ('ocds-api.etenders.gov.za', 'closed', 90000, 1200, 0.8, :now),
        ('www.etenders.gov.za', 'closed', 50000, 300, 0.4, :now)
    """,
    """INSERT INTO sync_state (key, value) VALUES ('cursor', to_jsonb((CAST(:now AS date) - 1)::text))""",
    f"""
    INSERT INTO engine.events (id, name, body, received_at)
    SELECT {_id("E")}, CASE g % 10 WHEN 0 THEN 'system/cleanup-jobs.requested' ELSE 'tender/sync.requested' END,
        '{{"name": "tender/sync.requested", "data": {{"triggeredBy": "cron"}}}}', {_QUEUED}
    FROM generate_series(1, {RUNS}) AS g
    """,
    f"""
    INSERT INTO engine.runs (id, function_id, status, cause, event_ids, queued_at, started_at, ended_at, output)
    SELECT {_id("R")}, f.id, CASE WHEN g > {RUNS} - 4 THEN 'Running' WHEN g % 97 = 0 THEN 'Failed'
            WHEN g % 211 = 0 THEN 'Cancelled' ELSE 'Completed' END, 'event', ARRAY[{_id("E")}], {_QUEUED},
        {_QUEUED} + interval '20 ms', CASE WHEN g <= {RUNS} - 4 THEN {_QUEUED} + {_TOOK} END, 'null'
    FROM generate_series(1, {RUNS}) AS g
    JOIN engine.functions AS f ON f.slug = 'protenders-platform-' || {_JOB_FUNCTION}
    """,
    f"""
    INSERT INTO engine.steps (run_id, id, name, op, status, attempt, position, queued_at, started_at, ended_at, memo)
    SELECT {_id("R")}, 'id-' || k, 'step-' || k, 'StepRun', 'Completed', 0, g * 10 + k,
        {_QUEUED} + k * interval '2 seconds', {_QUEUED} + k * interval '2 seconds' + interval '200 ms',
        {_QUEUED} + k * interval '2 seconds' + interval '1 second', '{{"data": {{"rows": 100}}}}'
    FROM generate_series(1, {RUNS}) AS g, generate_series(1, {STEPS}) AS k
    """,
    f"""
    INSERT INTO engine.failures (run_id, step_id, attempt, started_at, ended_at, error)
    SELECT {_id("R")}, 'id-{STEPS}', a, {_QUEUED}, {_QUEUED} + interval '1 second',
        '{{"name": "UpstreamUnavailable", "message": "answered 503", "stack": "Traceback …"}}'
    FROM generate_series(1, {RUNS}) AS g, generate_series(0, 3) AS a WHERE g % 97 = 0
    """,
)


def fill(engine: sa.Engine, *, now: datetime) -> None:
    """Fill a migrated database in which the functions are registered."""
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        for statement in _STATEMENTS:
            given = {"now": now} if ":now" in statement else {}
            connection.execute(sa.text(statement), given)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE")


def job_id(number: int) -> str:
    """The id of the job of this number, 1 to `JOBS`."""
    return "01J0000000000000000000000000000000"[: 26 - len(f"{number:X}")] + f"{number:X}"


def run_id(number: int) -> str:
    """The id of that job's run."""
    return job_id(number).replace("01J", "01R", 1)
