"""A production server under attack: everything is refused with the right status, and the service goes on."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from app import inngest_link
from app.headers import MAX_BODY, MAX_INVOCATION
from app.patience import HEAD_SECONDS, MAX_HEAD
from app.settings import Settings
from engine.signing import hashed, sign
from tests.acceptance.processes import PROTENDERS, Process, answers, environment, free_port, running, wait_for
from tests.conftest import temporary_database

pytestmark = pytest.mark.acceptance

SECRET = "a secret key for the attack tests only"
PASSWORD = "a long pass phrase for tests"
ENDPOINT = "/api/inngest?fnId=protenders-platform-tender-sync&stepId=step"
SYNC = {"name": "tender/sync.requested", "data": {"triggeredBy": "manual"}}


@dataclass
class Target:
    """The server, what it may be asked with, and its database."""

    port: int
    process: Process
    signing_key: str
    event_key: str
    database: sa.Engine
    read: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def jobs(self) -> int:
        with self.database.connect() as connection:
            return int(connection.execute(sa.text("SELECT count(*) FROM jobs")).scalar_one())

    def raw(self, request: bytes) -> bytes:
        """The whole answer to these bytes, until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as link:
            link.sendall(request)
            parts: list[bytes] = []
            while part := link.recv(65536):
                parts.append(part)
            return b"".join(parts)

    def is_well(self) -> None:
        """Alive, ready, and never at a loss."""
        assert self.process.popen.poll() is None, self.process.said[-3000:]
        with self.client() as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 200
        said = self.process.said[self.read :]
        self.read += len(said)
        assert "unexpected error" not in said, said[-3000:]
        assert "Traceback" not in said, said[-3000:]


