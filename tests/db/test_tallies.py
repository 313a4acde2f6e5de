"""The counts that are kept say what counting says, whatever was written, taken back or removed."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from db import tallies

_TENDER = """
    INSERT INTO tenders (ocid, n, slug, lifecycle, enrichment_status, is_published, first_seen_at, last_changed_at,
        content_hash)
    SELECT 'ocds-9t57fa-' || n, n, 'tender-' || n, 'open', 'pending', true, now(), now(), sha256(n::text::bytea)
    FROM generate_series({first}, {last}) AS n ON CONFLICT (ocid) DO UPDATE SET last_changed_at = now()
"""
_ID = """
    INSERT INTO tender_ids (n, ocid, is_expected, first_expected_at)
    SELECT n, 'ocds-9t57fa-' || n, n % 2 = 0, now() FROM generate_series({first}, {last}) AS n
    ON CONFLICT (n) DO UPDATE SET is_expected = true
"""
STATEMENTS = (
    _TENDER.format(first=1, last=300),
    _TENDER.format(first=200, last=400),
    _ID.format(first=1, last=300),
    _ID.format(first=200, last=400),
    "UPDATE tender_ids SET is_expected = NOT is_expected WHERE n % 3 = 0",
    "UPDATE tenders SET enrichment_status = 'enriched' WHERE n % 2 = 0",
    "DELETE FROM tenders WHERE n % 5 = 0",
    "DELETE FROM tender_ids WHERE n % 5 = 0",
)


def check(connection: sa.Connection) -> None:
    """Both counts, in one snapshot."""
    counted = connection.execute(
        sa.text("SELECT (SELECT count(*) FROM tenders), (SELECT count(*) FROM tender_ids WHERE is_expected)")
    ).one()
    assert (tallies.read(connection, "tenders"), tallies.read(connection, "expected")) == tuple(counted)


def test_the_kept_counts_follow_every_statement(db_engine: sa.Engine) -> None:
    for statement in STATEMENTS:
        with db_engine.begin() as connection:
            connection.execute(sa.text(statement))
            check(connection)
    with db_engine.connect() as connection:
        assert tallies.read(connection, "tenders") == 320
        connection.execute(sa.text("DELETE FROM tenders"))
        check(connection)
        connection.rollback()
        check(connection)
    with db_engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE tenders, tender_ids CASCADE"))
        check(connection)


def test_folding_loses_nothing_while_others_write(db_engine: sa.Engine) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 40):
            with db_engine.begin() as connection:
                connection.execute(sa.text(_TENDER.format(first=number, last=number)))

    writers = [threading.Thread(target=write, args=(1000 * number,)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        with db_engine.begin() as connection:
            tallies.fold(connection)
    with db_engine.begin() as connection:
        tallies.fold(connection)
        check(connection)
        assert tallies.read(connection, "tenders") == 80
        assert (
            connection.execute(sa.text("SELECT count(*) FROM tallies WHERE name = 'tenders'")).scalar() == 1
        )
