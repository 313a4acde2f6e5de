"""`protenders doctor`: each judgement, and a look at real installations."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app import doctor, doctor_facts, judgements
from app.database import DatabaseUnavailableError, prepare
from app.freshness import Host
from app.judgements import REMEDIES, Check
from app.settings import Settings
from db.engine import psycopg_dsn
from db.migrate import MigrationStatus

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GB = 1024**3
HOME = Path("/srv/protenders")


def _settings(**given: object) -> Settings:
    return Settings(
        _env_file=None,
        **{"ocds_base_url": "http://127.0.0.1:1", "etenders_base_url": "http://127.0.0.1:1"} | given,
    )  # type: ignore[arg-type]


def _external(signing_key: str) -> Settings:
    return _settings(inngest_signing_key=signing_key, inngest_event_key="e" * 20, secret_key="k" * 32)


def _skewed(seconds: float) -> list[datetime]:
    return [NOW + timedelta(seconds=seconds)]


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (judgements.python_version((3, 11)), "ok"),
        (judgements.python_version((3, 14)), "ok"),
        (judgements.python_version((3, 10)), "failed"),
        (judgements.python_version((3, 15)), "failed"),
        (judgements.embedded_postgres(False, None), "ok"),
        (judgements.embedded_postgres(True, "set DATABASE_URL"), "ok"),
        (judgements.embedded_postgres(False, "set DATABASE_URL"), "failed"),
        (judgements.disk_space(HOME, 50 * GB), "ok"),
        (judgements.disk_space(HOME, GB - 1), "warning"),
        (judgements.disk_space(HOME, 1), "failed"),
        (judgements.port(8000, free=True, ours=False), "ok"),
        (judgements.port(8000, free=False, ours=True), "ok"),
        (judgements.port(8000, free=False, ours=False), "warning"),
        (judgements.host("https://x.example", None, production=True), "ok"),
        (judgements.host("https://x.example", "down", production=False), "warning"),
        (judgements.host("https://x.example", "down", production=True), "failed"),
        (judgements.clock(NOW, []), "ok"),
        (judgements.clock(NOW, _skewed(59)), "ok"),
        (judgements.clock(NOW, _skewed(-61)), "failed"),
        (judgements.clock(NOW.replace(year=1970), []), "failed"),
        (judgements.migrations(MigrationStatus("0002", "0002", pending=False)), "ok"),
        (judgements.migrations(MigrationStatus("0001", "0002", pending=True)), "failed"),
        (judgements.migrations(MigrationStatus(None, "0002", pending=True)), "warning"),
        (judgements.pool(20, 180, 200), "ok"),
        (judgements.pool(20, 181, 200), "warning"),
        (judgements.engine("inngest", 0, 0, None), "ok"),
        (judgements.engine("embedded", 1, 0, timedelta(seconds=1)), "ok"),
        (judgements.engine("embedded", 1, 0, timedelta(minutes=6)), "failed"),
        (judgements.engine("embedded", 0, 3, timedelta(minutes=6)), "warning"),
        (judgements.last_sync(None, NOW), "warning"),
        (judgements.last_sync(NOW - timedelta(minutes=30), NOW), "ok"),
        (judgements.last_sync(NOW - timedelta(hours=2), NOW), "warning"),
        (judgements.last_sync(NOW + timedelta(hours=1), NOW), "ok"),
        (judgements.free_plan(9_300, NOW.replace(day=16, hour=0)), "ok"),
        (judgements.free_plan(9_700, NOW.replace(day=16, hour=0)), "warning"),
        (judgements.free_plan(600, NOW.replace(hour=0)), "ok"),
        (judgements.home(HOME, writable=True), "ok"),
        (judgements.home(HOME, writable=False), "failed"),
        (judgements.keys(_settings()), "ok"),
        (judgements.keys(_external("signkey-prod-" + "ab" * 32)), "ok"),
        (judgements.keys(_external("signkey-prod-abc")), "failed"),
        (judgements.keys(_external("not-hexadecimal")), "failed"),
        (judgements.optional_package("SENTRY_DSN", "sentry_sdk", installed=True), "ok"),
        (judgements.optional_package("SENTRY_DSN", "sentry_sdk", installed=False), "warning"),
        (judgements.mail(None, None), "ok"),
        (judgements.mail(None, "ALERT_EMAIL is set and SMTP_HOST is not"), "failed"),
        (judgements.mail("mail.example:587", None), "ok"),
        (judgements.mail("mail.example:587", "mail.example:587 takes no mail: refused"), "failed"),
        (judgements.upstream([Host("a.example", "closed", NOW, None)], None, NOW), "ok"),
        (
            judgements.upstream([Host("a.example", "open", NOW, NOW + timedelta(1), "HTTP 503")], None, NOW),
            "warning",
        ),
        (judgements.upstream([], "far fewer rows than before", NOW), "warning"),
        (judgements.inngest("http://127.0.0.1:1", None), "ok"),
        (judgements.inngest("http://127.0.0.1:1", "does not answer"), "failed"),
        (judgements.functions(9, [], running=True), "ok"),
        (judgements.functions(9, ["tender-sync"], running=True), "warning"),
        (judgements.functions(0, [], running=True), "failed"),
        (judgements.functions(0, [], running=False), "warning"),
        (judgements.events({}), "ok"),
        (judgements.events({"tenders/sync.requested": 2}), "warning"),
        (judgements.active_job("01J", "fetch", timedelta(seconds=9)), "ok"),
        (judgements.active_job("01J", None, timedelta(minutes=6)), "warning"),
        (judgements.job_log(0), "ok"),
        (judgements.job_log(1), "failed"),
        (judgements.migrations(MigrationStatus("0009", "0002", pending=True, known=False)), "failed"),
        (judgements.secrets(_settings()), "ok"),
        (judgements.secrets(_settings(app_env="production", secret_key="k" * 32)), "warning"),
        (
            judgements.secrets(
                _settings(
                    app_env="production",
                    secret_key="k" * 32,
                    admin_password="p" * 20,
                    inngest_event_key="e" * 20,
                )
            ),
            "ok",
        ),
    ],
)
def test_a_judgement_is_right_and_says_what_to_do(check: Check, state: str) -> None:
    assert check.state == state
    assert check.found
    assert (check.remedy is None) == (state == "ok")


def test_every_remedy_and_every_check_is_explained_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
    words = " ".join(page.split())
    assert [remedy for remedy in REMEDIES.values() if remedy not in words] == []
    named = set(re.findall(r'(?:Check|good|bad)\("([^"]+)"', _source()))
    assert len(named) > 18
    assert [name for name in named if f"| {name} |" not in page] == []


def _source() -> str:
    return Path(doctor.__file__).read_text() + Path(judgements.__file__).read_text()


def test_a_missing_secret_is_named_and_no_value_is_shown() -> None:
    check = judgements.secrets(_settings(app_env="production", secret_key="value-of-the-secret"))
    assert "ADMIN_PASSWORD" in check.found
    assert "INNGEST_EVENT_KEY" in check.found
    assert "value-of-the-secret" not in str(check)


def test_a_working_installation_has_no_failure(database_url: str) -> None:
    with psycopg.connect(psycopg_dsn(database_url)) as connection:
        connection.execute(
            "INSERT INTO jobs (id, type, status, function_id, run_id, "
            "started_at, finished_at, heartbeat_at, metadata) "
            "VALUES ('j', 'DELTA_SYNC', 'SUCCESS', 'f', 'r', now(), now(), now(), '{}')"
        )
        connection.execute("INSERT INTO job_runs (run_id, job_id) VALUES ('r', 'j')")
    checks = {check.name: check for check in doctor.run_checks(_settings(database_url=database_url))}
    assert {name for name, check in checks.items() if check.state == "failed"} == set()
    assert checks["Database"].found.startswith("PostgreSQL 1")
    assert checks["Last sync"].state == "ok"
    assert checks["Executions"].found.startswith("1 this month")
    assert checks["Job log"].state == checks["Events"].state == checks["eTenders"].state == "ok"
    assert checks["Source 127.0.0.1:1"].state == "warning"
    assert checks["Mail"].state == "ok"


def test_an_alarm_that_goes_to_nobody_is_a_failure(empty_database_url: str) -> None:
    settings = _settings(database_url=empty_database_url, alert_email="operator@protenders.example")
    checks = {check.name: check for check in doctor.run_checks(settings)}
    assert checks["Mail"].state == "failed"
    assert "written to PROTENDERS_HOME/outbox" in checks["Mail"].found


def test_an_ailing_installation_hears_what_ails_it(database_url: str) -> None:
    with psycopg.connect(psycopg_dsn(database_url)) as connection:
        connection.execute(_AILING)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        settings = _settings(
            database_url=database_url,
            smtp_host="127.0.0.1",
            smtp_port=silent.getsockname()[1],
            email_from="a@example.org",
        )
        checks = {check.name: check for check in doctor.run_checks(settings)}
    assert "tenders/sync.requested (1)" in checks["Events"].found
    assert "tender/sync.requested" not in checks["Events"].found
    assert checks["Functions"].found == "paused: protenders-platform-tender-sync"
    assert checks["Job log"].found.startswith("1 runs")
    assert "01J at step fetch-portal-rows, last sign of life 20 minutes ago" in checks["Jobs"].found
    assert checks["Jobs"].state == "warning"
    assert "HTTP 503" in checks["eTenders"].found
    assert "far fewer rows" in checks["eTenders"].found
    assert checks["Mail"].state == "failed"
    assert "takes no mail" in checks["Mail"].found


def test_a_job_that_waits_for_what_is_due_is_not_taken_for_dead(database_url: str) -> None:
    with psycopg.connect(psycopg_dsn(database_url)) as connection:
        connection.execute(
            "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at) VALUES"
            " ('01H', 'HISTORY_BACKFILL', 'RUNNING', 'f', 'r', now(), now() - interval '9 minutes')"
        )
        connection.execute(
            "INSERT INTO job_steps (job_id, run_id, name, status, started_at, attempt_started_at, output) VALUES"
            " ('01H', 'r', 'fetch-releases-3', 'SUCCESS', now(), now(),"
            " jsonb_build_object('until', now() + interval '5 hours'))"
        )
    check = next(
        each for each in doctor.run_checks(_settings(database_url=database_url)) if each.name == "Jobs"
    )
    assert check.state == "ok"
    assert check.found.startswith("01H at step fetch-releases-3, waits ")


def test_a_failure_handler_belongs_to_its_function(db_engine: sa.Engine) -> None:
    with db_engine.begin() as connection:
        connection.execute(sa.text(_AILING.replace(":", "\\:")))
        assert doctor_facts.functions(connection) == (1, ["protenders-platform-tender-sync"])


_AILING = """
INSERT INTO engine.functions (id, app, slug, name, config, paused_at) VALUES (gen_random_uuid(), 'protenders-platform',
    'protenders-platform-tender-sync', 's', '{"triggers": [{"event": "tender/sync.requested"}]}', now()),
    (gen_random_uuid(), 'protenders-platform', 'protenders-platform-tender-sync-failure', 'f',
    '{"triggers": [{"event": "inngest/function.failed"}]}', now());
