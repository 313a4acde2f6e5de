"""What the facts of an installation mean, and what to do: one pure function a finding.

Each remedy stands word for word in docs/troubleshooting.md (a test compares them), where its causes are explained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from app.freshness import LATE_AFTER, SILENT_AFTER, Host, in_words
from app.settings import Settings
from db import migrate

State = Literal["ok", "warning", "failed", "skipped"]

FREE_PLAN_EXECUTIONS = 50_000
PROMISED_EXECUTIONS = 20_000
SUPPORTED = ((3, 11), (3, 14))
LONGEST_WAIT = timedelta(minutes=5)
_MB = 1024 * 1024
_SIGNING_KEY = re.compile(r"(signkey-\w+-)?([0-9a-f]{2})+")

REMEDIES = {
    "settings": "correct the variable as told, and see .env.example",
    "python": "install Python 3.11 to 3.14 and run `make setup PYTHON=…`",
    "programs": "set DATABASE_URL to a PostgreSQL 14 or newer, and install without the wheel: `make setup EMBEDDED=no`",
    "home": "let the server's account own PROTENDERS_HOME, or set PROTENDERS_HOME to a directory that it may write to",
    "disk": "free some space, or set PROTENDERS_HOME to a larger disk",
    "port": "stop the other program, or choose another port: `protenders serve --port …`",
    "secrets": "set them to long random texts: `openssl rand -hex 32`",
    "keys": "copy the signing key again from Inngest, or make one of your own with `openssl rand -hex 32`",
    "source": "if eTenders is down, nothing: syncs are retried; otherwise look at firewall and proxy",
    "stand-in": "check the network; meanwhile the recorded stand-in is used",
    "clock": "set the clock: `timedatectl set-ntp true`",
    "database": "check that the server runs, that DATABASE_URL is right, and that no firewall is in between",
    "embedded": "read the logs in PROTENDERS_HOME/postgres, or set DATABASE_URL to a server of your own",
    "migrations": "`protenders db upgrade`",
    "newer": "install the release that wrote this database, or a newer one; nothing is taken back by itself",
    "empty": "`make run`, or `protenders db upgrade`",
    "connections": "lower DB_POOL_SIZE and DB_MAX_OVERFLOW, or raise max_connections of the server",
    "engine": "start the server (`make run`); if it runs, look at its log",
    "functions": "start the server (`make run`): it registers its functions; if it runs, its log says what is refused",
    "paused": "resume the function at /admin/functions",
    "inngest": "check INNGEST_BASE_URL or INNGEST_DEV, and that the Inngest server runs; then sync the app there",
    "events": "correct the name where it is sent; `protenders send NAME --data '{}'` checks names and data",
    "silent": "start the server; what nobody takes up is closed by cleanup-jobs as CRASHED, and can be run again",
    "job log": "let the app that runs the functions and the one that shows the jobs use the same DATABASE_URL",
    "upstream": "nothing, if eTenders is down: it is asked again by itself; `protenders coverage` lists the gaps",
    "sync": "`protenders sync --wait`, and `protenders jobs` for what happened before",
    "executions": "sync less often, or lower MAX_ENRICHMENT_PER_RUN; on the embedded engine they cost nothing",
    "mail": "correct SMTP_HOST, SMTP_PORT, SMTP_SECURE, SMTP_USER or SMTP_PASS, whichever the answer names",
    "extras": "install what it needs with `make setup EXTRAS=yes`, or remove the setting",
}


@dataclass(frozen=True)
class Check:
    """One finding. Whatever is not ok names its remedy."""

    name: str
    state: State
    found: str
    remedy: str | None = None


def good(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name, "ok", found)


def bad(name: str, state: State, found: str, remedy: str) -> Check:
    """Something to do; `remedy` is a key of REMEDIES."""
    return Check(name, state, found, REMEDIES[remedy])


# -- this machine ---


def python_version(version: tuple[int, ...]) -> Check:
    """Whether this Python is one that the tests run on."""
    low, high = SUPPORTED
    found = ".".join(str(part) for part in version)
    return good("Python", found) if low <= version <= high else bad("Python", "failed", found, "python")


def embedded_postgres(database_is_given: bool, missing: str | None) -> Check:
    """Whether the embedded server's programs are there, if they are needed at all."""
    name = "PostgreSQL programs"
    if missing is None:
        return good(name, "in the installed wheel")
    if database_is_given:
        return good(name, "not installed, and not needed: DATABASE_URL is set (`db backup` needs them)")
    return bad(name, "failed", f"no wheel for this platform: {missing}", "programs")


