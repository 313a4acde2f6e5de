"""The recorded eTenders stand-in: one ASGI app that answers like both government hosts, from captured data.

Its paths are those of the real hosts, compared without regard to case, so one port serves as both base URLs:

    GET /api/OCDSReleases?PageNumber&PageSize&dateFrom&dateTo       GET /api/OCDSReleases/release/{ocid}
    GET /Home/PaginatedTenderOpportunities?draw&start&length&status GET /Home/TenderOpportunities/?status
    GET /home/Download?blobName&downloadedFileName                  /__replay__/…: control, from loopback only
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from app.replay import answers, captures
from app.replay.answers import TEXT, Answer, BadQueryError
from app.replay.calendar import JsonObject
from app.replay.config import ReplayConfig
from app.replay.traffic import Endpoint, Traffic
from app.replay.world import World

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_RELEASE = "/api/ocdsreleases/release/"
_ENDPOINTS: dict[str, Endpoint] = {
    "/api/ocdsreleases": "list",
    "/home/paginatedtenderopportunities": "page",
    "/home/tenderopportunities": "bucket",
    "/home/download": "download",
}


class StandIn:
    """The ASGI app. `world` is what it serves, `traffic` what it was asked; both are also reached by control requests."""

    def __init__(self, config: ReplayConfig) -> None:
        self.config = config
        self.world = World(config, captures.load(config.data, bundled=config.captures))
        self.traffic = Traffic()

    def truth(self, offset: int = 0, limit: int | None = None) -> Iterator[JsonObject]:
        """What a complete and correct copy of the stand-in's tenders holds now: see `World.truth`."""
        return self.world.truth(offset, limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"The stand-in speaks HTTP only, not {scope['type']}.")
        path: str = scope["path"]
        folded = path.lower().rstrip("/")
        endpoint = "release" if folded.startswith(_RELEASE) else _ENDPOINTS.get(folded)
        if endpoint is None:
            await _send(send, Answer(b"Not found.", status=404, content_type=TEXT))
        elif scope["method"] != "GET":
            await _send(send, Answer(b"", status=405, content_type=TEXT, headers={"allow": "GET"}))
        else:
            raw_query = scope.get("query_string", b"").decode("latin-1")
            with self.traffic.request(endpoint, f"{path}?{raw_query}" if raw_query else path) as entry:
                self.world.settle()
                query = {key.lower(): value for key, value in parse_qsl(raw_query)}
                answer = self._answer(endpoint, path, query)
                entry.status = answer.status
                await _send(send, answer)

    def _answer(self, endpoint: str, path: str, query: dict[str, str]) -> Answer:
        if endpoint == "release":
            return answers.release(self.world, unquote(path.rstrip("/").rpartition("/")[2]))
        if endpoint == "page":
            return answers.page(self.world, query)
        if endpoint == "bucket":
            return answers.bucket(self.world, query)
        if endpoint == "download":
            return answers.download(query)
        try:
            return answers.list_page(self.world, query)
        except BadQueryError as error:
            return Answer(str(error).encode(), status=400, content_type=TEXT)


def make_app(config: ReplayConfig | None = None) -> StandIn:
    """The stand-in as an ASGI app. Raises `ReplayError` for captures or options that cannot be used."""
    return StandIn(config or ReplayConfig())


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _send(send: Send, answer: Answer) -> None:
    headers = {"content-type": answer.content_type, **answer.headers}
    if isinstance(answer.body, bytes):
        headers["content-length"] = str(len(answer.body))
    raw = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": answer.body})
        return
    for chunk in answer.body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
