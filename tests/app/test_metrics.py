"""/metrics names everything that the dashboard and the alert rules use, is cheap, and outlives the database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app import metrics
from app.keeping import Kept, Measured
from app.runtime import Runtime
from app.serving import Serving
from db import measures

ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"\b(protenders_[a-z_]+|process_[a-z_]+)\b")
LARGE_TABLES = ("tenders", "tender_ids", "releases", "jobs", "job_steps")


@pytest.fixture
def runtime(served: Serving) -> Runtime:
    """The started app, with nothing kept of earlier metrics."""
    served.runtime.measured = Measured()
    return served.runtime


@pytest.fixture
def statements(runtime: Runtime) -> Iterator[list[str]]:
    """Every statement that the app sends from now on."""
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(runtime.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(runtime.engine, "before_cursor_execute", note)


def declared(text: str) -> set[str]:
    """Every metric that the text declares, by the name of its samples."""
    families = re.findall(r"^# TYPE (\S+) (\w+)", text, flags=re.MULTILINE)
    return {name for name, _ in families}


def named_in_rules() -> set[str]:
    rules = yaml.safe_load((ROOT / "ops" / "alert-rules.yml").read_text())
    found = [rule for group in rules["groups"] for rule in group["rules"]]
    assert all(rule["annotations"]["summary"] and rule["annotations"]["remedy"] for rule in found)
    return {name for rule in found for name in _NAME.findall(rule["expr"])}


def named_in_dashboard() -> set[str]:
    board = json.loads((ROOT / "ops" / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return {name for expression in expressions for name in _NAME.findall(expression)}


def test_every_metric_of_dashboard_and_rules_exists(runtime: Runtime) -> None:
    there = declared(metrics.render(runtime))
    assert len(named_in_rules()) > 10
    assert named_in_rules() - there == set()
    assert named_in_dashboard() - there == set()


def test_every_metric_is_on_the_dashboard_and_in_the_documentation(runtime: Runtime) -> None:
    ours = {name for name in declared(metrics.render(runtime)) if name.startswith("protenders_")}
    assert ours - named_in_dashboard() == set()
    told = set(_NAME.findall((ROOT / "docs" / "observability.md").read_text()))
    assert ours - told == set()
    assert {name for name in told if name.startswith("protenders_")} - ours == set()


def test_prometheus_can_read_it_and_every_family_has_its_help(served: Serving, anybody: httpx.Client) -> None:
    families = list(text_string_to_metric_families(anybody.get("/metrics").text))
    assert len(families) > 25
    assert [family.name for family in families if not family.documentation] == []
    values = {sample.name: sample.value for family in families for sample in family.samples}
    assert values["protenders_database_up"] == 1
    assert values["protenders_engine_instances"] == 1
    assert values["protenders_pool_most"] == 20


def test_whoever_asks_again_within_seconds_costs_the_database_nothing(
    runtime: Runtime, statements: list[str]
) -> None:
    metrics.render(runtime)
    first = len(statements)
    assert 10 <= first <= 25
    for _ in range(20):
        metrics.render(runtime)
    # The app's own live work may send one of its statements meanwhile; metrics would send hundreds.
    assert len(statements) < 2 * first


def test_no_statement_reads_a_whole_table_of_tenders(runtime: Runtime) -> None:
    """With sequential scans made dear, one is planned only where no index fits."""
    with runtime.engine.connect() as connection:
        plans: list[str] = []

        def explain(
            _conn: object,
            cursor: sa.engine.interfaces.DBAPICursor,
            statement: str,
            parameters: object,
            *_: object,
        ) -> None:
            if statement.lstrip().upper().startswith("SELECT") and "pg_class" not in statement:
                cursor.execute(f"EXPLAIN {statement}", parameters)
                plans.extend(str(row[0]) for row in cursor.fetchall())

        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        sa.event.listen(connection, "before_cursor_execute", explain)
        now = runtime.clock()
        measures.enrichment_waiting(connection)
        measures.jobs_since(connection, now)
        measures.active_jobs(connection, now=now)
        measures.steps_since(connection, now)
        measures.executions_since(connection, now)
        measures.roughly_all_tenders(connection)
        measures.incomplete_days(connection)
        connection.rollback()
    assert len(plans) > 6
    assert [line for line in plans if re.search(rf"Seq Scan on ({'|'.join(LARGE_TABLES)})\b", line)] == []


def test_without_a_database_the_process_still_answers(runtime: Runtime) -> None:
    engine = runtime.engine
    runtime.engine = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none")
    try:
        text = metrics.render(runtime)
    finally:
        runtime.engine = engine
    assert "protenders_database_up 0" in text
    assert "protenders_pool_checked_out 0" in text


def test_a_kept_value_is_made_again_when_it_is_old_and_after_an_error() -> None:
    now = [0.0]
    made = iter([1, 2])
    kept: Kept[int] = Kept(5.0, clock=lambda: now[0])

    def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        kept.get(fail)
    assert kept.get(lambda: next(made)) == 1
    now[0] = 4.9
    assert kept.get(lambda: next(made)) == 1
    now[0] = 5.0
    assert kept.get(lambda: next(made)) == 2


def values(runtime: Runtime) -> dict[str, float]:
    """Every sample by its name and labels, as it is now."""
    runtime.measured = Measured()
    return {
        " ".join(
            [sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))]
        ): sample.value
        for family in text_string_to_metric_families(metrics.render(runtime))
        for sample in family.samples
    }


def test_the_numbers_are_those_of_the_database(runtime: Runtime) -> None:
    before = values(runtime)
    with runtime.engine.begin() as connection:
        connection.execute(sa.text(_ROWS))
    after = values(runtime)
    added = {name: after[name] - before.get(name, 0) for name in after}
    expected = {
        "protenders_jobs status=SUCCESS type=MEASURED": 2,
        "protenders_jobs status=FAILED type=MEASURED": 1,
        "protenders_jobs_active type=MEASURED": 1,
        "protenders_steps status=SUCCESS": 1,
        "protenders_steps status=FAILED": 1,
        "protenders_step_retries": 3,
        "protenders_upstream_requests_total host=measured.example": 17,
        "protenders_upstream_errors_total host=measured.example": 4,
        "protenders_upstream_mean_seconds host=measured.example": 2.5,
        "protenders_upstream_consecutive_failures host=measured.example": 3,
        "protenders_upstream_open host=measured.example": 1,
        "protenders_coverage_incomplete_days": 2,
        "protenders_coverage_missing": 1,
        "protenders_coverage_awaiting_release": 1,
        "protenders_mails_waiting": 1,
    }
    assert {name: added[name] for name in expected} == expected
    assert 600 <= after["protenders_jobs_silent_seconds"] < 700
    assert 60 <= after["protenders_upstream_ok_age_seconds host=measured.example"] < 160


_ROWS = """
INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at, finished_at) VALUES
    ('m1', 'MEASURED', 'SUCCESS', 'f', 'm1', now(), now(), now()),
    ('m2', 'MEASURED', 'SUCCESS', 'f', 'm2', now(), now(), now()),
    ('m3', 'MEASURED', 'FAILED', 'f', 'm3', now(), now(), now()),
    ('m4', 'MEASURED', 'RUNNING', 'f', 'm4', now(), now() - interval '10 minutes', NULL),
    ('m5', 'MEASURED', 'SUCCESS', 'f', 'm5', now() - interval '2 days', now(), now());
