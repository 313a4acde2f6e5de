"""How this app and whoever runs its functions know each other: keys, addresses, registration, the schedule."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import inngest
from fastapi import HTTPException, Request

from app.headers import MAX_BODY
from app.settings import Settings
from engine import EngineConfig, signing
from engine.backoff import BASE
from engine.config import OnAccept
from functions.client import make_client

log = logging.getLogger("protenders.inngest")

SYNC_EVENT = "tender/sync.requested"
SLOT_SECONDS = 1800
SIGNATURE_AGE_SECONDS = 300
DEVELOPMENT_RETRY_SECONDS = 1.0
_SIGNATURE = re.compile(r"t=([0-9]{1,15})&s=[0-9a-f]{64}")


def signing_key(settings: Settings) -> str | None:
    """The key that invocations are signed with. The embedded engine in production has its own, from SECRET_KEY."""
    if settings.inngest_signing_key is not None:
        return settings.inngest_signing_key.get_secret_value()
    if settings.engine_mode == "embedded" and settings.production:
        return f"signkey-prod-{settings.derived_key('engine signing key')}"
    return None


def event_key(settings: Settings) -> str | None:
    """The key that events are sent with; in production there always is one."""
    if settings.inngest_event_key is not None:
        return settings.inngest_event_key.get_secret_value()
    if settings.engine_mode == "embedded" and settings.production:
        return settings.derived_key("engine event key")
    return None


def api_origin(settings: Settings, own_url: str) -> str | None:
    """Where events and API calls go; None leaves Inngest Cloud's own addresses to the SDK."""
    if settings.engine_mode == "embedded":
        return own_url
    return settings.inngest_dev or settings.inngest_base_url


def build_client(settings: Settings, own_url: str) -> inngest.Inngest:
    """The SDK's client, fully told: nothing is left to be read from the environment."""
    origin = api_origin(settings, own_url)
    return make_client(
        event_key=event_key(settings),
        signing_key=signing_key(settings),
        is_production=signing_key(settings) is not None and settings.inngest_dev is None,
        api_base_url=origin,
        event_api_base_url=origin,
    )


def engine_config(settings: Settings, *, on_accept: OnAccept | None = None) -> EngineConfig:
    """The embedded engine's configuration. Development needs no keys and does not wait long between retries."""
    fallback = settings.inngest_signing_key_fallback
    key = event_key(settings)
    return EngineConfig(
        signing_key=signing_key(settings),
        signing_key_fallback=fallback.get_secret_value() if fallback else None,
        event_keys=(key,) if key else (),
        dev=not settings.production,
        on_accept=on_accept,
        app_hosts=tuple(
            host.strip() for host in settings.engine_app_hosts.lower().split(",") if host.strip()
        ),
        retry_base=settings.engine_retry_base or (BASE if settings.production else DEVELOPMENT_RETRY_SECONDS),
    )


def request_checks(settings: Settings) -> list[Callable[[Request], Awaitable[None] | None]]:
    """What a request to the functions' endpoint has to pass before the SDK reads it."""
    key, fallback = signing_key(settings), settings.inngest_signing_key_fallback
    if key is None:
        return []
    if settings.inngest_dev:
        return [fresh_signature]
    keys = [key, *([fallback.get_secret_value()] if fallback else [])]
    return [signed, fresh_signature, large_body_signed(keys)]


def fresh_signature(request: Request) -> None:
    """Refuses a request whose signature is older than five minutes: the SDK checks that it is right, not when it was
    made, so a recorded one would be good for ever. A signature that two readers could read differently is none."""
    given = request.headers.getlist("x-inngest-signature")
    if not given:
        return
    found = _SIGNATURE.fullmatch(given[0]) if len(given) == 1 else None
    if found is None or abs(time.time() - int(found[1])) > SIGNATURE_AGE_SECONDS:
        raise HTTPException(401, "The signature is too old, or cannot be read.")


def signed(request: Request) -> None:
    """Refuses an unsigned request before its body is read; the SDK would refuse it too, as an error in the log."""
    if "x-inngest-signature" not in request.headers:
        raise HTTPException(401, "The request is not signed with the signing key.")


