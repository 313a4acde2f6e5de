"""Databases and stages for the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import temporary_database
from tests.engine.theatre import MODES, Theatre, selected_cases


@pytest.fixture(scope="session")
def theatre(request: pytest.FixtureRequest, pg_server: str, template_database: str) -> Iterator[Theatre]:
    """Plays the selected cases, those of one mode side by side, each mode on a database of its own."""
    with Theatre(
        {mode: selected_cases(request.session.items, mode) for mode in MODES},
        lambda: temporary_database(pg_server, template=template_database),
    ) as opened:
        yield opened
