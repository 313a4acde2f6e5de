"""The polite GET against a real socket that misbehaves in every documented way, and in some others."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from ocds.errors import UpstreamError
from ocds.http import USER_AGENT, JsonSource
from tests.ocds.host import Host, Script, Visit, answer, answer_gzip, answer_json, drop, head

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


class Recorder:
    """A gate that lets through and remembers."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.left: list[tuple[bool, int | None]] = []

    def enter(self, host: str) -> None:
        self.entered.append(host)

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        assert seconds >= 0
        self.left.append((ok, status))


class Closed(Recorder):
    def enter(self, host: str) -> None:
        raise UpstreamError("the breaker is open", host=host, url="none", retry_after=60)


def source(host: Host, **settings: Any) -> JsonSource:
    pauses: list[float] = []
    made = JsonSource(host.url, clock=lambda: NOW, pause=pauses.append, **{"timeout": 5, **settings})
    made.pauses = pauses  # type: ignore[attr-defined]
    return made


def failure(host: Host, *scripts: Script, **settings: Any) -> UpstreamError:
    host.will(*scripts)
    with pytest.raises(UpstreamError) as caught:
        source(host, **settings).get_json("/path", {"q": "1"})
    assert caught.value.kind == "EXTERNAL_API"
    assert caught.value.host == "127.0.0.1"
    assert caught.value.url == f"{host.url}/path?q=1"
    assert "127.0.0.1" in str(caught.value)
    return caught.value


def test_a_request_says_who_asks_and_wants_json(host: Host) -> None:
    host.will(answer_json({"a": 1}))
    got = source(host, headers={"Referer": "https://example.org/"}).get_json("/x", {"PageNumber": "1"})
    assert (got.body, got.status) == ({"a": 1}, 200)
    assert host.targets == ["/x?PageNumber=1"]
    sent = host.visits[0].headers
    assert sent["user-agent"] == USER_AGENT
    assert "ProTenders" in USER_AGENT
    assert sent["accept"] == "application/json"
    assert sent["accept-encoding"] == "gzip"
    assert sent["referer"] == "https://example.org/"


def test_connections_are_reused_between_requests(host: Host) -> None:
    host.will(answer_json([]))
    asking = source(host)
    for _ in range(3):
        asking.get_json("/")
    asking.close()
    assert host.connections == 1


@pytest.mark.parametrize(
    "content_type", ["text/plain; charset=utf-8", "text/html", "application/octet-stream"]
)
def test_the_content_type_does_not_matter(host: Host, content_type: str) -> None:
    host.will(answer(b'{"a": 1}', content_type=content_type))
    assert source(host).get_json("/").body == {"a": 1}


def test_a_gzip_body_is_unpacked(host: Host) -> None:
    host.will(answer_gzip(b'{"a": "' + b"x" * 300_000 + b'"}'))
    assert len(source(host).get_json("/").body["a"]) == 300_000


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        (
            answer(b"<!DOCTYPE html><html><body>Maintenance</body></html>", content_type="text/html"),
            200,
            "an HTML or XML page",
        ),
        (answer(b"<html>502</html>", 502), 502, "answered 502 with an HTML or XML page"),
        (answer(b""), 200, "an empty body"),
        (answer(b" \r\n"), 200, "an empty body"),
        (
            answer(b"dateFrom is mandatory", 400),
            400,
            "answered 400 with text that is not JSON ('dateFrom is mandatory')",
        ),
        (answer(b"oops", 500), 500, "answered 500"),
        (answer(b"", 404), 404, "answered 404"),
        (answer(b'{"a": [1, 2'), 200, "broken or truncated JSON"),
        (
            answer(b"\x1f\x8b\x08\x00not gzip at all", content_encoding="gzip"),
            200,
            "a broken compressed body",
        ),
        (
            answer(gzip.compress(b'{"a": 1}' * 100)[:-9], content_encoding="gzip"),
            200,
            "a truncated compressed body",
        ),
        (answer(b"xx", content_encoding="br"), 200, "compressed as 'br'"),
        (
            answer(b"", 302, location="http://other.example/"),
            302,
            "redirected to http://other.example/, which is not followed",
        ),
        (answer(b"", 302, location="file:///etc/passwd"), 302, "which is not followed"),
        (answer(b"", 302, location="http://user:secret@127.0.0.1/"), 302, "redirected to http://127.0.0.1/,"),
    ],
)
def test_what_is_not_the_expected_json_is_named(host: Host, script: Script, status: int, words: str) -> None:
    error = failure(host, script)
    assert error.status == status
    assert words in str(error)
    assert "secret" not in str(error)
    assert len(host.visits) == 1  # an answer is never asked for again here


