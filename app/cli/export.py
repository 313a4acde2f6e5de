"""`protenders export`: the tenders, streamed to a file or stdout."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from app.cli.outcome import UsageError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("export")(export)


def export(
    format_: Annotated[str, typer.Option("--format", help="jsonl or csv.", metavar="FORMAT")],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; without it, stdout.")] = None,
    q: Annotated[str | None, typer.Option("--q", help="Words to search for.")] = None,
    province: Annotated[str | None, typer.Option(help="Only this province.")] = None,
    category: Annotated[str | None, typer.Option(help="Only this category.")] = None,
    buyer: Annotated[str | None, typer.Option(help="Only this buyer, by name or id.")] = None,
    status: Annotated[str | None, typer.Option(help="Only this status.")] = None,
    published_from: Annotated[
        str | None, typer.Option(metavar="DAY", help="Published on or after this day.")
    ] = None,
    published_to: Annotated[
        str | None, typer.Option(metavar="DAY", help="Published on or before this day.")
    ] = None,
) -> None:
    """Write the published tenders that fit, the newest first."""
    from app.cli.choices import day
    from app.database import database
    from app.opendata.formats import FORMATS
    from app.settings import load
    from db.tender_search import Filters, stream

    writer = FORMATS.get(format_)
    if writer is None:
        raise UsageError(f"--format {format_}: write {', '.join(sorted(FORMATS))}.")
    if out is None and writer.binary and sys.stdout.isatty():
        raise UsageError(f"{format_} is no text; write it to a file with --out.")
    filters = Filters(
        q=q,
        province=province,
        category=category,
        buyer=buyer,
        status=status,
        published_from=day(published_from, "--published-from"),
        published_to=day(published_to, "--published-to"),
    )
    with ExitStack() as stack:
        engine = stack.enter_context(database(load()))
        connection = stack.enter_context(engine.connect())
        target = stack.enter_context(out.open("wb")) if out is not None else sys.stdout.buffer
        for chunk in writer.write(stream(connection, filters)):
            target.write(chunk)
        target.flush()
