"""The command line: one clear message and the promised exit code for whatever goes wrong."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.cli import follow
from app.cli.main import run
from app.cli.outcome import STATUS_CODES
from app.words import instant
from db import job_steps, jobs
from db.clock import iso
from db.engine import make_engine
from db.jobs_tables import ACTIVE, STATUSES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sync", "--bogus"], "No such option"),
        (["nonsense"], "No such command"),
        (["sync", "--from", "2026-02-30"], "--from 2026-02-30: is not a day"),
        (["sync", "--from", "2026-08-14", "--to", "2026-08-01"], "is after --to"),
        (["backfill", "--from", "2026-08-14", "--to", "x"], "--to x: is not a day"),
        (["send", "tender/sync.requested", "--data", "{"], "--data: is not JSON"),
        (["send", "tender/sync.requested", "--data", "[]"], "must be a JSON object"),
        (["send", "tender/sync.requested", "--data", '{"fromDate": "x"}'], "fromDate"),
        (["send", "tender/sync.requested", "--data", '{"colour": "red"}'], "colour"),
        (["send", "no/such.event"], "There is no event 'no/such.event'"),
        (["sync", "--from", "2999-01-01"], "fromDate 2999-01-01 is in the future"),
        (["backfill", "--from", "0001-01-01", "--to", "2026-01-01"], "fromDate"),
        (["enrich", "12345"], "ocid"),
        (["serve", "--source", "imagined"], "write live, replay or auto"),
        (["serve", "--port", "99999"], "port"),
        (["replay", "--ids", "9-1"], "--ids 9-1"),
        (["replay", "--faults", "many"], "--faults many"),
        (["users", "add", " "], "NAME is empty"),
        (["users", "add", "x", "--role", "king"], "write admin or viewer"),
        (["jobs", "--status", "FINISHED"], "--status FINISHED: write one of QUEUED"),
        (["db", "backup", "/no/such/folder/x"], "/no/such/folder/x cannot be written"),
        (["db", "backup", "/"], "name a file"),
        (["bench", "everything"], "write save, sync, engine, all"),
        (["export", "--format", "papyrus"], "papyrus"),
    ],
)
def test_bad_usage_is_told_and_ends_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err


def test_an_unreachable_database_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush-hush@127.0.0.1:1/nowhere")
    assert run(["jobs"]) == 1
    shown = capsys.readouterr().err
    assert "127.0.0.1:1/nowhere" in shown
    assert "doctor" in shown
    assert "hush-hush" not in shown

    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush/hush@127.0.0.1:1/nowhere")
    assert run(["jobs"]) == 1
    shown = capsys.readouterr().err
    assert "127.0.0.1:1/nowhere" in shown
    assert "hush" not in shown


def test_a_busy_port_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/never-asked")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["serve", "--port", str(port)]) == 1
    shown = capsys.readouterr().err
    assert f"Port {port} on 127.0.0.1 is in use" in shown
    assert f"--port {port + 1}" in shown


def test_a_bad_setting_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "-3")
    assert run(["serve"]) == 2
    assert "Remedy" in capsys.readouterr().err


def test_a_job_that_waits_is_followed_without_alarm(database_url: str) -> None:
    engine = make_engine(database_url)
    beaten, until = datetime.now(UTC) - timedelta(minutes=9), datetime.now(UTC) + timedelta(hours=5)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO jobs (id, type, status, function_id, run_id, event_id, started_at, heartbeat_at)"
                " VALUES ('01H', 'HISTORY_BACKFILL', 'RUNNING', 'f', 'r', 'e', :beaten, :beaten)"
            ),
            {"beaten": beaten},
        )
        job_steps.start(connection, "01H", run_id="r", name="fetch-releases-1", now=beaten)
        output = {"until": iso(until)}
        job_steps.finish(connection, "01H", run_id="r", name="fetch-releases-1", output=output, now=beaten)
        waiting = jobs.get(connection, "01H")
        assert waiting is not None
    assert f"waits until {instant(until)}" in follow._line(waiting)
    assert "sign of life" not in follow._line(waiting)
    assert "sign of life" in follow._line(replace(waiting, steps=()))
    engine.dispose()


def test_every_way_a_job_ends_has_an_exit_code() -> None:
    assert set(STATUS_CODES) == set(STATUSES) - set(ACTIVE)
    promised = {"SUCCESS": 0, "PARTIAL": 3, "FAILED": 1, "CANCELLED": 4}
    assert {status: STATUS_CODES[status] for status in promised} == promised


def test_help_is_quick_because_it_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom app.cli.main import run\nassert run(['--help']) == 0\n"
        "heavy = {'sqlalchemy', 'fastapi', 'inngest', 'psycopg', 'uvicorn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_users_are_added_listed_changed_and_the_last_admin_stays(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run(["users", "add", "Thandi", "--role", "admin"]) == 0
    assert "Password, shown this once: " in capsys.readouterr().out
    assert run(["users", "add", "thandi"]) == 1
    assert run(["users", "set-role", "thandi", "viewer"]) == 1
    assert "only admin" in capsys.readouterr().err
    assert run(["users", "add", "sipho"]) == 0
    assert run(["users", "set-role", "sipho", "admin"]) == 0
    assert run(["users", "disable", "thandi"]) == 0
    assert run(["users", "disable", "nobody"]) == 1
    capsys.readouterr()
    assert run(["users", "list", "--json"]) == 0
    listed = {user["username"]: user for user in json.loads(capsys.readouterr().out)}
    assert listed["thandi"]["active"] is False
    assert listed["sipho"]["role"] == "admin"


def test_json_commands_print_one_document(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for arguments in (["jobs", "--json"], ["coverage", "--json"]):
        assert run(arguments) == 0
        json.loads(capsys.readouterr().out)
    assert run(["job", "none", "--json"]) == 1
    assert capsys.readouterr().out == ""


def test_a_choice_of_jobs_that_none_fits_is_not_called_an_empty_log(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run(["jobs", "--status", "failed"]) == 0
    assert "No job fits" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["serve"], ["sync"]])
def test_production_takes_no_other_source(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("SECRET_KEY", "k" * 40)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/never-asked")
    assert run([*command, "--source", "replay"]) == 2
    assert "Production always uses the live source" in capsys.readouterr().err


def test_a_stand_in_that_cannot_start_says_nowhere_that_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["replay", "--port", str(port)]) == 1
    shown = capsys.readouterr().err
    assert f"Port {port} on 127.0.0.1 is in use" in shown
    assert "stand-in is at" not in shown


def test_the_schema_is_brought_up_to_date_and_said(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    assert run(["db", "status"]) == 1
    assert "protenders db upgrade" in capsys.readouterr().out
    assert run(["db", "upgrade"]) == 0
    assert run(["db", "status"]) == 0
    assert run(["db", "url"]) == 0


@pytest.mark.parametrize(("options", "shown"), [([], "***"), (["--show-password"], "hush-hush")])
def test_the_address_has_its_password_only_when_that_is_asked_for(
    options: list[str], shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush-hush@db.example/tenders")
    assert run(["db", "url", *options]) == 0
    assert capsys.readouterr().out == f"postgresql://me:{shown}@db.example/tenders\n"
