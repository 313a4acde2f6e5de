"""`protenders db`: the schema, the address, backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.outcome import CommandError, Exit, UsageError

app = typer.Typer(help="The database: schema, address, backup and restore.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Bring the schema up to date."""
    from app.database import database_url, prepare
    from app.settings import load
    from db import migrate

    with database_url(load()) as url:
        prepare(url)
        print(f"The schema is at revision {migrate.status(url).current}.")


@app.command()
def status() -> int:
    """Whether the schema is up to date; exit code 1 when it is not."""
    from app.database import database_url
    from app.settings import load
    from db import migrate

    with database_url(load()) as url:
        found = migrate.status(url)
    if found.pending:
        print(f"At revision {found.current or 'none'}; {found.head} is waiting. Run `protenders db upgrade`.")
        return Exit.FAILED
    print(f"At revision {found.current}, up to date.")
    return Exit.SUCCESS


@app.command()
def url(
    show_password: Annotated[
        bool, typer.Option("--show-password", help="With the password, so that psql can use it.")
    ] = False,
) -> None:
    """The database's address, with its password hidden. The embedded server runs while `protenders` does."""
    from app.database import database_url
    from app.settings import load
    from db.engine import normalise

    with database_url(load()) as address:
        print(
            normalise(address).set(drivername="postgresql").render_as_string(hide_password=not show_password)
        )


@app.command()
def backup(out: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Write a backup of the database to a file."""
    from app.database import database_url
    from app.settings import load
    from db import backup as copies

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(f"{out} cannot be written: name a file in a folder that exists.")
    with database_url(load()) as address:
        try:
            copies.backup(address, out)
        except (OSError, RuntimeError) as problem:
            raise CommandError(f"The backup failed: {problem}") from problem
    print(f"Wrote {out}.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `db backup` wrote.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Replace what the database holds, without asking.")
    ] = False,
) -> None:
    """Replace the database's content by a backup."""
    from app.database import database_url
    from app.settings import load
    from db import backup as copies

    if not file.is_file():
        raise CommandError(f"There is no file {file}.", Exit.USAGE)
    if not yes and not typer.confirm("This replaces everything in the database. Go on?"):
        raise typer.Abort
    with database_url(load()) as address:
        try:
            copies.restore(address, file)
        except (OSError, RuntimeError) as problem:
            raise CommandError(f"The restore failed: {problem}") from problem
    print(f"Restored {file}.")
