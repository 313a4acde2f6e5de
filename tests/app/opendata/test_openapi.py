"""The whole API against its own description: what it answers is what it says that it answers, and never a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.serving import BackgroundServing, Serving
from app.settings import Settings
from tests.conftest import temporary_database

CRON_SECRET = "a long secret for the tests"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 15
MODES = list(schemathesis.GenerationMode)


@pytest.fixture(scope="module")
def serving(
    pg_server: str, stocked_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """The app on a copy of the stocked database; what it is told to sync fails at once, for nobody answers."""
    nobody = "http://127.0.0.1:9"
    with temporary_database(pg_server, template=sa.make_url(stocked_database).database) as url:
        given_settings = Settings(
            _env_file=None,
            database_url=url,
            protenders_home=tmp_path_factory.mktemp("home"),
            sync_cron="0 0 1 1 *",
            ocds_base_url=nobody,
            etenders_base_url=nobody,
            cron_secret=CRON_SECRET,
            open_data_requests_per_minute=0,
        )
        with BackgroundServing(given_settings) as started:
            yield started


def operations(serving: Serving) -> Iterator[Any]:
    document = httpx.get(f"{serving.url}/openapi.json").json()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        yield result.ok()


def test_the_description_covers_the_open_data_and_the_administration(serving: Serving) -> None:
    labels = {operation.label for operation in operations(serving)}
    assert {
        "GET /api/tenders",
        "GET /api/tenders/{key}",
        "GET /api/tenders/{ocid}/history",
        "GET /api/tenders.csv",
        "GET /api/tenders.jsonl",
        "GET /api/tenders.xlsx",
        "GET /api/ocds/releases.json",
        "GET /api/ocds/records/{ocid}",
        "GET /api/admin/jobs",
        "POST /api/admin/jobs/sync-now",
        "POST /api/cron/sync",
    } <= labels


def ask(serving: Serving, operation: Any, mode: schemathesis.GenerationMode) -> int:
    """Makes requests to one operation and checks the answers; how many."""
    secret = CRON_SECRET if operation.path.startswith("/api/cron") else serving.instance.token
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: schemathesis.Case) -> None:
        nonlocal asked
        asked += 1
        response = case.call(base_url=serving.url, headers={"Authorization": f"Bearer {secret}"})
        case.validate_response(response, checks=CHECKS)

    answers()
    return asked


@pytest.mark.parametrize("mode", MODES, ids=[mode.value for mode in MODES])
def test_every_operation_answers_as_described(serving: Serving, mode: schemathesis.GenerationMode) -> None:
    faults, asked = [], 0
    for operation in operations(serving):
        try:
            asked += ask(serving, operation, mode)
        except Unsatisfiable:
            assert mode is schemathesis.GenerationMode.NEGATIVE, f"{operation.label} cannot be asked at all"
        except BaseExceptionGroup as problems:
            faults += [f"{operation.label}: {problem}" for problem in problems.exceptions]
    assert faults == []
    assert asked >= 8 * EXAMPLES


@pytest.mark.parametrize(
    "path", ["/api/tenders", "/api/tenders/ocds-9t57fa-136707", "/api/ocds/releases.json"]
)
def test_real_answers_conform_to_their_models(serving: Serving, path: str) -> None:
    [operation] = [
        each
        for each in operations(serving)
        if each.method == "get" and each.path == path.replace("ocds-9t57fa-136707", "{key}")
    ]
    case = operation.Case(path_parameters={"key": "ocds-9t57fa-136707"} if "{key}" in operation.path else {})
    response = case.call(base_url=serving.url)
    assert response.status_code == 200
    case.validate_response(response, checks=CHECKS)
