"""What is wrong with this installation, and what to do about it.

`run_checks` gathers facts and hands each to a judgement; nothing is changed, but the embedded PostgreSQL is started for
the look and stopped again.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path

import httpx
import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app import doctor_facts, judgements, runfile
from app.database import DatabaseUnavailableError, database_url, pooled_engine
from app.inngest_link import api_origin
from app.judgements import REMEDIES, Check, bad, good
from app.resources import post
from app.settings import Settings, SettingsError, load
from db import migrate
from db.embedded import EmbeddedPostgresError, binaries
from functions.mail import MailUnavailableError, SmtpMailer

PORT = 8000
HOST_SECONDS = 8.0
INNGEST_CLOUD = "https://api.inngest.com"


@dataclass(frozen=True)
class Answer:
    """What a host said when it was asked: its clock, if it told; the fault when it said nothing."""

    fault: str | None = None
    clock: datetime | None = None


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
    server = runfile.find(settings.home)
    return [
        judgements.python_version(sys.version_info[:2]),
        judgements.embedded_postgres(settings.database_url is not None, _missing_binaries()),
        judgements.home(settings.home, writable=os.access(_existing(settings.home), os.W_OK | os.X_OK)),
        judgements.disk_space(settings.home, shutil.disk_usage(_existing(settings.home)).free),
        judgements.port(PORT, free=_is_free(PORT), ours=server is not None),
        judgements.secrets(settings),
        judgements.keys(settings),
        *_extras(settings),
        _mail(settings),
        *(
            judgements.host(url, answer.fault, production=settings.production)
            for url, answer in zip(hosts, answers, strict=True)
        ),
        judgements.clock(now(), [answer.clock for answer in answers if answer.clock is not None]),
        *_inngest(settings),
        *_database_checks(settings, now, running=server is not None),
    ]


def _database_checks(settings: Settings, now: Callable[[], datetime], *, running: bool) -> Iterator[Check]:
    try:
        with database_url(settings) as url:
            pooled = pooled_engine(settings, url)
            try:
                with pooled.connect() as connection:
                    version = connection.execute(sa.text("SHOW server_version")).scalar_one()
                    yield good("Database", f"PostgreSQL {version} answers")
                    status = migrate.status(url)
                    yield judgements.migrations(status)
                    yield judgements.pool(
                        settings.db_pool_size + settings.db_max_overflow,
                        *doctor_facts.connections(connection),
                    )
                    if status.pending:
                        yield Check("Jobs", "skipped", "not looked at: migrate first", REMEDIES["migrations"])
                        return
                    yield from _inside(connection, settings, now(), running=running)
            finally:
                pooled.dispose()
    except (DatabaseUnavailableError, sa.exc.OperationalError) as error:
        cause = getattr(error, "orig", None) or error
        remedy = "embedded" if settings.database_url is None else "database"
        yield bad("Database", "failed", str(cause).strip().splitlines()[0], remedy)


def _inside(
    connection: sa.Connection, settings: Settings, now: datetime, *, running: bool
) -> Iterator[Check]:
    if settings.engine_mode == "embedded":
        yield judgements.engine(settings.engine_mode, *doctor_facts.runs(connection))
        yield judgements.functions(*doctor_facts.functions(connection), running=running)
        yield judgements.events(doctor_facts.unheard_events(connection))
        yield judgements.job_log(doctor_facts.unlogged_runs(connection))
    active = doctor_facts.most_silent_job(connection, now)
    yield good("Jobs", "none is active") if active is None else judgements.active_job(*active)
    yield judgements.upstream(*doctor_facts.upstream(connection), now)
    last_sync = doctor_facts.last_sync(connection, now, replay=not settings.production)
    yield judgements.last_sync(last_sync, now)
    yield judgements.free_plan(doctor_facts.executions(connection, now), now)


def _extras(settings: Settings) -> Iterator[Check]:
    for variable, package in (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry.sdk"),
        ("SENTRY_DSN", "sentry_sdk"),
    ):
        if getattr(settings, variable.lower()) is not None:
            yield judgements.optional_package(variable, package, installed=_is_installed(package))


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _mail(settings: Settings) -> Check:
    mailer = post(settings, "").mailer
    if not isinstance(mailer, SmtpMailer):
        unheard = "ALERT_EMAIL is set and SMTP_HOST is not: what it is to be told is written to PROTENDERS_HOME/outbox"
        return judgements.mail(None, unheard if settings.alert_email else None)
    try:
        mailer.knock()
    except MailUnavailableError as problem:
        return judgements.mail(mailer.place, str(problem))
    return judgements.mail(mailer.place, None)


def _inngest(settings: Settings) -> Iterator[Check]:
    if settings.engine_mode != "embedded":
        address = api_origin(settings, "") or INNGEST_CLOUD
        fault = _ask(address).fault
        yield judgements.inngest(address, fault and f"{address} {fault}")


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
        return Answer(fault=f"does not answer ({str(error)[:200] or type(error).__name__})")
    try:
        return Answer(clock=parsedate_to_datetime(told))
    except ValueError:
        return Answer()


def _settings_problem(problem: str) -> Check:
    found, _, remedy = problem.partition(" Remedy: ")
    return Check("Settings", "failed", found, remedy.rstrip(".") or REMEDIES["settings"])


def _print(checks: list[Check]) -> None:
    console = Console()
    colours = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        colour = colours[check.state]
        table.add_row(f"[{colour}]{check.state}[/]", check.name, escape(check.found))
        if check.remedy is not None and check.state != "ok":
            table.add_row("", "", f"[bold]→ {escape(check.remedy)}[/]")
    console.print(table)
