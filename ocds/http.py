"""One polite GET of JSON, for both government hosts: slow, fragile, and not always telling the truth
about a body.

Retries of an answer are the durable engine's business, not ours: only a connection that failed before the
first byte of an answer is tried again here, twice, at once.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import httpcore
import httpx

from ocds.body import BadBodyError, decode, describe, gunzip
from ocds.deadline import Deadline, DeadlineTransport
from ocds.elements import elements
from ocds.errors import UpstreamError
from ocds.gate import Gate, NullGate

USER_AGENT = "ProTendersBot/0.1 (open-source sync of South Africa's public tenders)"

MAX_PAGE_BYTES = 64 << 20
MAX_STREAM_BYTES = 512 << 20
_CONNECT_SECONDS = 10.0
_QUICK_PAUSES = (0.2, 1.0)
_QUICK_SECONDS = 5.0  # a connection that fails later than this was a slow failure: the host needs rest
_MAX_REDIRECTS = 3
_LONGEST_RETRY_AFTER = 86_400.0
_CONNECTION_ERRORS = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.ReadError,
    httpcore.WriteError,
    httpcore.RemoteProtocolError,
)
_TRANSPORT_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded body with what is needed to complain about it."""

    body: Any
    status: int
    host: str
    url: str

    def unexpected(self, wanted: str) -> UpstreamError:
        """The error for JSON that is well-formed but not what was asked for."""
        shape = (
            f"an object with {sorted(self.body)[:6]}"
            if isinstance(self.body, dict)
            else type(self.body).__name__
        )
        return UpstreamError(
            f"expected {wanted}, got {shape}", host=self.host, url=self.url, status=self.status
        )


