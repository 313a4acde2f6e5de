"""One's own account: a new password, and where one is logged in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from app.actions import By, write_note
from app.auth import passwords, sessions
from app.dependencies import TheCaller, TheRuntime
from app.pages.actions import back
from app.pages.templates import page
from app.runtime import Runtime
from db import accounts

router = APIRouter(prefix="/admin/account", include_in_schema=False)

PAGE = "/admin/account"


@router.get("")
def account(request: Request, runtime: TheRuntime, by: TheCaller) -> Response:
    """The form for a new password, and the sessions."""
    return _shown(request, runtime, by)


@router.post("/password")
def change_password(
    request: Request,
    runtime: TheRuntime,
    by: TheCaller,
    old: Annotated[str, Form(max_length=1000)] = "",
    new: Annotated[str, Form(max_length=1000)] = "",
    again: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """A new password for whoever knows the old one; only this browser stays logged in."""
    if new != again:
        return _shown(request, runtime, by, problem="The new password was written in two ways.", status=422)
    try:
        token = sessions.change_password(
            runtime.engine,
            by.actor.name,
            old,
            new,
            ip=by.ip,
            user_agent=request.headers.get("user-agent"),
            now=runtime.clock(),
        )
    except sessions.LoginRefusedError as refusal:
        status = 429 if refusal.limited else 422
        return _shown(request, runtime, by, problem=str(refusal), status=status)
    answer = back(PAGE, "password-changed")
    sessions.set_cookie(answer, token, secure=request.url.scheme == "https")
    return answer


@router.post("/sessions/end")
def end_sessions(
    request: Request, runtime: TheRuntime, by: TheCaller, session: Annotated[str, Form(max_length=64)] = ""
) -> RedirectResponse:
    """Ends one session of one's own, or every other one."""
    user_id = _own(by)
    with runtime.engine.begin() as connection:
        if session:
            if not accounts.end_session_of(connection, user_id, session):
                raise HTTPException(404, "You have no such session.")
            ended = 1
        else:
            current = sessions.token_hash(request.cookies.get(sessions.COOKIE, ""))
            ended = accounts.end_all_sessions(connection, user_id, but=current)
        write_note(connection, runtime, by, "session.end", by.actor.name, {"ended": ended})
    return back(PAGE, "session-ended" if session else "sessions-ended")


def _own(by: By) -> str:
    if by.actor.id is None:
        raise HTTPException(409, "The command line has no account of its own.")
    return by.actor.id


def _shown(
    request: Request, runtime: Runtime, by: By, *, problem: str | None = None, status: int = 200
) -> Response:
    with runtime.engine.connect() as connection:
        found = accounts.sessions_of(connection, _own(by), now=runtime.clock())
    token = request.cookies.get(sessions.COOKIE, "")
    return page(
        request,
        "account.html",
        status=status,
        sessions=found,
        here=sessions.token_hash(token).hex() if token else None,
        problem=problem,
        shortest=passwords.MIN_LENGTH,
    )
