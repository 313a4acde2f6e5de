"""What is wrong with this installation, and what to do about it.

`run_checks` gathers facts and hands each to a small pure judgement; nothing is changed, but the
embedded PostgreSQL is started for the look and stopped again.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import httpx
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from app import runfile
from app.database import DatabaseUnavailableError, database_url, pooled_engine
from app.freshness import LATE_AFTER, in_words
from app.settings import Settings, SettingsError, load
from db import migrate
from db.embedded import EmbeddedPostgresError, binaries

State = Literal["ok", "warning", "failed", "skipped"]

PORT = 8000
HOST_SECONDS = 8.0
FREE_PLAN_EXECUTIONS = 50_000
PROMISED_EXECUTIONS = 20_000
SUPPORTED = ((3, 11), (3, 14))
_MB = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What a source said when it was asked: its clock, if it told; the fault when it said nothing."""

    fault: str | None = None
    clock: datetime | None = None


@dataclass(frozen=True)
class Check:
    """One finding. Whatever is not ok names its remedy."""

    name: str
    state: State
    found: str
    remedy: str | None = None


def run(*, as_json: bool = False) -> int:
    """Print all findings; 1 when one of them is a failure."""
    try:
        checks = run_checks(load())
    except SettingsError as error:
        checks = [_settings_problem(problem) for problem in error.problems]
    failed = any(check.state == "failed" for check in checks)
    if as_json:
        sys.stdout.write(
            json.dumps({"ok": not failed, "checks": [asdict(c) for c in checks]}, indent=2) + "\n"
        )
    else:
        _print(checks)
    return 1 if failed else 0


def run_checks(settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Check]:
    """Every check, in the order in which one would repair things."""
    hosts = (settings.ocds_base_url, settings.etenders_base_url)
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        answers = list(pool.map(_ask, hosts))
    return [
        python_version(sys.version_info[:2]),
        embedded_postgres(settings.database_url is not None, _missing_binaries()),
        disk_space(settings.home, shutil.disk_usage(_existing(settings.home)).free),
        port(PORT, free=_is_free(PORT), ours=runfile.find(settings.home) is not None),
        secrets(settings),
        *(
            host(url, answer, production=settings.production)
            for url, answer in zip(hosts, answers, strict=True)
        ),
        clock(now(), [answer.clock for answer in answers if answer.clock is not None]),
        *_database_checks(settings, now),
    ]


# -- judgements ---


def python_version(version: tuple[int, ...]) -> Check:
    """Whether this Python is one that the tests run on."""
    low, high = SUPPORTED
    found = ".".join(str(part) for part in version)
    if low <= version <= high:
        return Check("Python", "ok", found)
    return Check("Python", "failed", found, "install Python 3.11 to 3.14 and run `make setup PYTHON=…`")


def embedded_postgres(database_is_given: bool, missing: str | None) -> Check:
    """Whether the embedded server's programs are there, if they are needed at all."""
    name = "PostgreSQL programs"
    if missing is None:
        return Check(name, "ok", "in the installed wheel")
    if database_is_given:
        return Check(
            name, "ok", "not installed, and not needed: DATABASE_URL is set (`db backup` needs them)"
        )
    return Check(name, "failed", "no wheel for this platform", missing)


def disk_space(home: Path, free: int) -> Check:
    """Whether the database has room to grow."""
    found = f"{free // _MB:,} MB free at {home}"
    remedy = "free some space, or set PROTENDERS_HOME to a larger disk"
    if free < 200 * _MB:
        return Check("Disk", "failed", found, remedy)
    return Check("Disk", "warning", found, remedy) if free < 1024 * _MB else Check("Disk", "ok", found)


def port(number: int, *, free: bool, ours: bool) -> Check:
    """Whether `make run` could listen."""
    if ours:
        return Check("Port", "ok", "the server of this PROTENDERS_HOME is running")
    if free:
        return Check("Port", "ok", f"{number} is free")
    remedy = f"stop the other program, or choose another port: `protenders serve --port {number + 1}`"
    return Check("Port", "warning", f"{number} is taken by another program", remedy)


