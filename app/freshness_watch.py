"""freshness-watch: when no sync has completed within the promised time, somebody hears of it, and again on recovery.

An episode begins with the first look that finds the promise broken. Each channel is told once an episode and once on
recovery; what could not be told is tried again by the next look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Self

import httpx
import inngest
import sqlalchemy as sa

from app.freshness import LATE_AFTER, Verdict, verdict
from app.freshness_facts import gather
from app.settings import Settings
from db import sync_state
from db.clock import iso
from functions.mail import Post
from functions.resources import Resources

log = logging.getLogger("protenders.freshness")

CRON = "*/15 * * * *"
KEY = "freshness_watch"
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("protenders.freshness", 0)))
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is watched, and who is told: an address, a URL that takes JSON, both or neither (the log always is)."""

    engine: sa.Engine
    clock: Callable[[], datetime]
    post: Post
    replay: bool
    email: str | None = None
    webhook: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings, resources: Resources) -> Self:
        """As the settings say."""
        if resources.post is None:
            raise ValueError("the resources have no way to send mail")
        url = settings.alert_webhook_url
        return cls(
            engine=resources.engine,
            clock=resources.clock,
            post=resources.post,
            replay=resources.source == "replay",
            email=settings.alert_email,
            webhook=url.get_secret_value() if url else None,
        )

    @property
    def channels(self) -> list[str]:
        """Who is told."""
        return [name for name, to in (("mail", self.email), ("webhook", self.webhook)) if to]


def build(client: inngest.Inngest, watch: Watch) -> inngest.Function[Any]:
    """The function `freshness-watch`, every quarter of an hour."""

    @client.create_function(
        fn_id="freshness-watch",
        name="Watch the data's freshness",
        retries=3,
        trigger=inngest.TriggerCron(cron=CRON),
    )
    def freshness_watch(ctx: inngest.ContextSync) -> Json:
        found = ctx.step.run("look", look, watch)
        failed: inngest.StepError | None = None
        for channel in (name for name in found["untold"] if name in watch.channels):
            # A channel that is out of order keeps no other one from being told.
            try:
                ctx.step.run(f"tell-by-{channel}", tell, watch, channel, found)
            except inngest.StepError as problem:
                failed = problem
        if failed is not None:
            raise failed
        return found

    return freshness_watch


def look(watch: Watch) -> Json:
    """Note whether the promise is kept; the episode's state, with the channels that are still to be told of it."""
    with watch.engine.begin() as conn:
        conn.execute(_LOCK)
        now = watch.clock()
        found = verdict(gather(conn, now=now, replay=watch.replay), now)
        before: Json = sync_state.get(conn, KEY) or {
            "late": False,
            "since": iso(now),
            "episode": 0,
            "untold": [],
        }
        late = _late(found, now, before)
        state = before
        if late != before["late"]:
            state = {
                "late": late,
                "since": iso(now),
                "episode": before["episode"] + (1 if late else 0),
                "untold": watch.channels,
                "headline": found.headline,
                "causes": list(found.causes),
            }
            if late:
                log.error("%s %s", found.headline, " ".join(found.causes))
            else:
                log.warning("the promised time is kept again: %s", found.headline)
        sync_state.put(conn, KEY, state, now=now)
    return state


def tell(watch: Watch, channel: str, state: Json) -> Json:
    """Tell one channel about this state and note that it was told; raises when it could not be."""
    if channel == "mail":
        _mail(watch, state)
    else:
        _call(watch, state)
    with watch.engine.begin() as conn:
        conn.execute(_LOCK)
        now: Json | None = sync_state.get(conn, KEY)
        if now is not None and (now["episode"], now["late"]) == (state["episode"], state["late"]):
            untold = [name for name in now["untold"] if name != channel]
            sync_state.put(conn, KEY, {**now, "untold": untold}, now=watch.clock())
    return {"told": channel}


def _late(found: Verdict, now: datetime, before: Json) -> bool:
    if found.age is None:
        # The first sync has as long as any other, from the first look on; only a sync ends the episode.
        return bool(before["late"]) or now - datetime.fromisoformat(before["since"]) > LATE_AFTER
    return not found.ok


def _subject(state: Json) -> str:
    return "ProTenders: the sync is late" if state["late"] else "ProTenders: the sync is back in time"


def _mail(watch: Watch, state: Json) -> None:
    message = EmailMessage()
    word = "late" if state["late"] else "back"
    key = f"freshness-{state['episode']}-{word}"
    message["From"], message["To"] = watch.post.sender, watch.email
    message["Subject"] = _subject(state)
    message["Date"] = format_datetime(watch.clock())
    message["Message-ID"] = f"<{key}@{watch.post.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [state["headline"], *state["causes"], "", f"{watch.post.base_url}/admin"]
    message.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    # Told twice is better than not told: nothing is noted before the server has taken it.
    watch.post.mailer.deliver(message, key=key, begin=lambda: True, done=lambda _: None)


def _call(watch: Watch, state: Json) -> None:
    body = {
        "event": "freshness.late" if state["late"] else "freshness.recovered",
        "episode": state["episode"],
        "at": state["since"],
        "headline": state["headline"],
        "causes": state["causes"],
        "text": f"{_subject(state)}. {state['headline']} {' '.join(state['causes'])}".strip(),
    }
    try:
        answer = httpx.post(str(watch.webhook), json=body, timeout=15, follow_redirects=False)
    except httpx.HTTPError as problem:
        # The address is a secret, and httpx names it in some of its messages.
        raise ConnectionError(f"ALERT_WEBHOOK_URL could not be reached: {type(problem).__name__}") from None
    if not answer.is_success:
        raise ConnectionError(f"ALERT_WEBHOOK_URL answered HTTP {answer.status_code}")
