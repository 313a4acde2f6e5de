"""What `make run` starts, with the embedded PostgreSQL: it serves, stops as a whole, and finds its data again."""

from __future__ import annotations

import fcntl
import signal
from pathlib import Path

import httpx
import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from db.embedded_place import Place
from db.engine import psycopg_dsn
from tests.acceptance.processes import PROTENDERS, Process, environment, free_port, running, wait_for

pytestmark = pytest.mark.acceptance


def _serve(port: int) -> tuple[str, ...]:
    return (*PROTENDERS, "serve", "--port", str(port), "--source", "replay", "--first-sync")


def _ready(process: Process, port: int) -> bool:
    assert process.popen.poll() is None, process.said
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _tenders(home: Path) -> int:
    with EmbeddedPostgres(home).acquire() as lease, psycopg.connect(psycopg_dsn(lease.url)) as connection:
        row = connection.execute("SELECT count(*) FROM tenders").fetchone()
    assert row is not None
    return int(row[0])


def _stopped(home: Path) -> bool:
    """Whether PostgreSQL's supervisor, which ends after PostgreSQL, has let its lock go."""
    with Place.prepare(home).lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_all_in_the_middle_of_a_sync_and_the_next_start_keeps_the_data(
    protenders_home: Path, ended_by: signal.Signals
) -> None:
    settings = environment(
        PROTENDERS_HOME=str(protenders_home), ADMIN_PASSWORD="a long pass phrase for tests"
    )
    port = free_port()
    with running(*_serve(port), env=settings) as process:
        wait_for("the server", lambda: _ready(process, port), seconds=120)
        wait_for("the first tenders", lambda: _tenders(protenders_home), seconds=180)
        process.popen.send_signal(ended_by)
        assert process.popen.wait(30) == 0, process.said
        assert _stopped(protenders_home)
    assert "Traceback" not in process.said
    kept = _tenders(protenders_home)
    assert kept > 0

    with running(*_serve(port), env=settings) as process:
        wait_for("the server", lambda: _ready(process, port), seconds=120)
        process.popen.send_signal(ended_by)
        assert process.popen.wait(30) == 0, process.said
    assert _tenders(protenders_home) >= kept