INSERT INTO engine.events (id, name, body, received_at) VALUES ('e1', 'tenders/sync.requested', '{}', now()),
    ('e2', 'tender/sync.requested', '{}', now()), ('e3', 'old/one', '{}', now() - interval '2 days'),
    ('e4', 'inngest/function.finished', '{}', now());
INSERT INTO engine.steps (run_id, id, name, op, status, attempt, queued_at, ended_at)
    VALUES ('01R', 's', 'create-job-log', 'StepRun', 'Completed', 0, now(), now());
INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at)
    VALUES ('01J', 'DELTA_SYNC', 'RUNNING', 'f', 'r', now(), now() - interval '20 minutes');
INSERT INTO job_steps (job_id, run_id, name, status, started_at, attempt_started_at)
    VALUES ('01J', 'r', 'fetch-portal-rows', 'RUNNING', now(), now());
INSERT INTO upstream_hosts (host, state, last_error_at, last_error) VALUES ('x.example', 'open', now(), 'HTTP 503');
INSERT INTO portal_snapshots (bucket, fetched_at, accepted, reason) VALUES (1, now(), false, 'far fewer rows');
"""


def test_a_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    with psycopg.connect(psycopg_dsn(database_url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_later'")
    [check] = [c for c in doctor.run_checks(_settings(database_url=database_url)) if c.name == "Migrations"]
    assert (check.state, check.remedy) == ("failed", REMEDIES["newer"])
    with pytest.raises(DatabaseUnavailableError, match="9999_later"):
        prepare(database_url)


def test_an_empty_database_is_not_looked_into(empty_database_url: str) -> None:
    checks = {check.name: check for check in doctor.run_checks(_settings(database_url=empty_database_url))}
    assert checks["Migrations"].state == "warning"
    assert checks["Jobs"].state == "skipped"


def test_the_command_fails_when_the_database_does_and_never_shows_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"postgresql://ada:hunter2@127.0.0.1:{silent.getsockname()[1]}/tenders"
        monkeypatch.setattr(doctor, "load", lambda: _settings(database_url=url))
        assert doctor.run(as_json=True) == 1
        assert doctor.run() == 1
    printed = capsys.readouterr().out
    assert "hunter2" not in printed
    document = json.loads(printed[: printed.index("\n}\n") + 2])
    [database] = [check for check in document["checks"] if check["name"] == "Database"]
    assert database["state"] == "failed"
    assert "DATABASE_URL" in database["remedy"]
    assert document["ok"] is False


def test_settings_that_cannot_be_read_are_the_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "many")
    assert doctor.run() == 1
    printed = capsys.readouterr().out
    assert "DB_POOL_SIZE" in printed
    assert "→" in printed
