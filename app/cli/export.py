"""`protenders export`: the tenders, streamed to a file or stdout."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from app.cli.outcome import UsageError

if TYPE_CHECKING:
    from db.tender_search import Filters


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("export")(export)


def export(
    format_: Annotated[str, typer.Option("--format", help="ocds, jsonl, csv or xlsx.", metavar="FORMAT")],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; without it, stdout.")] = None,
    q: Annotated[str | None, typer.Option("--q", help="Words to search for, or an ocid.")] = None,
    province: Annotated[str | None, typer.Option(help="Only this province.")] = None,
    category: Annotated[str | None, typer.Option(help="Only this category.")] = None,
    buyer: Annotated[str | None, typer.Option(help="Only this buyer, by name or id.")] = None,
    status: Annotated[str | None, typer.Option(help="open, closed, cancelled, awarded …")] = None,
    lifecycle: Annotated[str | None, typer.Option(help="open, closed, cancelled or awarded.")] = None,
    organ_of_state_type: Annotated[str | None, typer.Option(help="Only this kind of buyer.")] = None,
    published_from: Annotated[
        str | None, typer.Option(metavar="DAY", help="Published on or after this day.")
    ] = None,
    published_to: Annotated[
        str | None, typer.Option(metavar="DAY", help="Published on or before this day.")
    ] = None,
    closing_before: Annotated[
        str | None, typer.Option(metavar="DAY", help="Closing before this day begins.")
    ] = None,
    closing_after: Annotated[
        str | None, typer.Option(metavar="DAY", help="Closing after this day has ended.")
    ] = None,
    changed_since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Added or changed since: a day, or a time with its zone."),
    ] = None,
) -> None:
    """Write the published tenders that fit, the newest first."""
    from app.opendata.formats import FORMATS

    writer = FORMATS.get(format_)
    if writer is None:
        raise UsageError(f"--format {format_}: write {', '.join(sorted(FORMATS))}.")
    if out is None and writer.binary and sys.stdout.isatty():
        raise UsageError(f"{format_} is no text; write it to a file with --out.")
    filters = _filters(
        q=q,
        province=province,
        category=category,
        buyer=buyer,
        status=status,
        lifecycle=lifecycle,
        organ_of_state_type=organ_of_state_type,
        published_from=published_from,
        published_to=published_to,
        closing_before=closing_before,
        closing_after=closing_after,
        changed_since=changed_since,
    )
    from app.database import database
    from app.opendata.formats import NothingFitsError
    from app.opendata.origin import Origin
    from app.opendata.spreadsheet import TooManyRowsError
    from app.settings import load
    from db.tender_search import Stream

    settings = load()
    base = settings.app_url or "http://127.0.0.1:8000"
    origin = Origin(
        uri=f"{base}/api/ocds/releases.json",
        base_url=base,
        portal_url=settings.etenders_base_url,
        written_at=datetime.now(UTC),
    )
    with ExitStack() as stack, _refusal(TooManyRowsError, NothingFitsError):
        engine = stack.enter_context(database(settings))
        connection = stack.enter_context(engine.connect())
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ")
        target = stack.enter_context(_target(out))
        for chunk in writer.write(Stream(snapshot, filters), origin):
            target.write(chunk)
        target.flush()


@contextlib.contextmanager
def _refusal(*kinds: type[ValueError]) -> Iterator[None]:
    """What the format cannot hold is told as a fault of the options."""
    try:
        yield
    except kinds as problem:
        raise UsageError(f"--format: {problem}.") from problem


def _filters(**given: str | None) -> Filters:
    """The options as filters. Raises UsageError naming the first one that cannot be used."""
    from pydantic import ValidationError

    from app.opendata.asking import Asked

    try:
        return Asked.model_validate({name: value for name, value in given.items() if value}).filters()
    except ValidationError as problem:
        fault = problem.errors()[0]
        name = str(fault["loc"][0])
        raise UsageError(f"--{name.replace('_', '-')} {given[name]}: {fault['msg']}.") from None


@contextlib.contextmanager
def _target(out: Path | None) -> Iterator[IO[bytes]]:
    """Where to write. A file takes its place only when it is complete."""
    if out is None:
        yield sys.stdout.buffer
        return
    partial = out.with_name(f"{out.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(out)
    except OSError as problem:
        raise UsageError(f"--out {out}: cannot be written ({problem.strerror}).") from problem
    finally:
        partial.unlink(missing_ok=True)