@pytest.fixture(scope="module")
def target(
    pg_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """`protenders serve` in production, with the embedded engine; its sources are nowhere."""
    with temporary_database(pg_server, template=template_database) as url:
        yield from _served(url, tmp_path_factory.mktemp("home"))


def _served(url: str, home: Path) -> Iterator[Target]:
    port = free_port()
    env = environment(
        DATABASE_URL=url,
        PROTENDERS_HOME=str(home),
        OCDS_BASE_URL="http://127.0.0.1:9",
        ETENDERS_BASE_URL="http://127.0.0.1:9",
        ADMIN_PASSWORD=PASSWORD,
        APP_ENV="production",
        SECRET_KEY=SECRET,
        CRON_SECRET="the cron secret of the attack tests",
        SYNC_CRON="0 0 1 1 *",
        LOG_FORMAT="json",
    )
    keys = Settings(_env_file=None, app_env="production", secret_key=SECRET)
    signing_key, event_key = inngest_link.signing_key(keys), inngest_link.event_key(keys)
    assert signing_key is not None
    assert event_key is not None
    database = sa.create_engine(url)
    with running(*PROTENDERS, "serve", "--port", str(port), env=env) as process:
        answers(process, f"http://127.0.0.1:{port}/readyz")
        found = Target(port, process, signing_key, event_key, database)
        yield found
        for secret in (SECRET, signing_key, event_key, PASSWORD, "the cron secret"):
            assert secret not in process.said
    database.dispose()


def invocation(run_id: str) -> bytes:
    """The engine's first call of a tender-sync."""
    event = {**SYNC, "id": run_id, "ts": 1}
    context = {"attempt": 0, "disable_immediate_execution": True, "max_attempts": 4, "run_id": run_id}
    context |= {"stack": {"current": 0, "stack": []}, "use_api": False}
    body = {"ctx": context, "event": event, "events": [event], "steps": {}, "use_api": False}
    return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()


def test_signatures_that_are_forged_moved_or_stale_are_refused(target: Target) -> None:
    body, now, before = invocation("01ATTACK"), int(time.time()), target.jobs()
    good = sign(body, target.signing_key, now)
    mac = good.partition("&s=")[2]
    bad = [
        "",
        "garbage",
        "t=&s=",
        f"t={now}",
        f"s={mac}",
        f"t={now}&s={'0' * 64}",
        f"t={now}&s={mac[:-1]}",
        f"t={now + 1}&s={mac}",
        f"t={now}&s={mac}&s={'0' * 64}",
        f"t={'9' * 400}&s={mac}",
        f"t=٣&s={mac}",
        f"t=-{now}&s={mac}",
        sign(body, "signkey-prod-" + "11" * 32, now),
        sign(body, target.signing_key, now + 3600),
        sign(invocation("01OTHER"), target.signing_key, now),
    ]
    stale = sign(body, target.signing_key, now - 3600)
    bad += [f"{stale}&t={now}", f"t={now}&{stale}", f"{stale}&s={mac}&t={now}"]
    with target.client() as client:
        for first, second in ((good, stale), (stale, good)):
            both = [("X-Inngest-Signature", first), ("X-Inngest-Signature", second)]
            assert client.post(ENDPOINT, content=body, headers=both).status_code == 401
        for header in bad:
            answer = client.post(ENDPOINT, content=body, headers={"X-Inngest-Signature": header.encode()})
            assert answer.status_code in {400, 401}, (header, answer.status_code, answer.text[:300])
        assert client.post(ENDPOINT, content=body).status_code == 401
        assert client.put("/api/inngest").status_code in {401, 403}
    assert target.jobs() == before
    target.is_well()


def test_a_signed_request_played_again_does_nothing_twice(target: Target) -> None:
    body, before = invocation("01REPLAYED"), target.jobs()
    headers = {"X-Inngest-Signature": sign(body, target.signing_key, int(time.time()))}
    with target.client() as client:
        for _ in range(5):
            first = client.post(ENDPOINT, content=body, headers=headers)
            assert first.status_code == 206, first.text
            step = first.json()[0]["id"]
            again = ENDPOINT.replace("stepId=step", f"stepId={step}")
            assert client.post(again, content=body, headers=headers).status_code == 206
    assert target.jobs() == before + 1
    target.is_well()


def test_events_want_the_key(target: Target) -> None:
    key, before = target.event_key, target.jobs()
    wrong = ["x", key[:-1], key + "x", key.upper() + "!", "%00", key + "%00x", "%F0%9F%98%80", "x" * 5000]
    with target.client() as client:
        for each in wrong:
            answer = client.post(f"/e/{each}", json=SYNC)
            assert answer.status_code == 401, (each, answer.status_code, answer.text[:200])
        for path in ("/v1/events", "/v1/runs/x", "/v0/runs/x/actions", "/fn/register"):
            answer = client.request("POST" if path == "/fn/register" else "GET", path, json={})
            assert answer.status_code in {401, 403}, (path, answer.status_code)
        assert client.get("/dev").json()["functions"] == []
        assert target.jobs() == before
        assert client.post(f"/e/{key}", json={**SYNC, "name": "attack/nobody.listens"}).status_code == 200
    target.is_well()


@pytest.mark.parametrize("depth", [200, 300, 1000, 10_000, 100_000])
def test_deeply_nested_json_is_taken_or_refused_and_never_an_error(target: Target, depth: int) -> None:
    for opening, closing_ in (("[", "]"), ('{"a":', "}")):
        nested = opening * depth + "1" * (opening != "[") + closing_ * depth
        event = f'{{"name": "attack/nested", "data": {{"deep": {nested}}}}}'.encode()
        call = invocation("01NESTED").replace(b'"steps":{}', b'"steps":{"a":%b}' % nested.encode())
        signature = sign(call, target.signing_key, int(time.time()))
        with target.client() as client:
            taken = client.post(f"/e/{target.event_key}", content=event)
            assert taken.status_code in {200, 400}, (depth, taken.status_code, taken.text[:300])
            unsigned = client.post(ENDPOINT, content=call)
            assert unsigned.status_code in {400, 401}, (depth, unsigned.status_code, unsigned.text[:300])
            called = client.post(ENDPOINT, content=call, headers={"X-Inngest-Signature": signature})
            assert called.status_code < 500 or "x-inngest-sdk" in called.headers, (depth, called.text[:300])
            shown = client.post("/admin/login", content=event, headers={"Content-Type": "application/json"})
            assert shown.status_code < 500, (depth, shown.text[:300])
    target.is_well()


def test_oversized_bodies_are_refused_before_they_are_read(target: Target) -> None:
    large, before = b"x" * (4 * 1024 * 1024), target.jobs()
    with target.client() as client:
        event = {"name": "attack/large", "data": {"large": large.decode()}}
        assert client.post(f"/e/{target.event_key}", json=event).status_code in {400, 413}
        many = client.post(f"/e/{target.event_key}", json=[SYNC] * 5001)
        assert many.status_code in {400, 413}
    for path in ("/admin/login", "/api/cron/sync", "/api/tenders"):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".encode()
        assert target.raw(head).split()[1] in {b"413", b"405"}, path
    head = f"POST /e/{target.event_key} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
    assert target.raw(head.encode() + b"Connection: close\r\n\r\n").split()[1] == b"413"
    assert target.jobs() == before
    target.is_well()


def test_clients_that_drip_their_headers_are_hung_up_on_and_nobody_waits_for_them(target: Target) -> None:
    drip = threading.Event()
    slow = [socket.create_connection(("127.0.0.1", target.port)) for _ in range(150)]
    ended: list[float] = []
    begun = time.monotonic()

    def keep_dripping() -> None:
        waiting = list(slow)
        for link in waiting:
            link.setblocking(False)
            link.send(b"GET /healthz HTTP/1.1\r\n")
        while waiting and not drip.wait(0.25):
            for link in list(waiting):
                try:
                    link.send(b"X-Slow: 1\r\n")
                    if link.recv(1000):
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass  # reset: the server has closed it
                waiting.remove(link)
                ended.append(time.monotonic() - begun)

    dripping = threading.Thread(target=keep_dripping)
    dripping.start()
    try:
        target.is_well()
        with target.client() as client:
            assert client.get("/admin/login").status_code == 200
        wait_for("the end of the slow connections", lambda: len(ended) == len(slow), seconds=60)
        assert min(ended) >= HEAD_SECONDS / 2
    finally:
        drip.set()
        dripping.join()
        for link in slow:
            link.close()
    target.is_well()


def test_headers_without_an_end_are_cut_off(target: Target) -> None:
    line = b"X-Filler: " + b"y" * 1000 + b"\r\n"
    answer = target.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + line * (MAX_HEAD // len(line) + 2))
    assert answer.split()[1] == b"431"
    target.is_well()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../pyproject.toml",
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/..%5c..%5cpyproject.toml",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/console.css%00.txt",
        "/static/....//....//settings.py",
        "/static/",
        "/.env",
        "//evil.example/admin",
        "/admin/../admin/jobs",
        "/admin%2fjobs",
        "/Admin/jobs",
        "/admin/jobs/",
        "/admin//jobs",
        "/admin/jobs/%00",
        "/api/admin/jobs/..%2f..%2fmetrics",
        "/;/admin/jobs",
        "/admin/jobs;x=y",
        "/admin/login/../jobs",
        "/%61dmin/jobs",
    ],
)
def test_no_trick_with_the_path_reads_a_file_or_enters_the_console(target: Target, path: str) -> None:
    raw = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = target.raw(raw.encode())
    status = int(answer.split()[1])
    assert status in {303, 307, 400, 401, 403, 404, 405, 422}, answer[:500]
    assert b"root:" not in answer
    assert b"[project]" not in answer
    assert b"class Settings" not in answer
    where = re.search(rb"(?im)^location: (.*)\r$", answer)
    if where:
        assert re.match(rb"/(?!/)|http://127\.0\.0\.1/", where[1]), where[1]
    target.is_well()