def secrets(settings: Settings) -> Check:
    """Whether production has the secrets that it needs."""
    if not settings.production:
        return Check("Secrets", "ok", "not a production installation (APP_ENV)")
    missing = [name for name in ("secret_key", "admin_password") if getattr(settings, name) is None]
    if settings.engine_mode == "embedded" and settings.inngest_event_key is None:
        missing.append("inngest_event_key")
    if not missing:
        return Check("Secrets", "ok", "all set")
    names = ", ".join(name.upper() for name in missing)
    state: State = "failed" if "secret_key" in missing else "warning"
    return Check(
        "Secrets", state, f"not set: {names}", "set them to long random texts: `openssl rand -hex 32`"
    )


def host(url: str, answer: Answer, *, production: bool) -> Check:
    """Whether a source answers."""
    name = f"Source {url.partition('://')[2]}"
    if answer.fault is None:
        return Check(name, "ok", "answers")
    if production:
        remedy = "if eTenders is down, nothing: syncs are retried; otherwise look at firewall and proxy"
        return Check(name, "failed", answer.fault, remedy)
    return Check(name, "warning", answer.fault, "check the network; meanwhile the recorded stand-in is used")


def clock(now: datetime, others: list[datetime]) -> Check:
    """Whether this machine's time agrees with the sources' (or at least makes sense)."""
    remedy = "set the clock: `timedatectl set-ntp true`"
    if now.year < 2025:
        return Check("Clock", "failed", f"it says {now:%Y-%m-%d}", remedy)
    if not others:
        return Check("Clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC; no source to compare with")
    skew = min(abs(now - other) for other in others)
    if skew > timedelta(seconds=60):
        return Check("Clock", "failed", f"{in_words(skew)} away from the sources' clocks", remedy)
    return Check("Clock", "ok", "agrees with the sources")


def migrations(status: migrate.MigrationStatus) -> Check:
    """Whether the schema is this release's."""
    if not status.pending:
        return Check("Migrations", "ok", status.head)
    if status.current is None:
        return Check(
            "Migrations", "warning", "the database is empty", "`make run`, or `protenders db upgrade`"
        )
    found = f"the database is at {status.current}, this release needs {status.head}"
    return Check("Migrations", "failed", found, "`protenders db upgrade`")


def pool(wanted: int, used: int, limit: int) -> Check:
    """Whether the server has room for all connections that this process may open."""
    found = f"{used} of {limit} connections in use, up to {wanted} wanted by one process"
    if used + wanted <= limit:
        return Check("Connections", "ok", found)
    remedy = "lower DB_POOL_SIZE and DB_MAX_OVERFLOW, or raise max_connections of the server"
    return Check("Connections", "warning", found, remedy)


def engine(mode: str, live: int, orphans: int, waiting: timedelta | None) -> Check:
    """Whether the runs are driven: engines alive, runs of dead ones, the age of the oldest ready run."""
    if mode != "embedded":
        return Check("Engine", "ok", f"runs elsewhere ({mode})")
    found = f"{live} running; {orphans} runs left by ended ones"
    if waiting is not None:
        found += f"; a run has been ready for {in_words(waiting)}"
    if waiting is not None and waiting > timedelta(minutes=5):
        state: State = "failed" if live else "warning"
        return Check("Engine", state, found, "start the server (`make run`); if it runs, look at its log")
    return Check("Engine", "ok", found)


def last_sync(finished: datetime | None, now: datetime) -> Check:
    """Whether the data are fresh: `finished` is the end of the last successful sync."""
    remedy = "`protenders sync --wait`, and `protenders jobs` for what happened before"
    if finished is None:
        return Check("Last sync", "warning", "none has succeeded yet", remedy)
    age = max(now - finished, timedelta())
    found = f"succeeded {in_words(age)} ago"
    return (
        Check("Last sync", "ok", found) if age <= LATE_AFTER else Check("Last sync", "warning", found, remedy)
    )


