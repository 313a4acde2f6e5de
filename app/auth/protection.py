"""The protection of every route, in one table, and the guard that enforces it.

A route that no rule covers is refused: a new page has to be thought about before it can be reached. The first rule
that fits a method and a route's path template decides.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from app.auth import basic, sessions

if TYPE_CHECKING:
    from app.runtime import Runtime

log = logging.getLogger("protenders.auth")

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Protection(StrEnum):
    """What a caller must have."""

    PUBLIC = "anybody"
    VIEWER = "an account"
    ADMIN = "an admin's account, and the session's form token"
    SIGNED_LINK = "a link of ours from a mail: its token is signed"
    CRON_SECRET = "Authorization: Bearer CRON_SECRET"  # noqa: S105 - a description
    SDK_SIGNATURE = "Inngest's request signature, in production"
    ENGINE_KEY = "the event key or the signing key, in production (checked by the engine)"


@dataclass(frozen=True)
class Rule:
    """Which protection a method and path template have; `*` stands for anything."""

    method: str
    path: str
    protection: Protection


RULES = (
    Rule("GET", "/", Protection.PUBLIC),
    Rule("GET", "/static/*", Protection.PUBLIC),
    Rule("GET", "/healthz", Protection.PUBLIC),
    Rule("GET", "/readyz", Protection.PUBLIC),
    Rule("GET", "/metrics", Protection.PUBLIC),
    Rule("GET", "/docs", Protection.PUBLIC),
    Rule("GET", "/openapi.json", Protection.PUBLIC),
    Rule("GET", "/api/tenders*", Protection.PUBLIC),
    Rule("GET", "/api/ocds/*", Protection.PUBLIC),
    Rule("*", "/unsubscribe/*", Protection.SIGNED_LINK),
    Rule("POST", "/api/cron/*", Protection.CRON_SECRET),
    Rule("*", "/api/inngest", Protection.SDK_SIGNATURE),
    Rule("*", "/admin/login", Protection.PUBLIC),
    Rule("POST", "/admin/logout", Protection.VIEWER),
    Rule("POST", "/admin/searches/*", Protection.VIEWER),
    Rule("POST", "/admin/account/*", Protection.VIEWER),
    Rule("GET", "/admin*", Protection.VIEWER),
    Rule("GET", "/api/admin/*", Protection.VIEWER),
    Rule("*", "/admin*", Protection.ADMIN),
    Rule("*", "/api/admin/*", Protection.ADMIN),
    Rule("*", "/e/*", Protection.ENGINE_KEY),
    Rule("*", "/fn/*", Protection.ENGINE_KEY),
    Rule("*", "/v0/*", Protection.ENGINE_KEY),
    Rule("*", "/v1/*", Protection.ENGINE_KEY),
    Rule("*", "/v2/*", Protection.ENGINE_KEY),
    Rule("*", "/invoke/*", Protection.ENGINE_KEY),
    Rule("GET", "/dev", Protection.ENGINE_KEY),
)


_CHECKED_ELSEWHERE = frozenset(
    {Protection.PUBLIC, Protection.SIGNED_LINK, Protection.SDK_SIGNATURE, Protection.ENGINE_KEY}
)


def protection_of(method: str, path: str) -> Protection | None:
    """The protection of a route by its template; None when the table does not mention it."""
    asked = "GET" if method == "HEAD" else method
    for rule in RULES:
        if rule.method in {"*", asked} and fnmatchcase(path, rule.path):
            return rule.protection
    return None


@dataclass(frozen=True)
class Actor:
    """Who acts in this request. `csrf` is the token for forms, for sessions only."""

    name: str
    role: str
    via: Literal["session", "token", "basic"]
    id: str | None = None
    csrf: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether changes are allowed."""
        return self.role == "admin"


async def guard(request: Request) -> None:
    """Lets the request through, or raises the HTTP error that its protection asks for."""
    route = request.scope.get("route")
    template = getattr(route, "path", request.url.path)
    protection = protection_of(request.method, template)
    if protection is None:
        log.error("no protection is stated for %s %s", request.method, template)
        raise HTTPException(403, "This address has no stated protection and is closed.")
    if protection in _CHECKED_ELSEWHERE:
        return
    runtime: Runtime = request.app.state.runtime
    if protection is Protection.CRON_SECRET:
        _check_cron_secret(request, runtime)
        return
    actor = await run_in_threadpool(_actor, request, runtime)
    if actor is None:
        raise _log_in_first(request)
    request.state.actor = actor
    if request.method not in SAFE and actor.via == "session":
        await _check_form_token(request, actor)
    if protection is Protection.ADMIN and not actor.is_admin:
        raise HTTPException(
            403, f"{actor.name} may look at everything and change nothing (role {actor.role})."
        )


def _actor(request: Request, runtime: Runtime) -> Actor | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if hmac.compare_digest(credentials.encode(), runtime.instance.token.encode()):
            return Actor(name="command line", role="admin", via="token")
        return None
    if scheme.lower() == "basic":
        return basic.actor(request, runtime, credentials)
    session = sessions.current(runtime.engine, request.cookies.get(sessions.COOKIE), now=runtime.clock())
    if session is None:
        return None
    user = session.user
    return Actor(name=user.username, role=user.role, via="session", id=user.id, csrf=session.csrf)


async def _check_form_token(request: Request, actor: Actor) -> None:
    given = request.headers.get("x-csrf-token")
    if given is None and "form" in request.headers.get("content-type", ""):
        value = (await request.form()).get("csrf")
        given = value if isinstance(value, str) else None
    if given is None or not hmac.compare_digest(given.encode(), actor.csrf.encode()):
        raise HTTPException(403, "The form is out of date. Reload the page and try again.")


def client_address(request: Request) -> str | None:
    """The caller's address, as far as the server knows it (a proxy's header counts only when it is trusted)."""
    return request.client.host if request.client else None


def _check_cron_secret(request: Request, runtime: Runtime) -> None:
    secret = runtime.settings.cron_secret
    if secret is None:
        raise HTTPException(404, "These routes are off: CRON_SECRET is not set.")
    expected = f"Bearer {secret.get_secret_value()}"
    if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
        raise HTTPException(401, "Send the header `Authorization: Bearer CRON_SECRET`.")


def _log_in_first(request: Request) -> HTTPException:
    if request.url.path.startswith("/api/"):
        return HTTPException(
            401, "Log in first: a session cookie, or HTTP Basic with an account's name and password."
        )
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"/admin/login?next={quote(here, safe='/')}" if request.method in SAFE else "/admin/login"
    return HTTPException(303, "Log in first.", headers={"Location": target})


def safe_next(target: str | None) -> str:
    """Where to go after the login: a page of ours, never another site's."""
    if target and target.isprintable() and "\\" not in target:
        parts = urlsplit(target)
        ours = parts.path == "/admin" or (parts.path.startswith("/admin/") and parts.path != "/admin/login")
        if ours and not parts.scheme and not parts.netloc:
            return target
    return "/admin"
