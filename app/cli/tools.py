"""`protenders doctor` and `protenders bench`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from app.cli.outcome import UsageError

BENCHES = ("save", "sync", "engine", "all")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("doctor")(doctor)
    app.command("bench")(bench)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")
    ] = False,
) -> int:
    """Check the installation, and say for everything that is wrong what to do."""
    from app import doctor as checks

    return checks.run(as_json=as_json)


def bench(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="save, sync, engine or all.")] = "all",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")
    ] = False,
) -> int:
    """Run the benchmarks, each against its yardsticks in the same run."""
    from app import bench as benches

    if what not in BENCHES:
        raise UsageError(f"{what}: write {', '.join(BENCHES)}.")
    found = benches.run(what)
    print(json.dumps(found, indent=2) if as_json else benches.as_text(found))
    return 0
