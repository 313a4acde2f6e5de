"""Errors as answers: a page for a person, `{"error": …}` for a program. Never a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import psycopg
import sqlalchemy.exc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.inngest_link import EventNotTakenError
from engine.database import Closed

log = logging.getLogger("protenders.http")

_NO_BODY = frozenset({"json_invalid", "missing", "model_attributes_type"})


def install(app: FastAPI) -> None:
    """Puts the handlers in place."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for refused in (sqlalchemy.exc.DataError, psycopg.DataError):
        app.add_exception_handler(refused, _impossible)
    for unserved in (
        sqlalchemy.exc.OperationalError,
        sqlalchemy.exc.TimeoutError,
        psycopg.OperationalError,
        Closed,
    ):
        app.add_exception_handler(unserved, _database)
    app.add_exception_handler(EventNotTakenError, _not_taken)


def _answer(request: Request, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    if request.url.path.startswith("/admin"):
        from app.pages.templates import error_page

        return error_page(request, status, message, headers)
    return JSONResponse({"error": message}, status_code=status, headers=headers)


async def _http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101 - registered for this class
    headers = dict(problem.headers or {})
    if problem.status_code == HTTPStatus.SEE_OTHER and "Location" in headers:
        return RedirectResponse(headers["Location"], status_code=303)
    message = str(problem.detail)
    if problem.status_code == HTTPStatus.NOT_FOUND and message == "Not Found":
        message = f"There is nothing at {request.url.path}."
    return _answer(request, problem.status_code, message, headers)


async def _invalid(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)  # noqa: S101 - registered for this class
    return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(map(_sentence, problem.errors())))


def _sentence(error: dict[str, Any]) -> str:
    """The field, as far as it is one field's fault, and what is wrong."""
    if error["type"] in _NO_BODY and (len(error["loc"]) == 1 or error["type"] == "json_invalid"):
        return "The body must be a JSON object, sent as application/json."
    field = ".".join(str(part) for part in error["loc"][1:])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


async def _impossible(request: Request, problem: Exception) -> Response:
    """A value that no column can hold, such as text with a NUL character, is the request's fault."""
    log.warning("the database refused a value of %s: %s", request.url.path, getattr(problem, "orig", problem))
    return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "A value is one that the database cannot hold.")


async def _database(request: Request, problem: Exception) -> Response:
    log.error("the database did not serve %s: %s", request.url.path, problem)
    message = "The database does not answer right now. Try again in a moment; `protenders doctor` tells more."
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, message, {"Retry-After": "5"})


async def _not_taken(request: Request, problem: Exception) -> Response:
    log.error("%s asked for work: %s", request.url.path, problem)
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, str(problem), {"Retry-After": "5"})


class CatchAll:
    """Answers what nothing else caught with 500, inside the middleware that adds the safety headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except ClientDisconnect:
            log.info(
                "the client of %s %s went away before its request was complete",
                scope["method"],
                scope["path"],
            )
        except Exception as problem:
            log.error("unexpected error at %s %s", scope["method"], scope["path"], exc_info=problem)
            if not begun:
                text = "Something went wrong here; the log has the details."
                await _answer(Request(scope), 500, text)(scope, receive, send)
