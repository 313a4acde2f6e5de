"""One command syncs every captured tender, through the worst that the source is known to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import httpx
import sqlalchemy as sa

from tests.acceptance.processes import Process, protenders, wait_for
from tests.acceptance.snapshot import fingerprint

StandIn = Callable[..., tuple[str, Process]]
Settings = Callable[..., dict[str, str]]
SOUTH_AFRICA = timezone(timedelta(hours=2))


def _open_rows(base: str) -> dict[int, dict[str, object]]:
    """The stand-in's open bucket, whichever faults it has a mind to."""

    def look() -> dict[int, dict[str, object]] | None:
        try:
            answer = httpx.get(f"{base}/Home/TenderOpportunities/?status=1", timeout=30)
            return {row["id"]: row for row in answer.json()}
        except (httpx.HTTPError, json.JSONDecodeError, TypeError):
            return None

    return wait_for("the open bucket", look)


def test_a_sync_in_the_documented_mood_loses_nothing_and_a_second_one_changes_nothing(
    stand_in: StandIn, settings: Settings, database_url: str
) -> None:
    base, _ = stand_in("--faults", "documented")
    env = settings(base)

    first = protenders("sync", "--wait", "--json", env=env)
    assert first.code == 0, first.err[-3000:] + first.out[-2000:]
    job = first.json
    assert job["status"] == "SUCCESS", job
    assert job["metadata"]["coverage"]["missing"] == 0

    def complete() -> bool:
        follow_up = protenders("coverage", "--json", env=env).json
        return not follow_up["awaitingRelease"]

    if job["metadata"]["coverage"]["awaitingRelease"]:
        drained = protenders(
            "send", "tender/history-backfill.requested", "--data", "{}", "--wait", "--json", env=env
        )
        assert drained.code in {0, 3}, drained.err[-3000:] + drained.out[-2000:]
        assert complete()

    rows = _open_rows(base)
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        saved = {
            row.ocid: row
            for row in connection.execute(
                sa.text("SELECT ocid, closing_at, enrichment_status, document_count FROM tenders")
            )
        }
        documents = dict(
            connection.execute(sa.text("SELECT ocid, count(*) FROM tender_documents GROUP BY ocid")).all()
        )
    engine.dispose()
    missing = [number for number in rows if f"ocds-9t57fa-{number}" not in saved]
    assert missing == []
    for number, row in rows.items():
        tender = saved[f"ocds-9t57fa-{number}"]
        closing = datetime.fromisoformat(str(row["closing_Date"])).replace(tzinfo=SOUTH_AFRICA)
        assert tender.closing_at == closing, number
        assert tender.enrichment_status == "enriched", number
        files = row.get("supportDocument") or row.get("sd") or []
        assert isinstance(files, list)
        active = {file["supportDocumentID"] for file in files if file.get("active", True)}
        assert documents.get(tender.ocid, 0) >= len(active), number

    before = fingerprint(database_url)
    second = protenders("sync", "--wait", "--json", env=env)
    assert second.code == 0, second.err[-3000:] + second.out[-2000:]
    assert second.json["metadata"]["recordsAdded"] == 0
    assert second.json["metadata"]["recordsUpdated"] == 0
    assert fingerprint(database_url) == before


def test_a_source_that_is_down_fails_the_job_as_external_and_moves_nothing(
    settings: Settings, database_url: str
) -> None:
    env = settings("http://127.0.0.1:9", ENGINE_RETRY_BASE="0.01")
    result = protenders("sync", "--wait", "--json", env=env)
    assert result.code == 1, result.err[-3000:] + result.out[-2000:]
    job = result.json
    assert job["status"] == "FAILED"
    assert job["error"]["kind"] == "EXTERNAL_API"
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM tenders")).scalar_one() == 0
        assert (
            connection.execute(sa.text("SELECT count(*) FROM sync_state WHERE key = 'cursor'")).scalar_one()
            == 0
        )
    engine.dispose()