INSERT INTO job_steps (job_id, run_id, name, status, attempts, started_at, attempt_started_at) VALUES
    ('m1', 'm1', 'a', 'SUCCESS', 1, now(), now()), ('m3', 'm3', 'a', 'FAILED', 4, now(), now()),
    ('m5', 'm5', 'a', 'SUCCESS', 9, now(), now());
INSERT INTO upstream_hosts (host, state, requests, errors, mean_seconds, consecutive_failures, last_ok_at) VALUES
    ('measured.example', 'open', 17, 4, 2.5, 3, now() - interval '1 minute');
INSERT INTO coverage_days (day, complete) VALUES
    ('1999-01-01', false), ('1999-01-02', false), ('1999-01-03', true);
INSERT INTO tender_ids (n, ocid, state, is_expected, is_present, first_expected_at) VALUES
    (-1, 'm-1', 'pending', true, false, now()), (-2, 'm-2', 'pending', true, true, now()),
    (-3, 'm-3', 'pending', false, false, now());
INSERT INTO saved_searches (id, name, email) VALUES ('m', 'm', 'm@example.org');
INSERT INTO alert_deliveries (id, search_id, due_at, state, sent_to) VALUES
    ('m1', 'm', now(), 'prepared', 'm@example.org'),
    ('m2', 'm', now() + interval '1 day', 'sent', 'm@example.org');
"""
