"""Logging in and out."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.auth import sessions
from app.auth.protection import client_address, safe_next
from app.dependencies import TheRuntime
from app.pages.templates import page

router = APIRouter(include_in_schema=False)

FORM_COOKIE = "protenders_login"


@router.get("/admin/login")
def form(request: Request, runtime: TheRuntime, next: str | None = None) -> Response:  # noqa: A002
    """The form; whoever is logged in already goes straight on."""
    token = request.cookies.get(sessions.COOKIE)
    if sessions.current(runtime.engine, token, now=runtime.clock()) is not None:
        return RedirectResponse(safe_next(next), status_code=303)
    return _form(request, runtime, next_page=safe_next(next))


@router.post("/admin/login")
def log_in(
    request: Request,
    runtime: TheRuntime,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    form_token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "",  # noqa: A002 - the field's name
) -> Response:
    """A new session for the right name and password, with a new token whatever cookie came along."""
    following = safe_next(next)
    cookie = request.cookies.get(FORM_COOKIE, "")
    if not cookie or not hmac.compare_digest(cookie.encode(), form_token.encode()):
        text = "The form was out of date. Please try again."
        return _form(request, runtime, next_page=following, username=username, problem=text, status=403)
    try:
        token = sessions.log_in(
            runtime.engine,
            username,
            password,
            ip=client_address(request),
            user_agent=request.headers.get("user-agent"),
            now=runtime.clock(),
        )
    except sessions.LoginRefusedError as refusal:
        status = 429 if refusal.limited else 401
        return _form(
            request, runtime, next_page=following, username=username, problem=str(refusal), status=status
        )
    old = request.cookies.get(sessions.COOKIE)
    if old:
        sessions.log_out(runtime.engine, old)
    answer = RedirectResponse(following, status_code=303)
    sessions.set_cookie(answer, token, secure=request.url.scheme == "https")
    answer.delete_cookie(FORM_COOKIE, path="/admin/login")
    return answer


@router.post("/admin/logout")
def log_out(request: Request, runtime: TheRuntime) -> Response:
    """Ends this session."""
    token = request.cookies.get(sessions.COOKIE)
    if token:
        sessions.log_out(runtime.engine, token)
    answer = RedirectResponse("/admin/login?done=logged-out", status_code=303)
    answer.delete_cookie(sessions.COOKIE)
    return answer


def _form(
    request: Request,
    runtime: TheRuntime,
    *,
    next_page: str,
    username: str = "",
    problem: str | None = None,
    status: int = 200,
) -> Response:
    form_token = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    answer = page(
        request,
        "login.html",
        status=status,
        form_token=form_token,
        next_page=next_page,
        username=username,
        problem=problem,
    )
    answer.set_cookie(
        FORM_COOKIE,
        form_token,
        max_age=3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/admin/login",
    )
    return answer
