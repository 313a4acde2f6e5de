"""The job log on the terminal."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from app.cli.outcome import CommandError, UsageError

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("jobs")(jobs)
    app.command("job")(job)
    app.command("coverage")(coverage)


def jobs(
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 20,
    status: Annotated[str | None, typer.Option(help="Only this status, such as FAILED.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only this type, such as DELTA_SYNC.")] = None,
) -> None:
    """The job log, newest first."""
    from app.cli.tables import job_table
    from app.database import database
    from app.settings import load
    from db import jobs as log
    from db.jobs_tables import STATUSES

    if status is not None and status.upper() not in STATUSES:
        raise UsageError(f"--status {status}: write one of {', '.join(STATUSES)}.")
    with database(load()) as engine, engine.connect() as connection:
        found = log.page(connection, limit=limit, type=kind, status=status.upper() if status else None)
    if as_json:
        print(json.dumps([entry.to_json() for entry in found], ensure_ascii=False, indent=2))
    elif not found and (status or kind):
        print("No job fits. `protenders jobs` shows those of every status and type.")
    else:
        job_table(found)


def job(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's id, as `protenders jobs` shows it.")],
    as_json: AsJson = False,
) -> None:
    """One job with its steps."""
    from app.cli.tables import job_summary
    from app.database import database
    from app.settings import load
    from db import jobs as log

    with database(load()) as engine, engine.connect() as connection:
        found = log.get(connection, job_id)
    if found is None:
        raise CommandError(f"There is no job {job_id}. `protenders jobs` lists them.")
    if as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        job_summary(found)


def coverage(
    as_json: AsJson = False,
    days: Annotated[int, typer.Option(help="How many days back.", min=1, max=3660)] = 30,
    limit: Annotated[
        int, typer.Option(help="How many of the missing --json names.", min=1, max=10_000)
    ] = 100,
) -> None:
    """What should be there, what is, what is missing and why."""
    from datetime import timedelta

    from app.cli.tables import coverage_table
    from app.database import database
    from app.runtime import utc_now
    from app.settings import load
    from db import coverage as ledger
    from db.clock import SOUTH_AFRICA

    with database(load()) as engine, engine.connect() as connection:
        today = utc_now().astimezone(SOUTH_AFRICA).date()
        found = {
            **ledger.summary(connection).to_json(),
            "reasons": ledger.reasons(connection),
            "days": ledger.days(connection, first=today - timedelta(days=days), last=today),
            "missingTenders": ledger.missing(connection, limit=limit),
        }
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2, default=str))
    else:
        coverage_table(found)