def home(path: Path, *, writable: bool) -> Check:
    """Whether this account may keep its data where they belong."""
    if writable:
        return good("Home", f"{path} can be written to")
    return bad("Home", "failed", f"{path} cannot be written to by this account", "home")


def disk_space(home: Path, free: int) -> Check:
    """Whether the database has room to grow."""
    found = f"{free // _MB:,} MB free at {home}"
    if free < 200 * _MB:
        return bad("Disk", "failed", found, "disk")
    return bad("Disk", "warning", found, "disk") if free < 1024 * _MB else good("Disk", found)


def port(number: int, *, free: bool, ours: bool) -> Check:
    """Whether `make run` could listen."""
    if ours:
        return good("Port", "the server of this PROTENDERS_HOME is running")
    if free:
        return good("Port", f"{number} is free")
    return bad("Port", "warning", f"{number} is taken by another program", "port")


def clock(now: datetime, others: Sequence[datetime]) -> Check:
    """Whether this machine's time agrees with the sources' (or at least makes sense)."""
    if now.year < 2025:
        return bad("Clock", "failed", f"it says {now:%Y-%m-%d}", "clock")
    if not others:
        return good("Clock", f"{now:%Y-%m-%d %H:%M} UTC; no source to compare with")
    skew = min(abs(now - other) for other in others)
    if skew > timedelta(seconds=60):
        return bad("Clock", "failed", f"{in_words(skew)} away from the sources' clocks", "clock")
    return good("Clock", "agrees with the sources")


# -- settings ---


def secrets(settings: Settings) -> Check:
    """Whether production has the secrets that it needs."""
    if not settings.production:
        return good("Secrets", "not a production installation (APP_ENV)")
    missing = [name for name in ("secret_key", "admin_password") if getattr(settings, name) is None]
    if settings.engine_mode == "embedded" and settings.inngest_event_key is None:
        missing.append("inngest_event_key")
    if not missing:
        return good("Secrets", "all set")
    names = ", ".join(name.upper() for name in missing)
    state: State = "failed" if "secret_key" in missing else "warning"
    return bad("Secrets", state, f"not set: {names}", "secrets")


def keys(settings: Settings) -> Check:
    """Whether Inngest's keys look like keys; their values are not shown."""
    wrong = [
        name.upper()
        for name in ("inngest_signing_key", "inngest_signing_key_fallback")
        if (key := getattr(settings, name)) and not _SIGNING_KEY.fullmatch(key.get_secret_value())
    ]
    if wrong and not settings.inngest_dev:
        names = ", ".join(wrong)
        return bad("Keys", "failed", f"{names}: not hexadecimal, with an even number of digits", "keys")
    if settings.engine_mode == "embedded":
        return good("Keys", "none of Inngest's: the embedded engine runs the functions")
    return good("Keys", "Inngest's keys are well formed")


def optional_package(variable: str, package: str, *, installed: bool) -> Check:
    """Whether what a setting asks for is installed."""
    if installed:
        return good(variable, "set, and its package is installed")
    return bad(variable, "warning", f"set, but the package {package} is not installed", "extras")


def mail(configured: str | None, fault: str | None) -> Check:
    """Whether mails can go out."""
    if configured is None and fault is None:
        return good("Mail", "SMTP_HOST is not set: mails are written to PROTENDERS_HOME/outbox")
    return good("Mail", f"{configured} answers") if fault is None else bad("Mail", "failed", fault, "mail")


# -- the sources ---


def host(url: str, fault: str | None, *, production: bool) -> Check:
    """Whether a source answers."""
    name = f"Source {url.partition('://')[2]}"
    if fault is None:
        return good(name, "answers")
    return bad(name, "failed", fault, "source") if production else bad(name, "warning", fault, "stand-in")


def upstream(hosts: Sequence[Host], disbelieved: str | None, now: datetime) -> Check:
    """How the sources have been treating us: failures in a row, or answers that were not believed."""
    faults = [
        f"{each.name} has not answered for {in_words(max(now - since, timedelta()))} ({each.last_error or 'no reason'})"
        for each in hosts
        if each.state != "closed" and (since := each.down_since) is not None
    ]
    if disbelieved:
        faults.append(f"the last look at the portal was not believed: {disbelieved}")
    if not faults:
        return good("eTenders", "no failures in a row, and every answer was believed")
    return bad("eTenders", "warning", "; ".join(faults), "upstream")


