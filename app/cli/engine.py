"""`protenders engine` and `protenders replay`: the parts that also run on their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.outcome import CommandError, Exit, UsageError


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("engine")(engine)
    app.command("replay")(replay)


def engine(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65_535)] = 8288,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> int:
    """Run the embedded engine alone, as a server for any Inngest SDK app."""
    import uvloop

    from app import logs, settings
    from app.loopback import PortUnavailableError
    from app.standalone_engine import serve

    loaded = settings.load()
    logs.configure(loaded.log_level, loaded.log_format, loaded.secret_values())
    try:
        uvloop.run(serve(loaded, host, port))
    except PortUnavailableError as problem:
        raise CommandError(str(problem)) from problem
    return Exit.SUCCESS


def replay(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65_535)] = 8001,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="A folder of further captures; may be repeated.", metavar="DIR"),
    ] = None,
    faults: Annotated[
        str, typer.Option(help="none, documented (misbehave as eTenders does) or seed:N.", metavar="MODE")
    ] = "none",
    ids: Annotated[
        str | None, typer.Option("--ids", help="Serve these tender ids only, A-B.", metavar="A-B")
    ] = None,
    shift: Annotated[
        str, typer.Option(help="Move the calendar: auto, weeks, none, or a number of days.", metavar="SHIFT")
    ] = "auto",
    synthetic: Annotated[
        int, typer.Option(help="Serve so many made-up tenders instead of the captures.", min=0, metavar="N")
    ] = 0,
) -> int:
    """Run the recorded eTenders stand-in: both hosts on one port.

    Most releases are derived from captured portal rows by field mapping, and are marked as derived in the data set's
    notes (docs/replay.md). Give its address as both OCDS_BASE_URL and ETENDERS_BASE_URL.
    """
    from app.loopback import PortUnavailableError
    from app.replay.config import ReplayConfig, ReplayError, parse_ids
    from app.replay.server import run

    try:
        config = ReplayConfig(
            data=tuple(data or ()),
            faults=faults,
            ids=parse_ids(ids) if ids else None,
            shift=int(shift) if shift.lstrip("-").isdigit() else shift,
            synthetic=synthetic,
        )
    except ReplayError as problem:
        raise UsageError(str(problem)) from problem
    typer.echo(f"The recorded stand-in is at http://{host}:{port}; stop it with Ctrl-C.", err=True)
    try:
        run(config, host, port)
    except ReplayError as problem:
        raise UsageError(str(problem)) from problem
    except PortUnavailableError as problem:
        raise CommandError(str(problem)) from problem
    return Exit.SUCCESS
