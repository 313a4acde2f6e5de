"""What is sent once need not be sent again; everybody's scripts may read it; nobody takes it all."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.opendata.delivering import is_current
from app.opendata.throttle import OpenAccess, TokenBuckets
from app.serving import Serving
from tests.waiting import until

PATHS = [
    "/api/tenders",
    "/api/tenders/ocds-9t57fa-136707",
    "/api/tenders/ocds-9t57fa-136707/history",
    "/api/tenders.csv?province=Limpopo",
    "/api/tenders.jsonl?province=Limpopo",
    "/api/tenders.xlsx?province=Limpopo",
    "/api/ocds/releases.json",
    "/api/ocds/records/ocds-9t57fa-136707",
]


@pytest.mark.parametrize("path", PATHS)
def test_what_has_not_changed_is_not_sent_again(http: httpx.Client, path: str) -> None:
    first = http.get(path)
    assert first.status_code == 200
    for headers in (
        {"If-None-Match": first.headers["etag"]},
        {"If-None-Match": f'"other", W/{first.headers["etag"].removeprefix("W/")}'},
        {"If-Modified-Since": first.headers["last-modified"]},
    ):
        again = http.get(path, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    earlier = {"If-Modified-Since": "Thu, 03 Nov 2022 00:00:00 GMT"}
    assert http.get(path, headers=earlier).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_the_head_alone_is_that_of_the_whole_answer(site: Serving, http: httpx.Client, path: str) -> None:
    whole, head = http.get(path), http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "last-modified", "content-type", "x-content-type-options"):
        assert head.headers[name] == whole.headers[name]
    current = http.head(path, headers={"If-None-Match": head.headers["etag"]})
    assert current.status_code == 304
    until(lambda: site.runtime.engine.pool.checkedout() == 0, what="all connections' return")  # type: ignore[attr-defined]


def test_a_head_is_refused_as_the_whole_would_be(http: httpx.Client) -> None:
    assert http.head("/api/tenders?province=Narnia").status_code == 422
    assert http.head("/api/tenders/nowhere").status_code == 404
    assert http.head("/api/admin/jobs").status_code == 401
    assert http.head("/api/admin/jobs/sync-now").status_code in {401, 404, 405}
    assert http.head("/healthz").status_code == 200


def test_different_searches_have_different_tags(http: httpx.Client) -> None:
    paths = [
        "/api/tenders.csv",
        "/api/tenders.jsonl",
        "/api/tenders.csv?province=Gauteng",
        "/api/tenders?limit=1",
    ]
    tags = {http.get(path).headers["etag"] for path in paths}
    assert len(tags) == len(paths)


def test_a_tag_decides_before_a_time_does() -> None:
    sent = [(b"if-none-match", b'"old"'), (b"if-modified-since", b"Fri, 04 Nov 2022 10:00:00 GMT")]
    request = Request({"type": "http", "headers": sent})
    assert not is_current(request, {"ETag": '"new"', "Last-Modified": "Fri, 04 Nov 2022 10:00:00 GMT"})


@pytest.mark.parametrize("time", ["yesterday", "", "Fri, 99 Nov 2022 10:00:00 GMT"])
def test_a_time_that_is_none_is_ignored(time: str) -> None:
    request = Request({"type": "http", "headers": [(b"if-modified-since", time.encode())]})
    assert not is_current(request, {"ETag": '"x"', "Last-Modified": "Fri, 04 Nov 2022 10:00:00 GMT"})


def test_scripts_of_any_site_may_read_the_open_data_and_nothing_else(http: httpx.Client) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    assert http.get("/api/tenders?limit=1", headers=origin).headers["access-control-allow-origin"] == "*"
    asked = {
        **origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "if-none-match",
    }
    assert http.options("/api/tenders", headers=asked).status_code == 200
    assert "access-control-allow-origin" not in http.get("/api/admin/jobs", headers=origin).headers
    assert "access-control-allow-origin" not in http.get("/healthz", headers=origin).headers


def test_the_next_page_is_linked(http: httpx.Client) -> None:
    first = http.get("/api/tenders?limit=5&province=Gauteng")
    following = http.get(first.links["next"]["url"])
    assert following.json()["tenders"]
    assert {tender["province"] for tender in following.json()["tenders"]} == {"Gauteng"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_client_gets_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = TokenBuckets(per_minute=60, burst=3, clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0
    clock.now += 0.5
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert buckets.take("a") == 0
    clock.now += 3600
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") > 0


def test_a_request_that_costs_more_than_a_bucket_holds_takes_a_full_one() -> None:
    clock = Clock()
    buckets = TokenBuckets(per_minute=60, burst=3, clock=clock)
    assert buckets.take("a", cost=10) == 0
    assert buckets.take("a", cost=10) == pytest.approx(3.0)
    clock.now += 3
    assert buckets.take("a", cost=10) == 0


async def fine(_: Request) -> PlainTextResponse:
    return PlainTextResponse("fine")


async def ask(app: OpenAccess, *paths: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
        return [await client.get(path, headers={"Origin": "https://elsewhere.example"}) for path in paths]


def test_whoever_asks_too_often_is_told_when_to_come_back() -> None:
    routes = [Route(path, fine) for path in ("/api/tenders", "/api/tenders.csv", "/admin")]
    limited = OpenAccess(Starlette(routes=routes), buckets=TokenBuckets(60, 12, clock=Clock()))
    paths = ["/api/tenders.csv", "/api/tenders", "/api/tenders", "/api/tenders", "/admin"]
    answers = asyncio.run(ask(limited, *paths))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 200]
    refused = answers[3]
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "come back in 1 s" in refused.json()["error"]