# -- the database ---


def migrations(status: migrate.MigrationStatus) -> Check:
    """Whether the schema is this release's."""
    if not status.pending:
        return good("Migrations", status.head)
    if status.current is None:
        return bad("Migrations", "warning", "the database is empty", "empty")
    found = f"the database is at {status.current}, this release needs {status.head}"
    return bad("Migrations", "failed", found, "migrations" if status.known else "newer")


def pool(wanted: int, used: int, limit: int) -> Check:
    """Whether the server has room for all connections that this process may open."""
    found = f"{used} of {limit} connections in use, up to {wanted} wanted by one process"
    if used + wanted <= limit:
        return good("Connections", found)
    return bad("Connections", "warning", found, "connections")


# -- functions and jobs ---


def engine(mode: str, live: int, orphans: int, waiting: timedelta | None) -> Check:
    """Whether the runs are driven: engines alive, runs of dead ones, the age of the oldest ready run."""
    if mode != "embedded":
        return good("Engine", f"runs elsewhere ({mode})")
    found = f"{live} running; {orphans} runs left by ended ones"
    if waiting is not None:
        found += f"; a run has been ready for {in_words(waiting)}"
    if waiting is not None and waiting > LONGEST_WAIT:
        return bad("Engine", "failed" if live else "warning", found, "engine")
    return good("Engine", found)


def inngest(address: str, fault: str | None) -> Check:
    """Whether the Inngest server that runs the functions answers."""
    return (
        good("Engine", f"{address} answers") if fault is None else bad("Engine", "failed", fault, "inngest")
    )


def functions(registered: int, paused: Sequence[str], *, running: bool) -> Check:
    """Whether the embedded engine knows the functions, and may start them."""
    if not registered:
        state: State = "failed" if running else "warning"
        return bad("Functions", state, "none is registered", "functions")
    if paused:
        return bad("Functions", "warning", f"paused: {', '.join(paused)}", "paused")
    return good("Functions", f"{registered} registered")


def events(unheard: Mapping[str, int]) -> Check:
    """Whether events of the last day had names that no function listens to."""
    if not unheard:
        return good("Events", "every event of the last day has a function that listens to its name")
    told = ", ".join(f"{name} ({count})" for name, count in unheard.items())
    return bad("Events", "warning", f"nothing listens to: {told}", "events")


def active_job(job_id: str, step: str | None, silent: timedelta) -> Check:
    """Whether the most silent of the active jobs still lives; with less than no silence, it waits for so long."""
    known = (
        f"last sign of life {in_words(silent)} ago"
        if silent >= timedelta()
        else f"waits {in_words(-silent)} more"
    )
    found = f"{job_id} at step {step or '–'}, {known}"
    return good("Jobs", found) if silent <= SILENT_AFTER else bad("Jobs", "warning", found, "silent")


def job_log(unlogged: int) -> Check:
    """Whether the runs of the last day have their jobs."""
    if not unlogged:
        return good("Job log", "every run of the last day has its job")
    return bad("Job log", "failed", f"{unlogged} runs of the last day have no job", "job log")


def last_sync(finished: datetime | None, now: datetime) -> Check:
    """Whether the data are fresh: `finished` is the end of the last complete sync."""
    if finished is None:
        return bad("Last sync", "warning", "none has been complete yet", "sync")
    age = max(now - finished, timedelta())
    found = f"the last complete one ended {in_words(age)} ago"
    return good("Last sync", found) if age <= LATE_AFTER else bad("Last sync", "warning", found, "sync")


def free_plan(executions: int, now: datetime) -> Check:
    """This month's executions against Inngest's free plan, and what the whole month comes to at this rate."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    # The first day says little about the others: it counts as a whole one.
    share = max((now - first) / (following - first), timedelta(days=1) / (following - first))
    projected = round(executions / share)
    plan = f"of the {FREE_PLAN_EXECUTIONS:,} in Inngest's free plan"
    found = f"{executions:,} this month, {projected:,} projected, {plan}"
    if projected <= PROMISED_EXECUTIONS:
        return good("Executions", found)
    return bad("Executions", "warning", found, "executions")
