"""Databases and stages for the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.engine.cases", "tests.engine.trial")

from tests.conftest import temporary_database  # noqa: E402
from tests.engine.theatre import MODES, Theatre, selected_cases  # noqa: E402


@pytest.fixture(scope="session")
def theatre(request: pytest.FixtureRequest, pg_server: str, template_database: str) -> Iterator[Theatre]:
    """Plays the selected cases, those of one mode side by side, each mode on a database of its own."""
    with Theatre(
        {mode: selected_cases(request.session.items, mode) for mode in MODES},
        lambda: temporary_database(pg_server, template=template_database),
    ) as opened:
        yield opened
