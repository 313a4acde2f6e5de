"""Asking for work: through the running server, or with an app of its own for as long as the job takes."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from typing import Any

import httpx
import inngest
from ulid import ULID

from app import actions, logs, runfile
from app import settings as settings_module
from app.cli.choices import check_source
from app.cli.follow import Follower
from app.cli.outcome import STATUS_CODES, CommandError, Exit, UsageError
from app.database import database
from app.inngest_link import EventNotTakenError, build_client, send_event
from app.runfile import RunFile
from app.runtime import utc_now
from app.serving import BackgroundServing
from app.settings import Settings, SourceChoice
from db.jobs import Job


def ask(
    name: str,
    data: dict[str, Any],
    *,
    event_id: str | None,
    wait: bool,
    as_json: bool,
    source: SourceChoice | None,
) -> int:
    """Sends the event and, with `wait`, follows its job to the end. Returns the exit code."""
    settings = settings_module.load()
    check_source(source, settings)
    logs.configure(
        "WARNING" if settings.log_level == "INFO" else settings.log_level, "console", settings.secret_values()
    )
    try:
        actions.check_event(name, data, now=utc_now())
    except actions.ActionRefusedError as refusal:
        raise UsageError(f"{name}: {refusal}") from refusal
    with ExitStack() as stack:
        server = runfile.find(settings.home)
        if server is None and settings.engine_mode == "embedded":
            _tell("No server runs here, so the job runs in this command.")
            serving = stack.enter_context(BackgroundServing(settings, source=source))
            server = serving.instance
            wait = True
        elif source is not None:
            raise UsageError("--source belongs to the server that runs already; leave it out here.")
        if server:
            identifier = sent = _post(server, name, data, event_id)
        else:
            identifier = event_id or str(ULID())
            sent = _send(settings, name, data, identifier)
        if not wait:
            _print_sent(sent, name, as_json=as_json)
            return Exit.SUCCESS
        engine = stack.enter_context(database(settings, migrated=False))
        job = Follower(engine, {sent, identifier}).to_the_end()
    return report(job, as_json=as_json)


def report(job: Job, *, as_json: bool) -> int:
    """Prints how the job ended; the exit code says the same."""
    if as_json:
        print(json.dumps(job.to_json(), ensure_ascii=False, indent=2))
    else:
        from app.cli.tables import job_summary

        job_summary(job)
    return STATUS_CODES.get(job.status, Exit.FAILED)


def _post(server: RunFile, name: str, data: dict[str, Any], event_id: str | None) -> str:
    try:
        answer = httpx.post(
            f"{server.url}/api/admin/events",
            json={"name": name, "data": data, "id": event_id},
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=30,
            trust_env=False,
        )
    except httpx.HTTPError as problem:
        raise CommandError(
            f"The server at {server.url} did not answer: {problem}. Is it stopping?"
        ) from problem
    if answer.is_error:
        raise CommandError(f"The server refused the event: {_error_of(answer)}")
    return str(answer.json()["eventId"])


def _error_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError):
        return f"HTTP {answer.status_code}"


def _send(settings: Settings, name: str, data: dict[str, Any], event_id: str) -> str:
    client = build_client(settings, settings.app_url or "")
    try:
        return asyncio.run(send_event(client, inngest.Event(name=name, data=data, id=event_id)))
    except EventNotTakenError as problem:
        raise CommandError(str(problem)) from problem


def _print_sent(event_id: str, name: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"eventId": event_id, "name": name}))
    else:
        print(f"Sent {name} (event {event_id}). Follow it with `protenders jobs`, or send with --wait.")


def _tell(message: str) -> None:
    print(message, file=sys.stderr)
