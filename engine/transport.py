"""Calling an SDK: in process as an ASGI application, or over HTTP with pooled connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx

from engine.wire import MAX_STATE, MAX_STEP_OUTPUT, Response

log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
_LARGEST_ANSWER = MAX_STATE + 2 * MAX_STEP_OUTPUT
# Shorter than what servers keep an idle connection open (2 s and up), so that none closes under a call.
_IDLE_SECONDS = 1.0


class UnreachableError(Exception):
    """The SDK could not be called, hung, or closed the connection; the message says which."""


class Transport(Protocol):
    """One way of calling a URL."""

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Raises `UnreachableError`."""

    async def close(self) -> None:
        """Give back what it holds."""


@lru_cache(maxsize=4096)
def _target(url: str) -> tuple[str, bytes, bytes, str, int, str]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "localhost").encode()
    netloc = host if parts.port is None else b"%b:%d" % (host, port)
    return unquote(parts.path), parts.query.encode(), netloc, host.decode(), port, parts.scheme


class InProcess:
    """Calls an ASGI application directly: no socket, no HTTP parser."""

    def __init__(self, app: AsgiApp, *, timeout: float) -> None:
        self._app = app
        self._timeout = timeout

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        path, query, netloc, host, port, scheme = _target(url)
        raw = [(b"host", netloc), (b"content-length", b"%d" % len(body))]
        raw += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "headers": raw,
            "client": ("127.0.0.1", 0),
            "server": (host, port),
            "state": {},
        }
        sent = False
        status = 0
        found: list[tuple[bytes, bytes]] = []
        chunks: list[bytes] = []

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, found
            if message["type"] == "http.response.start":
                status, found = message["status"], list(message.get("headers", ()))
            elif message["type"] == "http.response.body":
                chunks.append(bytes(message.get("body", b"")))

        try:
            async with asyncio.timeout(self._timeout):
                await self._app(scope, receive, send)
        except TimeoutError:
            raise UnreachableError(f"the SDK did not answer within {self._timeout:g} seconds") from None
        except Exception as error:
            if not status:
                raise UnreachableError(f"the application raised {type(error).__name__}: {error}") from error
        if not status:
            raise UnreachableError("the application ended the request without an answer")
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in found}
        return Response(status=status, headers=named, body=b"".join(chunks))

    async def close(self) -> None:
        """Nothing is held."""


class Http:
    """Calls over HTTP; connections are kept and shared."""

    def __init__(self, *, timeout: float, connections: int) -> None:
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=10.0, pool=None),
            # shorter than servers keep idle connections, so that none closes as it is used
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=2.0
            ),
            follow_redirects=False,
            trust_env=False,
        )
        self._timeout = timeout

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        try:
            async with asyncio.timeout(self._timeout + 10.0):
                return await self._call(method, url, headers, body)
        except (TimeoutError, httpx.TimeoutException):
            raise UnreachableError(f"the SDK did not answer within {self._timeout:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"the SDK could not be reached: {reason}") from error

    async def _call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        async with self._client.stream(method, url, headers=dict(headers), content=body) as answer:
            chunks: list[bytes] = []
            size = 0
            async for chunk in answer.aiter_bytes():
                size += len(chunk)
                if size > _LARGEST_ANSWER:
                    raise UnreachableError(f"the SDK's answer is longer than {_LARGEST_ANSWER} bytes")
                chunks.append(chunk)
        named = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status_code, headers=named, body=b"".join(chunks))

    async def close(self) -> None:
        await self._client.aclose()


class Switch:
    """Sends calls whose URL starts with a known prefix to the application behind it, all others over HTTP."""

    def __init__(self, http: Transport) -> None:
        self._http = http
        self._local: list[tuple[str, Transport]] = []

    def serve(self, prefix: str, transport: Transport) -> None:
        self._local.append((_normal(prefix), transport))

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        if self._local:
            normal = _normal(url)
            for prefix, transport in self._local:
                if normal.startswith(prefix):
                    return await transport.call(method, url, headers, body)
        return await self._http.call(method, url, headers, body)

    async def close(self) -> None:
        await self._http.close()


@lru_cache(maxsize=4096)
def _normal(url: str) -> str:
    return url.replace("://127.0.0.1", "://localhost", 1)
