from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ocds.host import Host


@pytest.fixture
def host() -> Iterator[Host]:
    """A scripted host on loopback."""
    host = Host()
    yield host
    host.stop()
