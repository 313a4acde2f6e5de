"""Which eTenders the app talks to: the real one, or the recorded stand-in when the real one cannot be reached."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Literal

import httpx

from app.loopback import ThreadedServer
from app.settings import Settings, SourceChoice

log = logging.getLogger("protenders.source")

PROBE_SECONDS = 4.0


@dataclass(frozen=True)
class Source:
    """Where releases and portal rows come from. `stand_in` is the running recorded server, if it is ours."""

    kind: Literal["live", "replay"]
    ocds_url: str
    portal_url: str
    reason: str
    stand_in: ThreadedServer | None = None

    def close(self) -> None:
        """Stops the stand-in, if there is one."""
        if self.stand_in is not None:
            self.stand_in.stop()


async def choose(settings: Settings, asked: SourceChoice | None, *, holds_live_data: bool) -> Source:
    """The source for this process.

    `auto` asks both hosts and falls back to the stand-in when neither answers. Hosts that were named in the settings
    are used as they are. A database that already holds tenders of the real eTenders is never mixed with recorded
    ones: it stays live and waits for the hosts to come back.
    """
    choice = settings.source_choice(asked)
    if choice == "auto" and settings.own_sources:
        return _live(settings, "OCDS_BASE_URL and ETENDERS_BASE_URL name it")
    if choice == "auto":
        reachable = await _reachable([settings.ocds_base_url, settings.etenders_base_url])
        if reachable:
            return _live(settings, "eTenders answers")
        if holds_live_data:
            log.warning(
                "eTenders cannot be reached; the database holds its tenders, so the source stays live"
            )
            return _live(settings, "eTenders does not answer, but the database holds its tenders")
        return _replay("eTenders cannot be reached from here")
    return _live(settings, "asked for") if choice == "live" else _replay("asked for")


def _live(settings: Settings, reason: str) -> Source:
    return Source("live", settings.ocds_base_url, settings.etenders_base_url, reason)


def _replay(reason: str) -> Source:
    from app.replay.stand_in import ReplayConfig, make_app

    server = ThreadedServer(make_app(ReplayConfig()))
    server.start()
    log.warning("using the recorded stand-in for eTenders (%s); tenders are samples, not today's", reason)
    return Source("replay", server.url, server.url, reason, server)


async def _reachable(urls: list[str]) -> bool:
    async with httpx.AsyncClient(timeout=PROBE_SECONDS, follow_redirects=False) as client:
        answers = await asyncio.gather(*(_answers(client, url) for url in urls))
    return any(answers)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        async with client.stream("GET", url):
            return True
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        log.info("no answer from %s: %s", url, type(problem).__name__)
        return False