class JsonSource:
    """GETs JSON from one host. Every trouble is an UpstreamError. Safe to share between threads.

    ``timeout`` bounds one request in seconds, from connecting to the last byte, and each wait for the next
    bytes of a stream; ``stream_timeout`` (five times that, if not given) bounds a stream as a whole. Waiting
    at the gate and the time that a stream's consumer takes are not counted. Redirects are followed on the
    same host only.
    """

    def __init__(
        self,
        base_url: str,
        *,
        gate: Gate | None = None,
        timeout: float = 120,
        stream_timeout: float | None = None,
        user_agent: str = USER_AGENT,
        headers: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        origin = httpx.URL(base_url)
        if origin.scheme not in ("http", "https") or not origin.host:
            raise ValueError(f"{base_url!r} is not the http or https address of a source")
        self.host = origin.host
        self._gate = gate or NullGate()
        self._timeout = timeout
        self._stream_timeout = 5 * timeout if stream_timeout is None else stream_timeout
        self._clock = clock
        self._pause = pause
        self._client = httpx.Client(
            base_url=origin,
            headers={
                "User-Agent": user_agent,
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                **(headers or {}),
            },
            timeout=httpx.Timeout(timeout, connect=min(_CONNECT_SECONDS, timeout)),
            follow_redirects=False,
            trust_env=False,
            transport=DeadlineTransport(origin),
        )

    def get_json(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        missing_ok: bool = False,
        max_bytes: int = MAX_PAGE_BYTES,
    ) -> Answer:
        """GET a whole body. With ``missing_ok`` a 404 that is no web page is an Answer with an empty
        object.
        """
        with self._exchange(path, query, self._timeout) as exchange:
            if missing_ok and exchange.status == 404:
                start = exchange.start()
                if start.lstrip()[:1] == b"<":
                    raise exchange.error(f"answered 404 with {describe(start)}")
                return Answer({}, 404, exchange.host, exchange.url)
            exchange.require_success()
            body = b"".join(exchange.chunks(max_bytes))
            try:
                return Answer(decode(body), exchange.status, exchange.host, exchange.url)
            except BadBodyError as problem:
                raise exchange.error(f"answered {exchange.status} with {problem}") from problem

    def stream_array(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        member: str | None = None,
        max_bytes: int = MAX_STREAM_BYTES,
    ) -> Iterator[Any]:
        """GET an array and yield its elements as they come, in constant memory.

        The array is the whole body, or the ``member`` of the object that is the body. Whoever reads to the
        end has everything: a body that is cut short raises UpstreamError after its last whole element.
        """
        with self._exchange(path, query, self._stream_timeout) as exchange:
            exchange.require_success()
            try:
                yield from elements(exchange.chunks(max_bytes), member)
            except BadBodyError as problem:
                raise exchange.error(f"answered {exchange.status} with {problem}") from problem

    def close(self) -> None:
        """Close the connections; the source is not used afterwards."""
        self._client.close()

    @contextmanager
    def _exchange(self, path: str, query: Mapping[str, str] | None, seconds: float) -> Iterator["_Exchange"]:
        request = self._client.build_request("GET", path, params=query)
        deadline = Deadline(seconds)
        for _ in range(_MAX_REDIRECTS + 1):
            with self._sent(request, deadline) as exchange:
                target = exchange.redirect()
                if target is None:
                    yield exchange
                    return
            request = self._client.build_request("GET", target)
        raise UpstreamError(
            f"redirected more than {_MAX_REDIRECTS} times", host=self.host, url=_shown(request.url)
        )

    def _sent(self, request: httpx.Request, deadline: Deadline) -> "_Exchange":
        """Send, with the quick retries, and return when the headers of an answer are there."""
        pauses = iter(_QUICK_PAUSES)
        while True:
            exchange = _Exchange(self._client, request, deadline, self._gate, self._clock)
            self._gate.enter(self.host)
            try:
                exchange.send()
            except UpstreamError as error:
                again = next(pauses, None) if exchange.worth_repeating(error) else None
                if again is None:
                    raise
                self._pause(again)
            else:
                return exchange


class _Exchange:
    """One request and its answer; as a context it closes the answer and tells the gate."""

    def __init__(
        self,
        client: httpx.Client,
        request: httpx.Request,
        deadline: Deadline,
        gate: Gate,
        clock: Callable[[], datetime],
    ) -> None:
        self.host = request.url.host
        self.url = _shown(request.url)
        self._client = client
        self._request = request
        self._deadline = deadline
        self._gate = gate
        self._clock = clock
        self._spent_before = deadline.spent
        self._received_before = deadline.received
        self._response: httpx.Response | None = None
        self._ok = True

    @property
    def status(self) -> int:
        return self._answer.status_code

    @property
    def _answer(self) -> httpx.Response:
        if self._response is None:
            raise RuntimeError("the request has not been sent")
        return self._response

    def send(self) -> None:
        """Send the request; on failure the gate has been told and UpstreamError is raised."""
        try:
            with self._deadline:
                self._response = self._client.send(self._request, stream=True)
        except _TRANSPORT_ERRORS as error:
            problem = self.error(self._trouble(error))
            self._leave()
            raise problem from error
        except BaseException:
            self._leave()
            raise
        self._ok = self.status < 500 and self.status not in (408, 429)

    def worth_repeating(self, error: UpstreamError) -> bool:
        """Whether the connection failed at once and before any byte of an answer."""
        return (
            isinstance(error.__cause__, _CONNECTION_ERRORS)
            and self._deadline.received == self._received_before
            and self._deadline.spent - self._spent_before < _QUICK_SECONDS
        )

    def redirect(self) -> httpx.URL | None:
        """Where the answer points to on the same host, None where it is no redirect."""
        if not self._answer.has_redirect_location:
            return None
        location = self._answer.headers["location"]
        here = self._request.url
        try:
            target = here.join(location)
        except httpx.InvalidURL as error:
            raise self.error(f"redirected to the unreadable address {location[:200]!r}") from error
        if target.host != here.host or target.scheme not in (here.scheme, "https") or target.userinfo:
            raise self.error(f"redirected to {_shown(target)}, which is not followed")
        return target

    def require_success(self) -> None:
        """Raise for any status but 2xx."""
        if not 200 <= self.status < 300:
            raise self.error(f"answered {self.status} with {describe(self.start())}")

    def start(self) -> bytes:
        """The first bytes of the body, as far as they can be had."""
        try:
            for chunk in self.chunks(MAX_PAGE_BYTES):
                if chunk.strip():
                    return chunk[:400]
        except UpstreamError:
            return b""
        return b""

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """The decompressed body; UpstreamError where it breaks off or exceeds ``max_bytes``."""
        total = 0
        try:
            for chunk in self._decompressed():
                total += len(chunk)
                if total > max_bytes:
                    raise self.error(f"sent more than {max_bytes} bytes")
                yield chunk
        except BadBodyError as problem:
            raise self.error(f"answered {self.status} with {problem}") from problem

    def error(self, problem: str) -> UpstreamError:
        """The error to raise, with what the answer said about coming back; the gate will hear of it."""
        self._ok = False
        return UpstreamError(
            problem,
            host=self.host,
            url=self.url,
            status=None if self._response is None else self.status,
            retry_after=self._retry_after(),
        )

    def __enter__(self) -> "_Exchange":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._answer.close()
        finally:
            self._leave()

    def _leave(self) -> None:
        self._gate.leave(
            self.host,
            ok=self._ok,
            seconds=self._deadline.spent - self._spent_before,
            status=None if self._response is None else self.status,
        )

    def _decompressed(self) -> Iterator[bytes]:
        encoding = self._answer.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("identity", ""):
            return self._raw()
        if encoding in ("gzip", "x-gzip", "deflate"):
            return gunzip(self._raw())
        raise self.error(f"sent a body compressed as {encoding[:40]!r}, which was not asked for")

    def _raw(self) -> Iterator[bytes]:
        received = 0
        chunks = self._answer.iter_raw()
        while True:
            try:
                with self._deadline:
                    chunk = next(chunks, None)
            except _TRANSPORT_ERRORS as error:
                raise self.error(
                    f"answered {self.status}, then broke off after {received} bytes: {self._trouble(error)}"
                ) from error
            if chunk is None:
                return
            received += len(chunk)
            yield chunk

    def _trouble(self, error: Exception) -> str:
        if isinstance(error, httpcore.ConnectTimeout | httpcore.ConnectError):
            return f"no connection ({_words(error)})"
        if isinstance(error, httpcore.TimeoutException):
            return f"no complete answer within {self._deadline.seconds:g} s"
        return f"the connection failed ({_words(error)})"

    def _retry_after(self) -> float | None:
        """Seconds asked for by Retry-After, given in seconds or as a date."""
        given = None if self._response is None else self._response.headers.get("retry-after")
        if given is None:
            return None
        try:
            seconds = float(given)
        except ValueError:
            try:
                moment = parsedate_to_datetime(given)
            except (ValueError, OverflowError):
                return None
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = (moment - self._clock()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _shown(url: httpx.URL) -> str:
    """An address fit for messages: without credentials, and not endless."""
    return str(url.copy_with(username=None, password=None))[:500]
