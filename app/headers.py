"""What every response carries for the browser's safety, and how large a request may be."""

from __future__ import annotations

import json
from urllib.parse import urlsplit, urlunsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MAX_BODY = 256 * 1024
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# An invocation carries its run's state and the event that it began with: ours come to kilobytes, and nothing else is
# served here. Whoever has no key can make us read so much.
MAX_INVOCATION = 4 * 1024 * 1024
# The embedded engine reads these itself, within limits of its own, and only from callers that have a key.
_ENGINE = ("/e/", "/fn/", "/invoke/", "/v0/", "/v1/", "/v2/")


class SecurityHeaders:
    """Adds the security headers to every response; pages of accounts are never cached, redirects stay on this site."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        private = scope["path"].startswith(("/admin", "/api/admin"))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", CONTENT_SECURITY_POLICY)
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "same-origin"
                headers["cross-origin-opener-policy"] = "same-origin"
                headers["permissions-policy"] = "camera=(), geolocation=(), microphone=()"
                if private:
                    headers.setdefault("cache-control", "no-store")
                if "location" in headers:
                    headers["location"] = here(headers["location"])
                if self._https:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, receive, with_headers)


def here(location: str) -> str:
    """A redirect's target without scheme and host, which a framework takes from a Host header that anybody can send."""
    parts = urlsplit(location)
    if not parts.scheme and not parts.netloc:
        return location
    return urlunsplit(("", "", "/" + parts.path.lstrip("/"), parts.query, parts.fragment))


class OwnSite:
    """Refuses changes that a browser makes on behalf of another site, on every route: a page of somebody else's must
    not be able to send events to an engine that listens on this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] not in _SAFE and not same_origin(Headers(scope=scope)):
            await _refuse(send, 403, "The request comes from another site.")
            return
        await self._app(scope, receive, send)


def same_origin(headers: Headers) -> bool:
    """Whether a browser sent this from one of our own pages (or no browser did)."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        # The browser has compared them itself, whatever a proxy has made of the Host header since.
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


class BodyLimit:
    """Refuses a request body above the limit with 413, by its declared length or while it arrives."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"].startswith(_ENGINE):
            await self._app(scope, receive, send)
            return
        limit = MAX_INVOCATION if scope["path"].startswith("/api/inngest") else self._limit
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await _refuse(send, 413, _too_large(limit))
            return
        received = 0
        begun = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                # The rest is not read; whatever the app makes of the early end, 413 is what is answered.
                return {"type": "http.disconnect"}
            return message

        async def guarded(message: Message) -> None:
            nonlocal begun
            if begun or received <= limit:
                begun = True
                await send(message)

        try:
            await self._app(scope, counted, guarded)
        except ClientDisconnect:
            if received <= limit:
                raise
        if received > limit and not begun:
            await _refuse(send, 413, _too_large(limit))


def _too_large(limit: int) -> str:
    return f"The request is larger than {limit // 1024} KiB."


async def _refuse(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json"), (b"connection", b"close")],
        }
    )
    await send({"type": "http.response.body", "body": body})
