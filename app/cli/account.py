"""`protenders users`: who may log in."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.outcome import CommandError, UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import sqlalchemy as sa

app = typer.Typer(help="Accounts: add, list, change, disable.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user name.")]
Role = Annotated[str, typer.Option("--role", help="admin, or viewer (looks at everything, changes nothing).")]


@app.command()
def add(
    name: Name,
    role: Role = "viewer",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin instead of generating one.")
    ] = False,
) -> None:
    """Add an account. Its generated password is printed once."""
    from app.auth import passwords
    from app.runtime import utc_now
    from db import accounts

    _check_role(role)
    if not name.strip():
        raise UsageError("NAME is empty; give the name to log in with.")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else passwords.generate()
    fault = passwords.fault(password)
    if fault is not None:
        raise UsageError(fault)
    with _open() as engine, engine.begin() as connection:
        user = accounts.create(
            connection,
            username=name,
            password_hash=passwords.hash_password(password),
            role=role,
            now=utc_now(),
        )
        if user is None:
            raise CommandError(f"There is an account {name} already. `protenders users list` shows all.")
        _note(connection, "user.create", user.username, {"role": role})
    print(f"Added {user.username} ({role}).")
    if not password_stdin:
        print(f"Password, shown this once: {password}")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False) -> None:
    """All accounts."""
    from app.words import instant
    from db import accounts
    from db.clock import iso

    with _open() as engine, engine.connect() as connection:
        found = accounts.all_users(connection)
    if as_json:
        rows = [
            {
                "username": user.username,
                "role": user.role,
                "active": user.is_active,
                "createdAt": iso(user.created_at),
                "lastLoginAt": iso(user.last_login_at),
            }
            for user in found
        ]
        print(json.dumps(rows, indent=2))
        return
    if not found:
        print(
            "No accounts yet. `protenders serve` creates the first admin, or: protenders users add NAME --role admin"
        )
    for user in found:
        state = "active" if user.is_active else "disabled"
        print(f"{user.username:<24} {user.role:<8} {state:<9} last login {instant(user.last_login_at)}")


@app.command("set-role")
def set_role(name: Name, role: Annotated[str, typer.Argument(help="admin or viewer")]) -> None:
    """Change an account's role."""
    from db import accounts

    _check_role(role)
    with _open() as engine, engine.begin() as connection:
        if role != "admin":
            _keep_one_admin(connection, name)
        user = accounts.set_role(connection, name, role)
        if user is None:
            raise CommandError(f"There is no account {name}.")
        _note(connection, "user.set-role", user.username, {"after": role})
    print(f"{user.username} is {role} now.")


@app.command()
def disable(name: Name) -> None:
    """Disable an account and end its sessions."""
    from db import accounts

    with _open() as engine, engine.begin() as connection:
        _keep_one_admin(connection, name)
        user = accounts.set_active(connection, name, active=False)
        if user is None:
            raise CommandError(f"There is no account {name}.")
        _note(connection, "user.disable", user.username, {})
    print(f"{user.username} is disabled and logged out.")


@app.command()
def enable(name: Name) -> None:
    """Enable a disabled account again."""
    from db import accounts

    with _open() as engine, engine.begin() as connection:
        user = accounts.set_active(connection, name, active=True)
        if user is None:
            raise CommandError(f"There is no account {name}.")
        _note(connection, "user.enable", user.username, {})
    print(f"{user.username} is enabled.")


@app.command()
def password(name: Name) -> None:
    """Give an account a new generated password, printed once, and end its sessions."""
    from app.auth import passwords
    from app.runtime import utc_now
    from db import accounts

    new = passwords.generate()
    with _open() as engine, engine.begin() as connection:
        user = accounts.set_password(connection, name, passwords.hash_password(new), now=utc_now())
        if user is None:
            raise CommandError(f"There is no account {name}.")
        _note(connection, "user.password", user.username, {})
    print(f"New password of {user.username}, shown this once: {new}")


def _check_role(role: str) -> None:
    if role not in {"admin", "viewer"}:
        raise UsageError(f"{role}: write admin or viewer.")


def _keep_one_admin(connection: sa.Connection, name: str) -> None:
    from db import accounts

    found = accounts.by_name(connection, name)
    if (
        found is not None
        and found[0].role == "admin"
        and found[0].is_active
        and accounts.active_admins(connection) == 1
    ):
        raise CommandError(f"{name} is the only admin. Make another account an admin first.")


def _open() -> AbstractContextManager[sa.Engine]:
    from app.database import database
    from app.settings import load

    return database(load())


def _note(connection: sa.Connection, action: str, target: str, details: dict[str, str]) -> None:
    from app.runtime import utc_now
    from db import audit

    audit.record(
        connection, actor="command line", action=action, target=target, details=details, now=utc_now()
    )