def test_a_server_error_carries_what_retry_after_asks_for(host: Host) -> None:
    error = failure(host, answer(b"", 503, retry_after="120"))
    assert (error.status, error.retry_after) == (503, 120.0)
    assert "no sooner than 120 s" in str(error)
    error = failure(host, answer(b"", 429, retry_after="Mon, 23 Nov 2026 10:05:00 GMT"))
    assert (error.status, error.retry_after) == (429, 300.0)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 10:00:07", 7.0),
        ("-5", 0.0),
        ("1.5", 1.5),
        ("999999999", 86_400.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None),
        ("", None),
    ],
)
def test_odd_retry_after_values_are_bounded_or_ignored(host: Host, given: str, seconds: float | None) -> None:
    assert failure(host, answer(b"", 503, retry_after=given)).retry_after == seconds


def test_a_dropped_connection_is_tried_again_twice(host: Host) -> None:
    gate = Recorder()
    host.will(drop, drop, answer_json({"a": 1}))
    asking = source(host, gate=gate)
    assert asking.get_json("/").body == {"a": 1}
    assert len(host.visits) == 3
    assert gate.left == [(False, None), (False, None), (True, 200)]
    assert asking.pauses == [0.2, 1.0]  # type: ignore[attr-defined]


def test_a_connection_that_keeps_dropping_is_an_upstream_error(host: Host) -> None:
    error = failure(host, drop)
    assert (error.status, len(host.visits)) == (None, 3)
    assert "the connection failed" in str(error)


def test_a_port_where_nobody_listens_is_an_upstream_error(host: Host) -> None:
    gate = Recorder()
    asking = JsonSource("http://127.0.0.1:1", gate=gate, pause=lambda _: None)
    with pytest.raises(UpstreamError, match="no connection"):
        asking.get_json("/")
    assert gate.left == [(False, None)] * 3


def test_a_server_error_is_left_to_the_durable_retries(host: Host) -> None:
    gate = Recorder()
    failure(host, answer(b"", 500), answer_json({}), gate=gate)
    assert (len(host.visits), gate.left) == (1, [(False, 500)])


def test_a_hanging_host_is_cut_by_the_deadline_and_not_tried_again(host: Host) -> None:
    error = failure(host, Visit.hang, timeout=0.2)
    assert error.status is None
    assert "no complete answer within 0.2 s" in str(error)
    assert len(host.visits) == 1


