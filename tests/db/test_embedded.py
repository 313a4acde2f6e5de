"""The embedded PostgreSQL's life: real processes, really killed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from db import embedded_place
from db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from db.embedded_place import Place
from db.engine import psycopg_dsn
from tests.waiting import until

_USER = """
import json, sys
from pathlib import Path
from db.embedded import EmbeddedPostgres
lease = EmbeddedPostgres(Path(sys.argv[1]), durable=False).acquire()
print(json.dumps(lease.url), flush=True)
sys.stdin.read()
lease.release()
"""


class User:
    """Another process that uses the server until it is told to end, or killed."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended without a lease"
        return str(json.loads(line))

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        self.process.communicate("")
        return self.process.returncode


@pytest.fixture
def users(protenders_home: Path) -> Iterator[ExitStack]:
    """Ends what a failed test left."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def user(protenders_home: Path, users: ExitStack) -> User:
    return _user(protenders_home, users)


def _user(home: Path, users: ExitStack) -> User:
    made = User(home)
    users.callback(made.kill)
    return made


def _server(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, durable=False)


def _postmaster(home: Path) -> int:
    return int((Place.prepare(home).data / "postmaster.pid").read_text().split("\n", 1)[0])


def _supervisor(home: Path) -> int:
    return psutil.Process(_postmaster(home)).ppid()


def _select(url: str, query: str = "SELECT 1") -> object:
    with psycopg.connect(psycopg_dsn(url)) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def _answers(url: str) -> bool:
    try:
        return _select(url) == 1
    except psycopg.OperationalError:
        return False


def _unsupervised(home: Path) -> bool:
    """Whether the supervisor's lock is free: it holds it until PostgreSQL has stopped."""
    with Place.prepare(home).lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _processes(home: Path) -> list[psutil.Process]:
    """Every PostgreSQL process that works in the data directory of this home."""
    data = str(Place.prepare(home).data)
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == data:
                found.append(process)
    return found


