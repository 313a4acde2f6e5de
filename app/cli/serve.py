"""`protenders serve`: the app, until it is told to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from app.serving import Serving

SOURCES = ("live", "replay", "auto")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("serve")(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)
    ] = 8000,
    source: Annotated[
        str | None,
        typer.Option(
            help="live, replay (the recorded stand-in) or auto (stand-in when eTenders cannot be reached)."
        ),
    ] = None,
    first_sync: Annotated[
        bool,
        typer.Option("--first-sync", help="Ask for a sync if there was none yet, and say where to look."),
    ] = False,
    workers: Annotated[
        int, typer.Option(help="Processes that share the port and the work.", min=1, max=64)
    ] = 1,
    inherited: Annotated[int | None, typer.Option("--socket", hidden=True)] = None,
) -> int:
    """Run the app: pages, JSON API, functions and, without Inngest keys, the embedded engine."""
    import logging
    import socket

    import uvloop

    from app import settings
    from app.cli.choices import check_source, source_choice
    from app.extras import set_up_logging
    from app.leaving import leave_if_busy
    from app.loopback import PortUnavailableError
    from app.serving import Serving

    chosen = source_choice(source)
    loaded = settings.load()
    check_source(chosen, loaded)
    set_up_logging(loaded)
    if not loaded.production and host not in {"127.0.0.1", "::1", "localhost"}:
        logging.getLogger("protenders.server").warning(
            "listening on %s without production keys: whoever reaches this port can send events; "
            "set APP_ENV=production and SECRET_KEY before others can",
            host,
        )
    if workers > 1:
        return _several(
            workers, host, port, [*(["--source", source] if source else []), *(["--first-sync"] * first_sync)]
        )
    try:
        listener = None if inherited is None else socket.socket(fileno=inherited)
        serving = Serving(loaded, host=host, port=port, source=chosen, listener=listener)
    except PortUnavailableError as problem:
        raise CommandError(str(problem)) from problem
    ready = _first_sync if first_sync else _say_where
    uvloop.run(serving.run_until_signalled(on_ready=ready if inherited is None else _with_parent(ready)))
    leave_if_busy()
    return Exit.SUCCESS


def _several(count: int, host: str, port: int, options: list[str]) -> int:
    """This process only keeps the others."""
    import asyncio

    from app.loopback import PortUnavailableError, listen
    from app.workers import Workers

    try:
        listener = listen(host, port)
    except PortUnavailableError as problem:
        raise CommandError(str(problem)) from problem
    with listener:
        went_well = asyncio.run(Workers(listener, count, ["--host", host, *options]).run())
    return Exit.SUCCESS if went_well else Exit.FAILED


def _with_parent(ready: Callable[[Serving], Awaitable[None]]) -> Callable[[Serving], Awaitable[None]]:
    """The same, and the server ends with the process that started it: stdin is a pipe from there."""

    async def watched(serving: Serving) -> None:
        import asyncio

        asyncio.get_running_loop().add_reader(0, serving.stop)
        await ready(serving)

    return watched


async def _say_where(serving: Serving) -> None:
    import sys

    password = await serving.first_admin()
    lines = [f"ProTenders is at {serving.url}/admin"]
    if password is not None:
        lines.append(f"Log in as {serving.settings.admin_username} with the password {password}")
        lines.append("It is shown this once; `protenders users add` makes further accounts.")
    if serving.runtime.source.kind == "replay":
        lines.append(f"Source: the recorded stand-in, because {serving.runtime.source.reason}.")
    # Where the log is for machines, this is no part of it.
    stream = sys.stdout if serving.settings.log_format == "json" else sys.stderr
    print("\n".join(["", *(f"  {line}" for line in lines), ""]), file=stream, flush=True)


async def _first_sync(serving: Serving) -> None:
    await _say_where(serving)
    await serving.ask_for_first_sync()
