"""Copy a database to one file and back, with the client programs of the installed PostgreSQL wheel."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from sqlalchemy.engine import URL

from db.embedded_place import binaries
from db.engine import watched

SCHEMAS = ("engine", "public")
# A session that has been closed takes a moment to go. Other accounts' sessions, such as a monitor's, use none of our
# tables.
_ALONE = """
DO $$ BEGIN
    FOR attempt IN 1..50 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
                       AND pid <> pg_backend_pid() AND backend_type = 'client backend') THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.1);
    END LOOP;
    RAISE EXCEPTION 'a server or a command is connected to this database: stop it first';
END $$;
"""


class BackupError(RuntimeError):
    """A copy could not be made or brought back; the message has the program's own words."""


def backup(url: str | URL, path: Path) -> None:
    """Write all of the database to `path`: a consistent state, taken while it is in use; readable by us only.

    The file appears when it is whole. It holds the accounts' password hashes: keep it like a secret.
    """
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    os.close(descriptor)
    try:
        command = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={draft}"]
        command += [f"--schema={schema}" for schema in SCHEMAS]
        _finish(_start(url, *command))
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def restore(url: str | URL, path: Path) -> None:
    """Replace the database's content by that of `path`: all of it, or on any error nothing.

    Refused while anybody else is connected; the next start migrates what an older release has backed up.
    """
    _finish(_start(url, "pg_restore", "--list", str(path)), what=f"{path} is not a backup")
    psql = _start(url, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", feed=True)
    if psql.stdin is None:
        raise BackupError("psql has no input")
    replace = "".join(f"DROP SCHEMA IF EXISTS {schema} CASCADE;\n" for schema in SCHEMAS)
    try:
        psql.stdin.write(f"BEGIN;\n{_ALONE}SET LOCAL lock_timeout = '10s';\n{replace}".encode())
        psql.stdin.flush()
        archive = _start(
            url, "pg_restore", "--no-owner", "--no-privileges", "--file=-", str(path), out=psql.stdin
        )
        _finish(archive)
        psql.stdin.write(b"COMMIT;\n")
    except (BackupError, BrokenPipeError):
        # Without a COMMIT it takes everything back; its own complaint is the better one.
        _finish(psql)
        raise
    _finish(psql)


def _start(
    url: str | URL, program: str, *arguments: str, feed: bool = False, out: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a client program on the database, the password in its environment and not in the process list."""
    database = watched(url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment["PGOPTIONS"] = "-c statement_timeout=0 -c client_min_messages=warning"
    if database.password is not None:
        environment["PGPASSWORD"] = str(database.password)
    address = URL.create(
        "postgresql", database.username, None, database.host, database.port, database.database, database.query
    )
    connects = program != "pg_restore"
    target = ["--dbname", address.render_as_string(hide_password=False)] if connects else []
    return subprocess.Popen(
        [str(binaries() / program), *target, *arguments],
        stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if out is None else out,
        stderr=subprocess.PIPE,
        env=environment,
    )


def _finish(process: subprocess.Popen[bytes], *, what: str = "") -> None:
    _, complaint = process.communicate()
    if process.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise BackupError(
            ": ".join([*([what] if what else []), "; ".join(lines[:3]) or "it ended without a word"])
        )