def test_no_redirect_leads_to_another_site_or_carries_a_header(target: Target) -> None:
    evil = [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/admin/..//evil.example",
        "/admin\r\nSet-Cookie: a=b",
        "/admin/%0d%0aSet-Cookie:%20a=b",
        "\t//evil.example",
        "/admin/\t/evil.example",
        "javascript:alert(1)",
    ]
    for following in evil:
        with target.client() as client:
            form = client.get("/admin/login", params={"next": following})
            token = re.search(r'name="form_token" value="([^"]+)"', form.text)
            assert token
            fields = {"username": "admin", "password": PASSWORD, "form_token": token[1], "next": following}
            answer = client.post("/admin/login", data=fields)
            assert answer.status_code == 303, answer.text[:300]
            assert re.match(r"/admin(/|$)", answer.headers["location"]), (following, answer.headers)
            assert "evil.example" not in httpx.URL(target.url).join(answer.headers["location"]).host
            assert "a" not in answer.cookies
            assert client.post("/admin/logout").status_code in {303, 403}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80@127.0.0.1", "", "a b", "127.0.0.1\tx", "["]
)
def test_the_host_header_leads_nobody_astray(target: Target, host: str) -> None:
    for path in ("/admin/jobs", "/", "/admin/login", "/admin/jobs/", "/static/css", "/docs"):
        answer = target.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert int(answer.split()[1]) < 500, answer[:300]
        where = re.search(rb"(?im)^location: (.*)\r$", answer)
        if where and host:
            assert b"evil" not in where[1], (path, where[1])
    twice = b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"
    assert int(target.raw(twice).split()[1]) in {200, 400}
    target.is_well()


