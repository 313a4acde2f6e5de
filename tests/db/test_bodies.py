"""What a source said comes back as it was said, whatever jsonb can hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from db import bodies, staging
from db.staging import FetchedRelease

NOW = datetime(2026, 10, 7, 10, 0, tzinfo=UTC)
TEXTS = st.text(st.characters(codec=None, exclude_categories=[]), max_size=8) | st.sampled_from(
    ["\x00", "\ud800", "a\x00b", "\\u0000", "é\udfff"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def written(value: Any) -> Any:
    """The same with its numbers as they are written: jsonb gives 6.1e16 back as 61000000000000000."""
    return json.loads(json.dumps(value), parse_float=Decimal, parse_int=Decimal)


@given(JSON)
def test_any_json_has_a_text_that_jsonb_can_hold_and_its_exact_form(value: Any) -> None:
    body = bodies.encode(value)
    text = body.text.decode("utf-8")
    assert "\\u0000" not in text.replace("\\\\", "")
    assert bodies.exact(json.loads(text), body.exact) == value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(TEXTS, JSON, max_size=4))
@example(value={"amount": 6.097365231577034e16})
def test_postgresql_takes_it_and_gives_it_back(db_engine: sa.Engine, value: dict[str, Any]) -> None:
    release = FetchedRelease(
        n=1,
        ocid="ocds-9t57fa-1",
        release_id=None,
        date=None,
        content_hash=b"h",
        body=value,
        fetched_at=NOW,
    )
    with db_engine.begin() as conn:
        staging.stage(conn, "job", [release])
        (source,) = staging.staged_sources(conn, "job", limit=10)
    assert written(source.release) == written(value)


def test_text_columns_get_what_they_can_hold() -> None:
    assert bodies.clean("a\x00b\ud800c") == "a\ufffdb?c".replace("?", "\ufffd" * 3)
    assert bodies.clean("plain é") == "plain é"