def test_a_body_that_drips_for_ever_is_cut_by_the_deadline(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(head(200, content_length="1000000"))
        visit.drip(b" ")

    error = failure(host, script, timeout=0.3)
    assert error.status == 200
    assert "then broke off after" in str(error)
    assert "no complete answer within 0.3 s" in str(error)


def test_headers_that_drip_for_ever_are_cut_by_the_deadline(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\n")
        visit.drip(b"x-more: 1\r\n")

    error = failure(host, script, timeout=0.3)
    assert "no complete answer within 0.3 s" in str(error)
    assert len(host.visits) == 1


def test_a_body_shorter_than_announced_is_an_upstream_error(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(head(200, content_length="100") + b'{"a": 1}')
        drop(visit)

    error = failure(host, script)
    assert "then broke off after 8 bytes" in str(error)
    assert len(host.visits) == 1


def test_a_chunked_body_without_its_end_is_an_upstream_error(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(head(200, transfer_encoding="chunked") + b'8\r\n{"a": 1}\r\n')
        drop(visit)

    assert "then broke off after 8 bytes" in str(failure(host, script))


def test_a_chunked_body_is_read(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(head(200, transfer_encoding="chunked") + b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n')

    host.will(script)
    assert source(host).get_json("/").body == {"a": 1}


def test_something_that_is_not_http_is_an_upstream_error(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    assert "the connection failed" in str(failure(host, script))
    assert len(host.visits) == 1  # bytes came: no quick retry


def test_a_body_beyond_the_cap_is_refused(host: Host) -> None:
    host.will(answer(b"[" + b"1," * 100_000 + b"1]"))
    with pytest.raises(UpstreamError, match="more than 1000 bytes"):
        source(host).get_json("/", max_bytes=1000)


def test_a_gzip_bomb_is_refused_at_the_cap(host: Host) -> None:
    host.will(answer_gzip(b"[" + b" " * 50_000_000 + b"]"))
    with pytest.raises(UpstreamError, match="more than 1000000 bytes"):
        source(host).get_json("/", max_bytes=1_000_000)


def test_a_redirect_on_the_same_host_is_followed_through_the_gate(host: Host) -> None:
    gate = Recorder()
    host.will(answer(b"", 301, location="/moved?to=1"), answer_json({"a": 1}))
    assert source(host, gate=gate).get_json("/x").body == {"a": 1}
    assert host.targets == ["/x", "/moved?to=1"]
    assert gate.left == [(True, 301), (True, 200)]


def test_redirects_in_a_circle_end(host: Host) -> None:
    host.will(answer(b"", 302, location="/again"))
    with pytest.raises(UpstreamError, match="redirected more than 3 times"):
        source(host).get_json("/")
    assert len(host.visits) == 4


def test_a_gate_that_is_shut_sends_nothing(host: Host) -> None:
    host.will(answer_json({}))
    gate = Closed()
    with pytest.raises(UpstreamError, match="breaker is open") as caught:
        source(host, gate=gate).get_json("/")
    assert caught.value.retry_after == 60
    assert (host.visits, gate.left) == ([], [])


@pytest.mark.parametrize(
    ("script", "left"),
    [
        (answer_json({}), (True, 200)),
        (answer(b"<html>"), (False, 200)),
        (answer(b"", 429), (False, 429)),
    ],
)
def test_the_gate_hears_whether_the_host_is_in_trouble(
    host: Host, script: Script, left: tuple[bool, int]
) -> None:
    gate = Recorder()
    host.will(script)
    with contextlib.suppress(UpstreamError):
        source(host, gate=gate).get_json("/")
    assert (gate.entered, gate.left) == (["127.0.0.1"], [left])


def test_two_threads_share_a_source_each_with_its_own_deadline(host: Host) -> None:
    def script(visit: Visit) -> None:
        if "slow" in visit.target:
            visit.hang()
        else:
            answer_json({"ok": True})(visit)

    host.will(script)
    asking = source(host, timeout=0.5)
    slow: list[UpstreamError] = []

    def ask_slow() -> None:
        try:
            asking.get_json("/slow")
        except UpstreamError as error:
            slow.append(error)

    thread = threading.Thread(target=ask_slow)
    thread.start()
    for _ in range(20):
        assert asking.get_json("/quick").body == {"ok": True}
    thread.join(10)
    assert len(slow) == 1


def test_credentials_in_a_base_address_stay_out_of_messages(host: Host) -> None:
    host.will(answer(b"", 500))
    asking = JsonSource(f"http://name:secret@127.0.0.1:{host.port}")
    with pytest.raises(UpstreamError) as caught:
        asking.get_json("/x")
    assert "secret" not in str(caught.value)
    assert "secret" not in caught.value.url


def test_the_environments_proxy_is_used_but_never_for_this_machine(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://name:word@127.0.0.1:{host.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    host.will(answer_json({"a": 1}))
    assert JsonSource("http://etenders.invalid").get_json("/x").body == {"a": 1}
    assert source(host).get_json("/y").body == {"a": 1}
    assert host.targets == ["http://etenders.invalid/x", "/y"]
    assert "proxy-authorization" in host.visits[0].headers
    assert "proxy-authorization" not in host.visits[1].headers


@pytest.mark.parametrize("address", ["", "ftp://example.org", "example.org", "http://"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="is not the http or https address"):
        JsonSource(address)


def test_json_survives_the_way_byte_for_byte(host: Host) -> None:
    body = {"a": "é – \u2028 😀", "n": [0.1, 1e-7, 12345678901234567890123, -0.5], "t": [True, None]}
    host.will(answer(json.dumps(body).encode(), content_type="text/plain"))
    assert source(host).get_json("/").body == body
