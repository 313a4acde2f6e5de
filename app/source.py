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

PROBE_SECONDS = 2.5


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


@dataclass(frozen=True)
class Reach:
    """What a look at the configured hosts found."""

    answers: bool
    is_stand_in: bool = False


async def look(settings: Settings, asked: SourceChoice | None) -> Reach:
    """Asks the hosts once, as far as the choice depends on it: it takes at most `PROBE_SECONDS`."""
    choice = settings.source_choice(asked)
    if choice == "live" or (choice == "replay" and not settings.own_sources):
        return Reach(answers=True)
    async with httpx.AsyncClient(timeout=PROBE_SECONDS, follow_redirects=False) as client:
        if settings.own_sources:
            return Reach(answers=True, is_stand_in=await _is_stand_in(client, settings.ocds_base_url))
        urls = (settings.ocds_base_url, settings.etenders_base_url)
        return Reach(answers=any(await asyncio.gather(*(_answers(client, url) for url in urls))))


def choose(settings: Settings, asked: SourceChoice | None, reach: Reach, *, holds_live_data: bool) -> Source:
    """The source for this process.

    `auto` falls back to the stand-in when neither host answers. Hosts that were named in the settings are used as
    they are, and called what they are. A database that already holds tenders of the real eTenders is never mixed
    with recorded ones: it stays live and waits for the hosts to come back.
    """
    choice = settings.source_choice(asked)
    if reach.is_stand_in:
        reason = "OCDS_BASE_URL names a recorded stand-in"
        return Source("replay", settings.ocds_base_url, settings.etenders_base_url, reason)
    if choice == "replay":
        return _replay("it was asked for")
    if choice == "live":
        return _live(settings, "it was asked for")
    if settings.own_sources:
        return _live(settings, "OCDS_BASE_URL and ETENDERS_BASE_URL name it")
    if reach.answers:
        return _live(settings, "eTenders answers")
    if holds_live_data:
        log.warning("eTenders cannot be reached; the database holds its tenders, so the source stays live")
        return _live(settings, "eTenders does not answer, but the database holds its tenders")
    return _replay("eTenders cannot be reached from here")


def _live(settings: Settings, reason: str) -> Source:
    return Source("live", settings.ocds_base_url, settings.etenders_base_url, reason)


def _replay(reason: str) -> Source:
    from app.replay.stand_in import ReplayConfig, make_app

    server = ThreadedServer(make_app(ReplayConfig()))
    server.start()
    log.warning("using the recorded stand-in for eTenders (%s); tenders are samples, not today's", reason)
    return Source("replay", server.url, server.url, reason, server)


async def _is_stand_in(client: httpx.AsyncClient, url: str) -> bool:
    try:
        answer = await client.get(f"{url}/__replay__/stats")
        return answer.status_code == httpx.codes.OK and "mood" in answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError):
        return False


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        async with client.stream("GET", url):
            return True
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        log.info("no answer from %s: %s", url, type(problem).__name__)
        return False
