"""`protenders doctor`: each judgement, and a look at real installations."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from app import doctor
from app.doctor import Answer, Check
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


def _skewed(seconds: float) -> list[datetime]:
    return [NOW + timedelta(seconds=seconds)]


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (doctor.python_version((3, 11)), "ok"),
        (doctor.python_version((3, 14)), "ok"),
        (doctor.python_version((3, 10)), "failed"),
        (doctor.python_version((3, 15)), "failed"),
        (doctor.embedded_postgres(False, None), "ok"),
        (doctor.embedded_postgres(True, "set DATABASE_URL"), "ok"),
        (doctor.embedded_postgres(False, "set DATABASE_URL"), "failed"),
        (doctor.disk_space(HOME, 50 * GB), "ok"),
        (doctor.disk_space(HOME, GB - 1), "warning"),
        (doctor.disk_space(HOME, 1), "failed"),
        (doctor.port(8000, free=True, ours=False), "ok"),
        (doctor.port(8000, free=False, ours=True), "ok"),
        (doctor.port(8000, free=False, ours=False), "warning"),
        (doctor.host("https://x.example", Answer(), production=True), "ok"),
        (doctor.host("https://x.example", Answer(fault="down"), production=False), "warning"),
        (doctor.host("https://x.example", Answer(fault="down"), production=True), "failed"),
        (doctor.clock(NOW, []), "ok"),
        (doctor.clock(NOW, _skewed(59)), "ok"),
        (doctor.clock(NOW, _skewed(-61)), "failed"),
        (doctor.clock(NOW.replace(year=1970), []), "failed"),
        (doctor.migrations(MigrationStatus("0002", "0002", pending=False)), "ok"),
        (doctor.migrations(MigrationStatus("0001", "0002", pending=True)), "failed"),
        (doctor.migrations(MigrationStatus(None, "0002", pending=True)), "warning"),
        (doctor.pool(20, 180, 200), "ok"),
        (doctor.pool(20, 181, 200), "warning"),
        (doctor.engine("inngest", 0, 0, None), "ok"),
        (doctor.engine("embedded", 1, 0, timedelta(seconds=1)), "ok"),
        (doctor.engine("embedded", 1, 0, timedelta(minutes=6)), "failed"),
        (doctor.engine("embedded", 0, 3, timedelta(minutes=6)), "warning"),
        (doctor.last_sync(None, NOW), "warning"),
        (doctor.last_sync(NOW - timedelta(minutes=30), NOW), "ok"),
        (doctor.last_sync(NOW - timedelta(hours=2), NOW), "warning"),
        (doctor.last_sync(NOW + timedelta(hours=1), NOW), "ok"),
        (doctor.free_plan(18_720), "ok"),
        (doctor.free_plan(20_001), "warning"),
        (doctor.secrets(_settings()), "ok"),
        (doctor.secrets(_settings(app_env="production", secret_key="k" * 32)), "warning"),
        (
            doctor.secrets(
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


def test_a_missing_secret_is_named_and_no_value_is_shown() -> None:
    check = doctor.secrets(_settings(app_env="production", secret_key="value-of-the-secret"))
    assert "ADMIN_PASSWORD" in check.found
    assert "INNGEST_EVENT_KEY" in check.found
    assert "value-of-the-secret" not in str(check)


def test_a_working_installation_has_no_failure(database_url: str) -> None:
    with psycopg.connect(psycopg_dsn(database_url)) as connection:
        connection.execute(
            "INSERT INTO jobs (id, type, status, function_id, run_id, "
            "started_at, finished_at, heartbeat_at, metadata) "
            "VALUES ('j', 'DELTA_SYNC', 'SUCCESS', 'f', 'r', now(), now(), now(), '{\"executions\": 13}')"
        )
    checks = {check.name: check for check in doctor.run_checks(_settings(database_url=database_url))}
    assert {name for name, check in checks.items() if check.state == "failed"} == set()
    assert checks["Database"].found.startswith("PostgreSQL 1")
    assert checks["Last sync"].state == "ok"
    assert checks["Executions"].found.startswith("13 executions")
    assert checks["Source 127.0.0.1:1"].state == "warning"


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
