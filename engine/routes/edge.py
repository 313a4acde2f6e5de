"""What every route shares: who may call, how bodies are read, how answers and errors look."""

from __future__ import annotations

import functools
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
import psycopg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from engine import signing, surrogates
from engine.database import Closed
from engine.functions import RefusedError
from engine.intake import BadEventError
from engine.operations import NotPossibleError

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)
Endpoint = Callable[[Request], Awaitable[Response]]
Route = tuple[str, list[str], Endpoint]
MAX_BODY = 64 * 1024 * 1024


class ApiError(Exception):
    """An answer other than success; `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return orjson.Fragment(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; bytes inside the value are JSON already."""
    return Response(
        orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


class Edge:
    """Wraps endpoints: checks keys, turns errors into answers."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def kind(self) -> str:
        return "dev" if self.engine.config.dev else "cloud"

    def metadata(self) -> dict[str, Any]:
        """When the data of an answer was read; nothing is ever cached."""
        now = self.engine.clock()
        return {"fetched_at": now, "cached_until": None}

    def open(self, endpoint: Endpoint) -> Endpoint:
        """An endpoint that anybody may call, with errors answered."""

        @functools.wraps(endpoint)
        async def guarded(request: Request) -> Response:
            try:
                response = await endpoint(request)
            except ApiError as error:
                body = {"error": str(error), "data": None, "status": error.code}
                response = answer(body, error.code)
            except RefusedError as error:
                response = answer({"error": str(error), "ok": False, "status": 400}, 400)
            except NotPossibleError as error:
                response = answer({"error": str(error), "data": None, "status": 400}, 400)
            except BadEventError as error:
                refusal = {"ids": error.ids, "status": error.status, "error": str(error)}
                response = answer(refusal, error.status)
            except ClientDisconnect:
                response = answer({"error": "the client went away", "status": 400}, 400)
            except (Closed, psycopg.OperationalError) as error:
                log.warning("engine: cannot answer %s: %s", request.url.path, error)
                response = answer({"error": "the engine is not available now; try again", "status": 503}, 503)
            response.headers["x-inngest-server-kind"] = self.kind
            return response

        return guarded

    def keyed(self, endpoint: Endpoint) -> Endpoint:
        """An endpoint that wants the signing key's hash, or an event key, unless in development."""

        @functools.wraps(endpoint)
        async def checked(request: Request) -> Response:
            if not self.engine.config.dev and not self.knows(request):
                raise ApiError(
                    401, "Unauthorized: send Authorization: Bearer with the event key or signing key"
                )
            return await endpoint(request)

        return self.open(checked)

    def knows(self, request: Request) -> bool:
        header = request.headers.get("authorization")
        if signing.bearer_is_known(header, self.engine.config.signing_keys):
            return True
        scheme, _, token = (header or "").partition(" ")
        return scheme.lower() == "bearer" and self.event_key_is_known(token.strip())

    def event_key_is_known(self, key: str) -> bool:
        given = key.encode()
        return any(hmac.compare_digest(given, known.encode()) for known in self.engine.config.event_keys)


async def body_of(request: Request) -> bytes:
    """The request's body, refused when it is larger than anything that can be meant."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY:
        raise ApiError(413, f"the body is larger than {MAX_BODY} bytes")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise ApiError(413, f"the body is larger than {MAX_BODY} bytes")
        chunks.append(chunk)
    return surrogates.mend(b"".join(chunks))


async def json_object(request: Request, *, required: bool = True) -> dict[str, Any]:
    """The body as a JSON object; an empty one is `{}` where none is required."""
    body = await body_of(request)
    if not body.strip() and not required:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object")
    return value


def form_object(body: bytes) -> dict[str, Any]:
    """A form-encoded webhook's fields as one object."""
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def instant_of(value: object, field: str) -> datetime | None:
    """An ISO time, a date or a number of milliseconds from a request; None stays None."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise ApiError(400, f"{field} {value!r} is not a time; expected ISO 8601") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def limit_of(request: Request, *, default: int = 20, most: int = 1000) -> int:
    text = request.query_params.get("limit", "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise ApiError(400, f"limit {text!r} must be a whole number from 1 to {most}")
    return min(int(text), most)


def clean_id(request: Request, name: str) -> str:
    """A path parameter that can be looked up (a NUL cannot)."""
    return str(request.path_params[name]).replace("\x00", "")
