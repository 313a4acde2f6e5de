"""The stand-in for eTenders as a process of its own, and the environment of a `protenders` that uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.processes import PROTENDERS, Process, answers, environment, free_port, running
from tests.conftest import temporary_database


@pytest.fixture
def stand_in() -> Iterator[Callable[..., tuple[str, Process]]]:
    """Starts `protenders replay` with the given options; gives its base URL and process."""
    with ExitStack() as stack:

        def start(*options: str, port: int | None = None) -> tuple[str, Process]:
            port = port or free_port()
            process = stack.enter_context(
                running(*PROTENDERS, "replay", "--port", str(port), *options, env=environment())
            )
            base = f"http://127.0.0.1:{port}"
            answers(process, f"{base}/Home/PaginatedTenderOpportunities?draw=1&start=0&length=1&status=1")
            return base, process

        yield start


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment of a `protenders` on the test's database and the given stand-in."""

    def build(source: str, **more: str) -> dict[str, str]:
        return environment(
            DATABASE_URL=database_url,
            PROTENDERS_HOME=str(tmp_path / "home"),
            OCDS_BASE_URL=source,
            ETENDERS_BASE_URL=source,
            RATE_LIMIT_DELAY_MS="0",
            ADMIN_USERNAME="admin",
            ADMIN_PASSWORD="a long pass phrase for tests",
            **more,
        )

    return build


@pytest.fixture
def second_database_url(pg_server: str, template_database: str) -> Iterator[str]:
    """Another fresh, migrated database, to compare the first one with."""
    with temporary_database(pg_server, template=template_database) as url:
        yield url
