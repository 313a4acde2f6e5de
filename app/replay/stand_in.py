"""The recorded eTenders stand-in: one ASGI app that answers like both government hosts, from captured data.

Its paths are those of the real hosts, compared without regard to case, so one port serves as both base URLs:

    GET /api/OCDSReleases?PageNumber&PageSize&dateFrom&dateTo
    GET /api/OCDSReleases/release/{ocid}
    GET /Home/PaginatedTenderOpportunities?draw&start&length&status
    GET /Home/TenderOpportunities/?status
    GET /home/Download?blobName&downloadedFileName

and `/__replay__/…` is for control, from loopback only (app/replay/control.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from app.replay import answers, captures, control
from app.replay.answers import TEXT, Answer, BadQueryError
from app.replay.calendar import JsonObject
from app.replay.config import ReplayConfig
from app.replay.delivery import Receive, Scope, Send, cut_off, deliver, drop
from app.replay.derived import PREFIX
from app.replay.faults import HANG_SECONDS, Mood, Verdict, failing_ids
from app.replay.spoiling import refusal, spoil, view_of
from app.replay.traffic import Endpoint, Entry, Traffic
from app.replay.walk import lossy_page
from app.replay.world import World

__all__ = ["ReplayConfig", "StandIn", "make_app"]

_RELEASE = "/api/ocdsreleases/release/"
_ENDPOINTS: dict[str, Endpoint] = {
    "/api/ocdsreleases": "list",
    "/home/paginatedtenderopportunities": "page",
    "/home/tenderopportunities": "bucket",
    "/home/download": "download",
}


@dataclass(frozen=True)
class Request:
    """A request to one of the hosts' endpoints; the query's names are folded to lower case."""

    endpoint: Endpoint
    path: str
    query: dict[str, str]
    entry: Entry


class StandIn:
    """The ASGI app.

    `world` is what it serves, `traffic` what it was asked, `orders` the faults that were ordered for
    coming requests; control requests reach the same.
    """

    def __init__(self, config: ReplayConfig) -> None:
        self.config = config
        self.world = World(config, captures.load(config.data, bundled=config.captures))
        self.traffic = Traffic()
        self.orders = control.Orders()
        self.failing = failing_ids(self.world.exists, self.world.numbers[-1])
        self._failing = {f"{PREFIX}{number}" for number in self.failing}
        self.set_faults(config.faults)

    def set_faults(self, faults: str) -> None:
        """Change the mood (``none``, ``documented``, ``seed:N``) from the next request on."""
        self._mood = Mood(faults)

    @property
    def faults(self) -> str:
        """The mood's name."""
        return self._mood.name

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
        if folded.startswith(control.PREFIX):
            await deliver(send, await control.answer(self, scope, receive))
        elif endpoint is None:
            await deliver(send, Answer(b"Not found.", status=404, content_type=TEXT))
        elif scope["method"] != "GET":
            await deliver(send, Answer(b"", status=405, content_type=TEXT, headers={"allow": "GET"}))
        else:
            raw_query = scope.get("query_string", b"").decode("latin-1")
            url = f"{path}?{raw_query}" if raw_query else path
            with self.traffic.request(endpoint, url) as entry:
                self.world.settle()
                query = {key.lower(): value for key, value in parse_qsl(raw_query)}
                await self._respond(Request(endpoint, path, query, entry), receive, send)

    async def _respond(self, request: Request, receive: Receive, send: Send) -> None:
        verdict = self._judge(request)
        entry = request.entry
        entry.ordinal = verdict.ordinal
        await self._wait(verdict.delay)
        answer = self._answer(request, verdict)
        entry.fault = verdict.fault
        if answer is None:
            entry.fault = verdict.fault if verdict.fault == "drop" else "hang"
            if entry.fault == "hang":
                await self._wait(HANG_SECONDS)
            await drop(receive, send)
            return
        entry.status = answer.status
        answer = spoil(answer, verdict)
        if verdict.fault == "cut":
            await cut_off(answer, receive, send)
        else:
            await deliver(send, answer)

    def _judge(self, request: Request) -> Verdict:
        page = request.query.get("pagenumber", "1")
        verdict = self._mood.judge(request.endpoint, request.entry.url, int(page) if page.isdecimal() else 1)
        if verdict.churn:
            self.world.stir(verdict.random)
        ordered = self.orders.take(request.endpoint, request.path)
        return verdict if ordered is None else verdict.with_fault(ordered)

    async def _wait(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds * self.config.time_scale)

    def _answer(self, request: Request, verdict: Verdict) -> Answer | None:
        """What the fault and the endpoint say; None when nothing shall ever come."""
        if verdict.fault in ("hang", "drop"):
            return None
        answer_of: dict[Endpoint, Callable[[Request, Verdict], Answer | None]] = {
            "list": self._list,
            "release": self._release,
            "page": lambda request, verdict: answers.page(self.world, request.query, view_of(verdict)),
            "bucket": lambda request, verdict: answers.bucket(self.world, request.query, view_of(verdict)),
            "download": lambda request, _: answers.download(request.query),
        }
        return refusal(verdict.fault) or answer_of[request.endpoint](request, verdict)

    def _list(self, request: Request, verdict: Verdict) -> Answer | None:
        try:
            if self._mood.active:
                return lossy_page(self.world, request.query, self._mood.lies, verdict.random, self._mood.name)
            return answers.list_page(self.world, request.query)
        except BadQueryError as error:
            return Answer(str(error).encode(), status=400, content_type=TEXT)

    def _release(self, request: Request, _: Verdict) -> Answer | None:
        ocid = unquote(request.path.rstrip("/").rpartition("/")[2])
        if self._mood.active and ocid in self._failing:
            return refusal("500")
        return answers.release(self.world, ocid, hole_status=404 if self._mood.holes_are_404 else 200)


def make_app(config: ReplayConfig | None = None) -> StandIn:
    """The stand-in as an ASGI app. Raises `ReplayError` for captures or options that cannot be used."""
    return StandIn(config or ReplayConfig())


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
