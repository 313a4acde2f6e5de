"""The commands that ask for work: sync, enrich-today, enrich, backfill, send."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.outcome import UsageError

Wait = Annotated[
    bool, typer.Option("--wait", help="Follow the job to its end; the exit code tells how it ended.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]
From = Annotated[
    str | None, typer.Option("--from", help="First South African day, YYYY-MM-DD.", metavar="DAY")
]
To = Annotated[str | None, typer.Option("--to", help="Last South African day, YYYY-MM-DD.", metavar="DAY")]
Most = Annotated[int | None, typer.Option("--max-enrichment", help="Tenders to enrich at most.", min=0)]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="live, replay or auto; without a server only.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("sync")(sync)
    app.command("enrich-today")(enrich_today)
    app.command("enrich")(enrich)
    app.command("backfill")(backfill)
    app.command("send")(send)


def sync(
    from_day: From = None,
    to_day: To = None,
    max_enrichment: Most = None,
    require_enrichment: Annotated[
        bool, typer.Option("--require-enrichment", help="Publish new tenders only once they are enriched.")
    ] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    source: SourceOption = None,
) -> int:
    """Fetch what is new, from the last complete day to today (or the given days)."""
    from app.cli.choices import window

    start, end = window(from_day, to_day)
    data: dict[str, Any] = {
        "fromDate": start.isoformat() if start else None,
        "toDate": end.isoformat() if end else None,
        "maxEnrichment": max_enrichment,
        "requireEnrichment": True if require_enrichment else None,
        "triggeredBy": "manual",
    }
    return _ask("tender/sync.requested", data, wait=wait, as_json=as_json, source=source)


def enrich_today(
    max_enrichment: Most = None, wait: Wait = False, as_json: AsJson = False, source: SourceOption = None
) -> int:
    """Enrich the tenders that were published today."""
    data = {"maxEnrichment": max_enrichment}
    return _ask("tender/enrich-today.requested", data, wait=wait, as_json=as_json, source=source)


def enrich(
    ocid: Annotated[str, typer.Argument(help="The tender, such as ocds-9t57fa-136707.")],
    force: Annotated[bool, typer.Option("--force", help="Again, even if it is enriched.")] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    source: SourceOption = None,
) -> int:
    """Enrich one tender."""
    data = {"ocid": ocid, "force": True if force else None}
    return _ask("tender/enrich.requested", data, wait=wait, as_json=as_json, source=source)


def backfill(
    from_day: Annotated[
        str, typer.Option("--from", help="First South African day, YYYY-MM-DD.", metavar="DAY")
    ],
    to_day: Annotated[str, typer.Option("--to", help="Last South African day, YYYY-MM-DD.", metavar="DAY")],
    max_enrichment: Annotated[
        int | None,
        typer.Option("--max-enrichment", help="Enrich instead of fetch: how many tenders at most.", min=1),
    ] = None,
    wait: Wait = False,
    as_json: AsJson = False,
    source: SourceOption = None,
) -> int:
    """Fetch the history between two days, release by release; with --max-enrichment, enrich it instead."""
    from app.cli.choices import window

    start, end = window(from_day, to_day)
    if start is None or end is None:
        raise UsageError("Give both --from and --to.")
    data: dict[str, Any] = {"fromDate": start.isoformat(), "toDate": end.isoformat()}
    name = "tender/history-backfill.requested"
    if max_enrichment is not None:
        name, data = "tender/enrich-backfill.requested", {**data, "maxEnrichment": max_enrichment}
    return _ask(name, data, wait=wait, as_json=as_json, source=source)


def send(
    name: Annotated[str, typer.Argument(help="The event, such as tender/sync.requested.")],
    data: Annotated[str, typer.Option("--data", help="Its data, a JSON object.", metavar="JSON")] = "{}",
    event_id: Annotated[
        str | None, typer.Option("--id", help="Its id: the same id is not handled twice.")
    ] = None,
    wait: Wait = False,
    as_json: AsJson = False,
    source: SourceOption = None,
) -> int:
    """Send any event of the platform."""
    from app.cli.choices import json_object

    given = json_object(data, "--data")
    return _ask(name, given, event_id=event_id, wait=wait, as_json=as_json, source=source)


def _ask(
    name: str,
    data: dict[str, Any],
    *,
    event_id: str | None = None,
    wait: bool,
    as_json: bool,
    source: str | None,
) -> int:
    from app.cli.asking import ask
    from app.cli.choices import source_choice

    given = {key: value for key, value in data.items() if value is not None}
    return ask(name, given, event_id=event_id, wait=wait, as_json=as_json, source=source_choice(source))