def test_a_request_smuggled_behind_another_is_not_served(target: Target) -> None:
    both = (
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /admin/login HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    answer = target.raw(both)
    assert answer.split()[1] == b"400"
    assert b"form_token" not in answer
    target.is_well()


def test_a_thousand_logins_are_limited_and_the_service_does_not_notice(target: Target) -> None:
    with target.client() as one:
        form = one.get("/admin/login")
        token = re.search(r'name="form_token" value="([^"]+)"', form.text)
        assert token
        cookie = form.cookies["protenders_login"]

    def attempt(number: int) -> int:
        fields = {"username": f"admin{number % 7}", "password": f"guess {number}", "form_token": token[1]}
        answer = client.post("/admin/login", data=fields, headers={"Cookie": f"protenders_login={cookie}"})
        return answer.status_code

    with closing(target.client()) as client, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(attempt, range(1000)))
        assert client.get("/healthz").status_code == 200
    assert set(statuses) == {401, 429}
    assert statuses.count(401) < 60
    assert set(statuses[-500:]) == {429}
    target.is_well()


def chunked(method: str, path: str, size: int, *headers: str) -> bytes:
    """A request that does not say how long it is."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        "Transfer-Encoding: chunked",
        "Connection: close",
        *headers,
    ]
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + piece * (size // 65536 + 1) + b"0\r\n\r\n"


def status_of(target: Target, request: bytes) -> bytes:
    """The status, read while the request is still being sent: the server may have heard enough."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=20) as link:
        sending = threading.Thread(target=_send_on, args=(link, request), daemon=True)
        sending.start()
        return link.recv(65536).split()[1]


def _send_on(link: socket.socket, request: bytes) -> None:
    try:
        link.sendall(request)
    except OSError:
        return  # the server has closed it


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off_as_well(target: Target) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    assert status_of(target, chunked("POST", "/admin/login", MAX_BODY, form)) == b"413"
    fresh = f"X-Inngest-Signature: t={int(time.time())}&s={'0' * 64}"
    assert status_of(target, chunked("POST", ENDPOINT, MAX_INVOCATION, fresh)) == b"413"
    with socket.create_connection(("127.0.0.1", target.port), timeout=20) as link:
        link.sendall(f"POST {ENDPOINT} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n{fresh}\r\n\r\nx".encode())
    target.is_well()


def test_an_unsigned_invocation_is_refused_before_it_is_read(target: Target) -> None:
    for method in ("POST", "PUT"):
        head = f"{method} {ENDPOINT} HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_INVOCATION}\r\n\r\n"
        assert status_of(target, head.encode()) == b"401"
    target.is_well()


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/",
        "http://10.0.0.1:5432/",
        "file:///etc/passwd",
        "http://127.0.0.1@evil.example/",
    ],
)
def test_no_registration_makes_the_engine_knock_elsewhere(target: Target, address: str) -> None:
    bearer = {"Authorization": f"Bearer {hashed(target.signing_key)}"}
    step = {"id": "step", "name": "step", "runtime": {"type": "http", "url": address}}
    function = {"id": "evil-f", "name": "f", "triggers": [{"event": "evil/f"}], "steps": {"step": step}}
    good = "http://127.0.0.1:1/api/inngest"
    with target.client() as client:
        for url, functions in ((address, [function]), (good, [function])):
            body = {"appname": "evil", "url": url, "functions": functions, "sdk": "x", "v": "0.1"}
            answer = client.post("/fn/register", json=body, headers=bearer)
            assert answer.status_code == 400, answer.text
        answer = client.post("/fn/sync", json={"url": address}, headers=bearer)
        assert answer.status_code == 400, answer.text
    target.is_well()


HEADERS = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "strict-transport-security",
}


def test_every_answer_carries_the_security_headers_also_when_it_refuses(target: Target) -> None:
    tried = [
        ("GET", "/healthz", 200), ("GET", "/static/console.css", 200), ("GET", "/nowhere", 404),
        ("DELETE", "/healthz", 405), ("GET", "/admin/jobs", 303), ("GET", "/api/admin/jobs", 401),
        ("POST", "/e/wrong", 401), ("PUT", "/api/inngest", 401), ("GET", "/v1/events", 401),
        ("POST", "/api/cron/sync", 401), ("GET", "/api/tenders?limit=x", 422), ("GET", "/unsubscribe/x", 404),
        ("GET", "/openapi.json", 200),
    ]  # fmt: skip
    with target.client() as client:
        answers_ = [(client.request(method, path), status) for method, path, status in tried]
        answers_.append((client.post("/admin/login", content=b"x" * (MAX_BODY + 1)), 413))
        answers_.append((client.post("/admin/login", headers={"Origin": "https://evil.example"}), 403))
        while (greedy := client.get("/api/tenders.csv")).status_code != 429:
            assert greedy.status_code == 200
        answers_.append((greedy, 429))
    for answer, status in answers_:
        assert answer.status_code == status, (answer.request.url, answer.status_code)
        for name in (
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "strict-transport-security",
        ):
            assert name in answer.headers, (answer.request.url, name)
        assert "server" not in answer.headers
    target.is_well()