def _with_argument(text: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if text in process.cmdline():
                found.append(process)
    return found


def _stopped(home: Path) -> bool:
    return _unsupervised(home) and not _processes(home)


def test_the_last_release_returns_when_the_server_has_stopped_and_the_data_stays(
    protenders_home: Path,
) -> None:
    with _server(protenders_home).acquire() as lease, psycopg.connect(psycopg_dsn(lease.url)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert _stopped(protenders_home)
    assert not (Place.prepare(protenders_home).data / "postmaster.pid").exists()

    with _server(protenders_home).acquire() as lease:
        assert _select(lease.url, "SELECT answer FROM kept") == 42


def test_it_is_a_utf8_postgresql_18_for_an_ordinary_role(protenders_home: Path) -> None:
    with _server(protenders_home).acquire() as lease:
        assert _select(lease.url, "SELECT current_setting('server_version_num')::int / 10000") == 18
        assert _select(lease.url, "SELECT current_setting('server_encoding')") == "UTF8"
        assert _select(lease.url, "SELECT upper('ûlé')") == "ÛLÉ"
        assert _select(lease.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert _select(lease.url, "SELECT current_setting('listen_addresses')") == ""


def test_two_processes_share_one_server_until_the_last_is_killed(
    protenders_home: Path, users: ExitStack
) -> None:
    one, two = _user(protenders_home, users), _user(protenders_home, users)
    url = one.url()
    assert two.url() == url
    postmaster = _postmaster(protenders_home)

    one.kill()
    assert _select(url) == 1
    assert _postmaster(protenders_home) == postmaster

    two.kill()
    until(lambda: _stopped(protenders_home), what="the server's end")
    assert not psutil.pid_exists(postmaster)


def test_ten_processes_at_once_on_a_new_home_get_one_server(protenders_home: Path, users: ExitStack) -> None:
    everyone = [_user(protenders_home, users) for _ in range(10)]
    assert len({user.url() for user in everyone}) == 1
    assert (
        len([p for p in _processes(protenders_home) if p.name() == "postgres" and "-D" in p.cmdline()]) == 1
    )
    assert [user.end() for user in everyone] == [0] * 10
    assert _stopped(protenders_home)


def test_a_server_that_is_stopping_is_waited_for_and_started_again(
    protenders_home: Path, users: ExitStack
) -> None:
    for _ in range(5):
        user = _user(protenders_home, users)
        user.url()
        user.kill()
        with _server(protenders_home).acquire() as lease:
            assert _select(lease.url) == 1


def test_a_user_killed_while_the_server_starts_leaves_nothing_running(
    protenders_home: Path, user: User
) -> None:
    until(Place.prepare(protenders_home).supervisor_log.exists, what="the start")
    user.kill()
    until(lambda: _stopped(protenders_home), what="the server's end")
    with _server(protenders_home).acquire() as lease:
        assert _select(lease.url) == 1


def test_a_killed_postmaster_is_replaced_while_its_users_live(protenders_home: Path) -> None:
    with _server(protenders_home).acquire() as lease:
        for _ in range(3):
            killed = _postmaster(protenders_home)
            os.kill(killed, signal.SIGKILL)
            until(lambda: _answers(lease.url), what="another postmaster")
            assert _postmaster(protenders_home) != killed
    assert _stopped(protenders_home)


def test_a_killed_supervisor_is_replaced_while_its_users_live(protenders_home: Path) -> None:
    with _server(protenders_home).acquire() as lease:
        killed = _supervisor(protenders_home)
        os.kill(killed, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(killed), what="the supervisor's end")
        until(
            lambda: _answers(lease.url) and _supervisor(protenders_home) != killed, what="another supervisor"
        )
    assert _stopped(protenders_home)


def test_everything_killed_with_a_backend_at_work_starts_again(
    protenders_home: Path, user: User, users: ExitStack
) -> None:
    url = user.url()
    # A loop that never looks up: it would outlive its postmaster, and a new one refuses to start beside it.
    busy = subprocess.Popen(
        [sys.executable, "-c", f"import psycopg; psycopg.connect({psycopg_dsn(url)!r}).execute({_BUSY!r})"],
        stderr=subprocess.DEVNULL,
    )
    users.callback(busy.communicate)
    users.callback(busy.kill)
    until(lambda: _select(url, _BUSY_COUNT) == 1, what="the busy backend")
    postmaster, supervisor = _postmaster(protenders_home), _supervisor(protenders_home)

    user.kill()
    os.kill(supervisor, signal.SIGKILL)
    os.kill(postmaster, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(postmaster) and not psutil.pid_exists(supervisor), what="their end")

    with _server(protenders_home).acquire() as lease:
        assert _select(lease.url) == 1
        assert _select(lease.url, _BUSY_COUNT) == 0


_BUSY = "SELECT count(*) FROM generate_series(1, 1000000000) a"
_BUSY_COUNT = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1000000000%' AND pid <> pg_backend_pid()"
)


def test_a_killed_initdb_is_done_again(protenders_home: Path, user: User) -> None:
    place = Place.prepare(protenders_home)
    half = until(lambda: next(place.cluster.glob("init-*/pg_wal"), None), what="a half-made cluster")
    for process in _with_argument(str(half.parent)):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    user.kill()
    until(lambda: _stopped(protenders_home), what="the server's end")
    assert not (place.data / "PG_VERSION").exists()

    with _server(protenders_home).acquire() as lease:
        assert _select(lease.url) == 1
    assert not list(place.cluster.glob("init-*"))


def test_a_pid_file_with_another_programs_number_does_not_stop_the_start(
    protenders_home: Path, users: ExitStack
) -> None:
    _server(protenders_home).acquire().release()
    place = Place.prepare(protenders_home)
    owner = {} if place.account is None else place.account.process()
    other = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **owner)
    users.callback(other.communicate)
    (place.data / "postmaster.pid").write_text(f"{other.pid}\n{place.data}\n")

    with _server(protenders_home).acquire() as lease:
        assert _select(lease.url) == 1
    assert other.poll() is None


def test_the_terminals_signals_are_not_for_the_server(protenders_home: Path) -> None:
    with _server(protenders_home).acquire() as lease:
        supervisor = _supervisor(protenders_home)
        assert os.getsid(supervisor) != os.getsid(0)
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(supervisor, sent)
        assert _select(lease.url) == 1
        assert _supervisor(protenders_home) == supervisor


def test_a_path_longer_than_a_socket_name_works(protenders_home: Path) -> None:
    deep = protenders_home / ("long-directory-name-" * 5) / ("and-another-one-" * 5)
    with _server(deep).acquire() as lease:
        assert _select(lease.url) == 1
        run = Place.prepare(deep).run
        assert not run.is_relative_to(deep)
        assert stat.S_IMODE(run.stat().st_mode) == 0o700
    _server(deep).destroy()
    assert not run.exists()


def test_a_home_below_a_private_directory_works_and_leaves_it_private(protenders_home: Path) -> None:
    private = protenders_home / "private"
    private.mkdir(mode=0o700)
    home = private / "project" / "home"
    around = [path for path in home.parents if path.exists()]
    before = [(path, path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in around]

    with _server(home).acquire() as lease:
        assert _select(lease.url) == 1
        assert {process.uids().effective for process in _processes(home)} == {_server_uid()}
        place = Place.prepare(home)
        assert stat.S_IMODE(place.cluster.stat().st_mode) == 0o700
        assert place.cluster.stat().st_uid == _server_uid()
        # What its account could replace by a link, we must not write to.
        assert {path.stat().st_uid for path in (place.state, place.server, place.lock)} == {os.geteuid()}

    assert before == [(path, path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in around]
    _server(home).destroy()
    assert not place.server.exists()


def _server_uid() -> int:
    account = embedded_place.server_account()
    return os.geteuid() if account is None else account.uid


def test_only_who_can_read_the_password_gets_in(protenders_home: Path) -> None:
    with _server(protenders_home).acquire() as lease:
        place = Place.prepare(protenders_home)
        assert stat.S_IMODE(place.password_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(place.run.stat().st_mode) == 0o700
        for role, password in (("protenders", "wrong"), ("postgres", "wrong"), ("postgres", "")):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(psycopg_dsn(lease.url), user=role, password=password)


def test_a_lost_password_is_replaced(protenders_home: Path) -> None:
    with _server(protenders_home).acquire() as lease, psycopg.connect(psycopg_dsn(lease.url)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        old = lease.url
    Place.prepare(protenders_home).password_file.unlink()

    with _server(protenders_home).acquire() as lease:
        assert lease.url != old
        assert _select(lease.url, "SELECT answer FROM kept") == 42


def test_a_deleted_cluster_is_made_anew(protenders_home: Path) -> None:
    _server(protenders_home).acquire().release()
    shutil.rmtree(Place.prepare(protenders_home).cluster)
    with _server(protenders_home).acquire() as lease:
        assert _select(lease.url) == 1


def test_data_that_cannot_be_opened_is_an_error_that_says_why(protenders_home: Path) -> None:
    _server(protenders_home).acquire().release()
    (Place.prepare(protenders_home).data / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedPostgresError, match="does not start"):
        _server(protenders_home).acquire(timeout=30)
    until(lambda: _stopped(protenders_home), what="the supervisor's end")


def test_data_of_another_postgresql_release_is_refused(protenders_home: Path) -> None:
    _server(protenders_home).acquire().release()
    (Place.prepare(protenders_home).data / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match="PostgreSQL 16"):
        _server(protenders_home).acquire(timeout=30)


def test_a_platform_without_a_wheel_is_told_to_set_database_url(
    protenders_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_place, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedPostgresError, match="set DATABASE_URL=postgresql://"):
        _server(protenders_home).acquire()


def test_a_server_in_use_is_not_destroyed(protenders_home: Path) -> None:
    with _server(protenders_home).acquire() as lease:
        with pytest.raises(EmbeddedPostgresError, match="in use"):
            _server(protenders_home).destroy()
        assert _select(lease.url) == 1
    _server(protenders_home).destroy()
    assert not (protenders_home / "postgres").exists()