def large_body_signed(keys: list[str]) -> Callable[[Request], Awaitable[None]]:
    """Refuses a large body with a wrong signature, in a thread and one at a time: the SDK brings what anybody sends
    into canonical form before it looks at the signature, and all others would wait for that."""
    one_at_a_time = asyncio.Lock()

    async def check(request: Request) -> None:
        body = await request.body()
        if len(body) <= MAX_BODY:
            return
        header = request.headers.get("x-inngest-signature")
        async with one_at_a_time:
            rightly = await asyncio.to_thread(signing.verify, body, header, keys, time.time())
        if not rightly:
            raise HTTPException(401, "The request is not signed with the signing key.")

    return check


class EventNotTakenError(Exception):
    """The Inngest server did not answer, or refused the event; nothing was started."""


async def send_event(client: inngest.Inngest, event: inngest.Event) -> str:
    """Sends an event to the Inngest server; the id that it gave. Raises EventNotTakenError after the SDK's tries."""
    try:
        return (await client.send(event))[0]
    except Exception as problem:
        message = f"Inngest did not take the event: {problem}. Check INNGEST_EVENT_KEY and the network."
        raise EventNotTakenError(message) from problem


async def cancel_run(client: inngest.Inngest, run_id: str) -> bool:
    """Cancels a run at the Inngest server, as its REST API does; False (and a log line) when it did not take it.

    The job itself was asked to end before, so nothing is lost but time.
    """
    key = client.signing_key
    headers = {"Authorization": f"Bearer {_hashed(key)}"} if key else {}
    try:
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.delete(f"{client.api_origin.rstrip('/')}/v1/runs/{run_id}", headers=headers)
    except httpx.HTTPError as problem:
        log.warning("the Inngest server did not answer the cancellation of run %s: %s", run_id, problem)
        return False
    if answer.is_error:
        log.warning("the Inngest server refused to cancel run %s: HTTP %s", run_id, answer.status_code)
    return not answer.is_error


def _hashed(key: str) -> str:
    """A signing key as the REST API wants it: its prefix, and the hash of its hexadecimal part."""
    prefix, _, secret = key.rpartition("-")
    return f"{prefix}-{hashlib.sha256(bytes.fromhex(secret)).hexdigest()}"


def registration(
    client: inngest.Inngest, functions: list[inngest.Function[Any]], url: str
) -> tuple[str, str, list[dict[str, Any]]]:
    """What the SDK would send to `/fn/register`: app name, URL and the functions' configurations."""
    configs: list[dict[str, Any]] = []
    for function in functions:
        config = function.get_config(url)
        for part in (config.main, config.on_failure):
            if part is None:
                continue
            plain = part.to_dict()
            if isinstance(plain, Exception):
                raise plain
            configs.append(_without_none(plain))
    return client.app_id, url, configs


def scheduler(client: inngest.Inngest, cron: str) -> inngest.Function[Any]:
    """The embedded engine's clock for tender-sync: on SYNC_CRON it asks for a sync, once per half hour."""

    @client.create_function(
        fn_id="sync-schedule",
        name="Ask for the scheduled sync",
        retries=3,
        trigger=inngest.TriggerCron(cron=cron),
    )
    def sync_schedule(ctx: inngest.ContextSync) -> str:
        event = sync_event(datetime.fromtimestamp(ctx.event.ts / 1000, UTC))
        ctx.step.send_event("request-sync", event)
        return event.id

    return sync_schedule


def sync_event(moment: datetime) -> inngest.Event:
    """The scheduled sync's event; its id is the half hour's, so that a repeat is no second sync."""
    slot = datetime.fromtimestamp(moment.timestamp() // SLOT_SECONDS * SLOT_SECONDS, UTC)
    return inngest.Event(
        name=SYNC_EVENT,
        id=f"scheduled-sync-{slot:%Y-%m-%dT%H:%MZ}",
        data={"triggeredBy": "cron"},
    )


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
