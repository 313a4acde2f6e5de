"""A transport whose every network wait ends with an overall deadline, even when bytes keep dripping in."""

import ssl
import threading
import time
import typing
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from types import TracebackType
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

_current = threading.local()


class Deadline:
    """A budget of seconds for one request, spent only inside ``with deadline:``, by one thread at a time.

    Waiting for permission to send, and what a consumer does between two chunks of a stream, is not counted.
    ``received`` counts the bytes that came from the network, headers and encryption included.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.received = 0
        self._clock = clock
        self._left = seconds
        self._ends = 0.0

    @property
    def spent(self) -> float:
        """Seconds spent, up to the last exit."""
        return self.seconds - self._left

    @property
    def left(self) -> float:
        """Seconds left of the budget, while inside."""
        return self._ends - self._clock()

    def __enter__(self) -> "Deadline":
        self._ends = self._clock() + self._left
        _current.deadline = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = self.left
        _current.deadline = None


class DeadlineTransport(httpx.BaseTransport):
    """httpx's transport with our own network streams. Raises httpcore's exceptions as they are.

    The usual proxy variables of the environment are honoured, because a transport of one's own switches off
    httpx's reading of them.
    """

    def __init__(self, origin: httpx.URL) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context()
            if origin.scheme == "https"
            else ssl.create_default_context(),
            proxy=_proxy(origin),
            keepalive_expiry=30,
            network_backend=_TimedBackend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return when its headers are there."""
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=typing.cast("Iterable[bytes]", request.stream),
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from typing.cast("Iterable[bytes]", self._answer.stream)

    def close(self) -> None:
        self._answer.close()


class _TimedBackend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        within = _within(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.connect_tcp(host, port, within, local_address, socket_options))


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, _within(timeout, httpcore.ReadTimeout))
        deadline = getattr(_current, "deadline", None)
        if deadline is not None:
            deadline.received += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _within(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        within = _within(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, within))

    def get_extra_info(self, info: str) -> typing.Any:
        return self._inner.get_extra_info(info)


def _within(timeout: float | None, expired: type[httpcore.TimeoutException]) -> float | None:
    """The shorter of the operation's own timeout and what the current deadline leaves."""
    deadline: Deadline | None = getattr(_current, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline.left
    if left <= 0:
        raise expired(f"{deadline.seconds:g} s are over")
    return left if timeout is None else min(timeout, left)


def _proxy(origin: httpx.URL) -> httpcore.Proxy | None:
    if _is_this_machine(origin.host) or proxy_bypass(origin.host):
        return None
    proxies = getproxies()
    named = proxies.get(origin.scheme) or proxies.get("all")
    if not named:
        return None
    url = httpx.URL(named if "://" in named else f"http://{named}")
    auth = (url.username, url.password) if url.username else None
    return httpcore.Proxy(str(url.copy_with(username=None, password=None)), auth=auth)


def _is_this_machine(host: str) -> bool:
    """Whether this is the recorded stand-in's kind of address, which no proxy could reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
