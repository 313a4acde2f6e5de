"""`protenders engine` and `protenders replay`: the parts that also run on their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.outcome import CommandError, Exit, UsageError
from app.replay.config import HELP_TEXT


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("engine")(engine)
    app.command("replay", help=HELP_TEXT)(replay)


def engine(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65_535)] = 8288,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> int:
    """Run the embedded engine alone, as a server for any Inngest SDK app."""
    import uvloop

    from app import settings
    from app.extras import set_up_logging
    from app.loopback import PortUnavailableError
    from app.standalone_engine import serve

    loaded = settings.load()
    set_up_logging(loaded)
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
    hold_back: Annotated[
        float, typer.Option(help="Fraction of the tenders that is published later.", metavar="0-1")
    ] = 0.0,
    churn: Annotated[
        float, typer.Option(help="Fraction of the tenders that changes later.", metavar="0-1")
    ] = 0.0,
    publish_over: Annotated[
        float, typer.Option(help='Minutes that "later" lasts.', min=0.0, metavar="MINUTES")
    ] = 60.0,
    time_scale: Annotated[
        float, typer.Option(help="Seconds waited under faults for one of the real hosts.", min=0.0)
    ] = 0.01,
    now: Annotated[
        str | None, typer.Option(help="Start the stand-in's clock at this moment.", metavar="TIME")
    ] = None,
) -> int:
    """Serve the recorded stand-in until stopped."""
    from datetime import timedelta

    from app.loopback import PortUnavailableError
    from app.replay.calendar import utc_now
    from app.replay.config import ReplayConfig, ReplayError, clock_from, parse_ids
    from app.replay.server import run

    try:
        config = ReplayConfig(
            data=tuple(data or ()),
            faults=faults,
            ids=parse_ids(ids) if ids else None,
            shift=int(shift) if shift.lstrip("-").isdigit() else shift,
            synthetic=synthetic,
            hold_back=hold_back,
            churn=churn,
            publish_over=timedelta(minutes=publish_over),
            time_scale=time_scale,
            clock=clock_from(now) if now else utc_now,
        )
    except ReplayError as problem:
        raise UsageError(str(problem)) from problem

    def say_where(url: str) -> None:
        typer.echo(f"The recorded stand-in is at {url}; stop it with Ctrl-C.", err=True)

    try:
        run(config, host, port, say_where)
    except ReplayError as problem:
        raise UsageError(str(problem)) from problem
    except PortUnavailableError as problem:
        raise CommandError(str(problem)) from problem
    return Exit.SUCCESS
