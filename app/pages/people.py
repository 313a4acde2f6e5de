"""Accounts, and what people did."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.actions import write_note
from app.auth import passwords
from app.dependencies import Reading, TheCaller, TheRuntime
from app.pages.actions import back
from app.pages.templates import page
from app.runtime import Runtime
from db import accounts, audit

router = APIRouter(include_in_schema=False)

PAGE = 100
Name = Annotated[str, Form(pattern=r"\S", max_length=100)]
Role = Annotated[Literal["viewer", "admin"], Form()]


@router.get("/admin/users")
def users(request: Request, runtime: TheRuntime, connection: Reading) -> HTMLResponse:
    """All accounts."""
    return _shown(request, runtime, connection)


@router.post("/admin/users/add")
def add(request: Request, runtime: TheRuntime, by: TheCaller, username: Name, role: Role) -> HTMLResponse:
    """Adds an account and shows its generated password this once."""
    password = passwords.generate()
    hashed = passwords.hash_password(password)
    with runtime.engine.begin() as connection:
        user = accounts.create(
            connection, username=username, password_hash=hashed, role=role, now=runtime.clock()
        )
        if user is None:
            raise HTTPException(409, f"There is an account {username} already.")
        write_note(connection, runtime, by, "user.create", user.username, {"role": role})
        return _shown(request, runtime, connection, made=(user.username, password))


@router.post("/admin/users/{username}/role")
def set_role(runtime: TheRuntime, by: TheCaller, username: str, role: Role) -> RedirectResponse:
    """Changes an account's role; the last admin stays one."""
    with runtime.engine.begin() as connection:
        before = _existing(connection, username)
        if before.role == "admin" and role != "admin":
            _keep_one_admin(connection, before)
        accounts.set_role(connection, username, role)
        write_note(connection, runtime, by, "user.set-role", username, {"before": before.role, "after": role})
    return back("/admin/users", "user-changed")


@router.post("/admin/users/{username}/active")
def set_active(
    runtime: TheRuntime, by: TheCaller, username: str, active: Annotated[bool, Form()]
) -> RedirectResponse:
    """Disables an account (its sessions end at once) or enables it again."""
    with runtime.engine.begin() as connection:
        before = _existing(connection, username)
        if not active:
            _keep_one_admin(connection, before)
        accounts.set_active(connection, username, active=active)
        words = {True: "active", False: "disabled"}
        change = {"before": words[before.is_active], "after": words[active]}
        write_note(connection, runtime, by, "user.enable" if active else "user.disable", username, change)
    return back("/admin/users", "user-changed")


@router.post("/admin/users/{username}/password")
def new_password(request: Request, runtime: TheRuntime, by: TheCaller, username: str) -> HTMLResponse:
    """Gives an account a generated password, shown this once, and ends its sessions."""
    password = passwords.generate()
    hashed = passwords.hash_password(password)
    with runtime.engine.begin() as connection:
        user = _existing(connection, username)
        if user.id == by.actor.id:
            raise HTTPException(409, "Change your own password on the page of your account.")
        accounts.set_password(connection, username, hashed, now=runtime.clock())
        write_note(connection, runtime, by, "user.password", user.username, {})
        return _shown(request, runtime, connection, made=(user.username, password))


@router.post("/admin/users/{username}/sessions")
def end_sessions(runtime: TheRuntime, by: TheCaller, username: str) -> RedirectResponse:
    """Logs an account out everywhere."""
    with runtime.engine.begin() as connection:
        user = _existing(connection, username)
        ended = accounts.end_all_sessions(connection, user.id)
        write_note(connection, runtime, by, "session.end", user.username, {"ended": ended})
    return back("/admin/users", "user-changed")


@router.get("/admin/audit")
def log(
    request: Request,
    connection: Reading,
    actor: Annotated[str, Query(max_length=100)] = "",
    action: Annotated[str, Query(max_length=100)] = "",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """Who did what, the newest first."""
    found = audit.page(connection, limit=PAGE + 1, before=before, actor=actor or None, action=action or None)
    return page(
        request,
        "audit.html",
        entries=found[:PAGE],
        filters={"actor": actor, "action": action},
        before=before,
        following=found[PAGE - 1].id if len(found) > PAGE else None,
    )


def _shown(
    request: Request, runtime: Runtime, connection: Reading, *, made: tuple[str, str] | None = None
) -> HTMLResponse:
    return page(
        request,
        "users.html",
        users=accounts.all_users(connection),
        sessions=accounts.session_counts(connection, now=runtime.clock()),
        made=made,
    )


def _existing(connection: Reading, username: str) -> accounts.User:
    found = accounts.by_name(connection, username)
    if found is None:
        raise HTTPException(404, f"There is no account {username}.")
    return found[0]


def _keep_one_admin(connection: Reading, user: accounts.User) -> None:
    if user.role == "admin" and user.is_active and accounts.active_admins(connection) == 1:
        raise HTTPException(409, f"{user.username} is the only admin. Make another account an admin first.")