def free_plan(executions: int) -> Check:
    """What the last 30 days would cost on Inngest Cloud's free plan: one execution per run and per step."""
    found = f"{executions:,} executions in 30 days of the {FREE_PLAN_EXECUTIONS:,} in Inngest's free plan"
    if executions <= PROMISED_EXECUTIONS:
        return Check("Executions", "ok", found)
    remedy = "sync less often, or lower MAX_ENRICHMENT_PER_RUN; on the embedded engine they cost nothing"
    return Check("Executions", "warning", found, remedy)


# -- facts ---


def _database_checks(settings: Settings, now: Callable[[], datetime]) -> Iterator[Check]:
    try:
        with database_url(settings) as url:
            pooled = pooled_engine(settings, url)
            try:
                with pooled.connect() as connection:
                    version = connection.execute(sa.text("SHOW server_version")).scalar_one()
                    yield Check("Database", "ok", f"PostgreSQL {version} answers")
                    status = migrate.status(url)
                    yield migrations(status)
                    yield from _inside(connection, settings, status, now())
            finally:
                pooled.dispose()
    except (DatabaseUnavailableError, sa.exc.OperationalError) as error:
        cause = getattr(error, "orig", None) or error
        yield Check("Database", "failed", str(cause).strip().splitlines()[0], _database_remedy(settings))


def _inside(
    connection: sa.Connection, settings: Settings, status: migrate.MigrationStatus, now: datetime
) -> Iterator[Check]:
    used, limit = _row(
        connection,
        "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity "
        "WHERE backend_type = 'client backend'",
    )
    yield pool(settings.db_pool_size + settings.db_max_overflow, used, limit)
    if status.pending:
        yield Check("Jobs", "skipped", "not looked at: migrate first", "`protenders db upgrade`")
        return
    yield engine(settings.engine_mode, *_row(connection, _ENGINE))
    yield last_sync(connection.execute(sa.text(_LAST_SYNC)).scalar_one(), now)
    yield free_plan(*_row(connection, _EXECUTIONS))


_ENGINE = """
WITH live AS (
    SELECT id FROM engine.instances
    WHERE seen_at + make_interval(secs => lease_seconds) >= clock_timestamp()
)
SELECT (SELECT count(*) FROM live),
       (SELECT count(*) FROM engine.queue WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM live)),
       (SELECT clock_timestamp() - min(rank) FROM engine.queue WHERE state = 'r' AND rank < clock_timestamp())
"""
_LAST_SYNC = (
    "SELECT max(finished_at) FROM jobs WHERE type = 'DELTA_SYNC' AND status IN ('SUCCESS', 'PARTIAL')"
)
_EXECUTIONS = """
SELECT coalesce(sum((metadata ->> 'executions')::bigint), 0)::bigint FROM jobs
WHERE started_at > now() - interval '30 days' AND jsonb_typeof(metadata -> 'executions') = 'number'
"""


def _row(connection: sa.Connection, query: str) -> tuple[Any, ...]:
    return tuple(connection.execute(sa.text(query)).one())


def _database_remedy(settings: Settings) -> str:
    if settings.database_url is None:
        return f"see the logs in {settings.home / 'postgres'}, or set DATABASE_URL to a server of your own"
    return "check that the server runs, that DATABASE_URL is right, and that no firewall is in between"


def _missing_binaries() -> str | None:
    try:
        binaries()
    except EmbeddedPostgresError as error:
        return str(error)
    return None


def _existing(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def _ask(url: str) -> Answer:
    """Any answer will do, a refusal too."""
    try:
        with httpx.stream("GET", url, timeout=HOST_SECONDS, follow_redirects=False) as response:
            told = response.headers.get("date", "")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer(fault=f"does not answer ({type(error).__name__})")
    try:
        return Answer(clock=parsedate_to_datetime(told))
    except ValueError:
        return Answer()


def _settings_problem(problem: str) -> Check:
    found, _, remedy = problem.partition(" Remedy: ")
    return Check("Settings", "failed", found, remedy.rstrip(".") or "see .env.example")


def _print(checks: list[Check]) -> None:
    console = Console()
    colours = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        colour = colours[check.state]
        table.add_row(f"[{colour}]{check.state}[/]", check.name, check.found)
        if check.remedy is not None and check.state != "ok":
            table.add_row("", "", f"[bold]→ {check.remedy}[/]")
    console.print(table)
