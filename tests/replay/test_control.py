"""Control requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.replay.faults import HARMLESS, KINDS, REFUSALS
from app.replay.stand_in import StandIn
from tests.replay.asking import API, BUCKET, PAGE, ask, still

RELEASE = f"{API}/release/ocds-9t57fa-134203"


def _post(app: StandIn, action: str, **body: Any) -> dict[str, Any]:
    answer = ask(app, f"/__replay__/{action}", "POST", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::7"])
def test_control_is_for_loopback_only(client: str) -> None:
    app = still()
    assert ask(app, "/__replay__/stats", client=client).status_code == 403
    assert ask(app, "/__replay__/faults", "POST", client=client, json={"faults": "seed:1"}).status_code == 403
    assert app.faults == "none"
    assert ask(app, RELEASE, client=client).status_code == 200
    assert ask(app, "/__replay__/stats", client="::1").status_code == 200


def test_an_unknown_control_request_lists_the_known_ones() -> None:
    answer = ask(still(), "/__replay__/explode", "POST")
    assert answer.status_code == 404
    assert "POST /__replay__/clock" in answer.json()["error"]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("clock", {}),
        ("clock", {"advance_seconds": "soon"}),
        ("clock", {"advance_seconds": -5}),
        ("clock", {"now": "2026-08-14T11:00:00"}),
        ("faults", {"faults": "all"}),
        ("faults", {}),
        ("fail", {"endpoint": "bucket", "fault": "fire"}),
        ("fail", {"endpoint": "kitchen", "fault": "500"}),
        ("publish", {}),
        ("amend", {"ocid": "ocds-9t57fa-3"}),
        ("amend", {"ocid": "134203", "kind": "forget"}),
        ("amend", []),
    ],
)
def test_a_bad_control_request_is_refused_with_its_reason(action: str, body: Any) -> None:
    app = still()
    before = list(app.truth(0, 5)), app.faults, app.world.now()
    answer = ask(app, f"/__replay__/{action}", "POST", content=json.dumps(body))
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{action}: ")
    assert (list(app.truth(0, 5)), app.faults, app.world.now()) == before


def test_the_clock_goes_forward_by_seconds_or_to_a_moment() -> None:
    app = still()
    assert _post(app, "clock", advance_seconds=3600)["now"] == "2026-08-14T10:00:00+02:00"
    assert _post(app, "clock", now="2026-08-14T12:00:00+00:00")["now"] == "2026-08-14T14:00:00+02:00"


def test_held_back_tenders_are_published_on_demand_by_number_or_by_name() -> None:
    app = still(hold_back=0.1)
    waiting = app.world.waiting()
    state = _post(app, "publish", count=3)
    assert (state["published"], state["waiting"]) == (3, len(waiting) - 3)
    assert _post(app, "publish", ocid=f"ocds-9t57fa-{waiting[10]}")["published"] == 1
    assert ask(app, f"{API}/release/ocds-9t57fa-{waiting[10]}").json() != {}
    assert _post(app, "publish", ocid=f"ocds-9t57fa-{waiting[10]}")["published"] == 0


def test_a_tender_is_changed_on_demand() -> None:
    app = still()
    before = ask(app, RELEASE).json()
    _post(app, "amend", ocid="ocds-9t57fa-134203")
    amended = ask(app, RELEASE).json()
    _post(app, "amend", ocid="ocds-9t57fa-134203", kind="award")
    awarded = ask(app, RELEASE).json()
    assert before != amended != awarded
    assert len(awarded["awards"]) == 1


def test_the_truth_is_read_in_portions() -> None:
    app = still()
    portions: list[dict[str, Any]] = []
    while portion := ask(app, f"/__replay__/truth?offset={len(portions)}&limit=900").json()["data"]:
        portions += portion
    assert portions == list(app.truth())
    assert len(ask(app, "/__replay__/truth?limit=99999").json()["data"]) == 1_000


def test_the_mood_changes_on_demand_and_says_which_ids_always_fail() -> None:
    app = still()
    state = _post(app, "faults", faults="documented")
    assert state["mood"] == "documented"
    assert ask(app, f"{API}/release/ocds-9t57fa-{state['failingIds'][0]}").status_code == 500
    assert _post(app, "faults", faults="none")["mood"] == "none"


@pytest.mark.parametrize(
    "fault", sorted(set(KINDS) - set(HARMLESS) - {"future", "half", "vanish", "nothing", "cut"})
)
@pytest.mark.parametrize(
    "path", [RELEASE, f"{API}?dateFrom=2026-08-14&dateTo=2026-08-14", f"{BUCKET}?status=1"]
)
def test_an_ordered_fault_is_suffered_once_and_no_usable_answer_comes(fault: str, path: str) -> None:
    app = still()
    endpoint = "release" if path == RELEASE else "list" if path.startswith(API) else "bucket"
    _post(app, "fail", endpoint=endpoint, fault=fault)
    with pytest.raises((ConnectionError, ValueError, LookupError)):  # noqa: PT012 (each step may be the one)
        answer = ask(app, path)
        if answer.status_code != 200:
            raise LookupError(answer.status_code)
        answer.json()
    assert ask(app, path).json()
    assert fault in REFUSALS or fault == "truncated"


def test_an_ordered_fault_lasts_as_long_as_ordered_and_may_concern_one_tender() -> None:
    app = still()
    _post(app, "fail", endpoint="release", fault="500", times=2, ocid="ocds-9t57fa-134203")
    other = f"{API}/release/ocds-9t57fa-134204"
    assert [ask(app, path).status_code for path in (other, RELEASE, RELEASE, RELEASE)] == [200, 500, 500, 200]
    _post(app, "fail", endpoint="release", fault="503-retry-after", times=-1)
    answers = [ask(app, RELEASE) for _ in range(5)]
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "1")}
    _post(app, "faults", faults="none")
    assert ask(app, RELEASE).status_code == 200


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [("half", 0.4, 0.6), ("vanish", 0.9, 0.999), ("nothing", 0, 0), ("future", 1, 1)],
)
def test_the_portal_lies_on_order_and_the_next_answer_is_true(fault: str, least: float, most: float) -> None:
    app = still()
    true = ask(app, f"{BUCKET}?status=1").json()
    _post(app, "fail", endpoint="bucket", fault=fault)
    _post(app, "fail", endpoint="page", fault=fault)
    rows = ask(app, f"{BUCKET}?status=1").json()
    page = ask(app, f"{PAGE}?status=1&length=10").json()
    assert least * len(true) <= len(rows) <= most * len(true)
    assert least * len(true) <= page["recordsTotal"] <= most * len(true)
    if fault == "future":
        assert min(row["date_Published"] for row in [*rows, *page["data"]]) > "2030"
    assert ask(app, f"{BUCKET}?status=1").json() == true


def test_traffic_is_counted_and_forgotten() -> None:
    app = still()
    _post(app, "fail", endpoint="release", fault="500")
    for path in (RELEASE, RELEASE, f"{PAGE}?length=1", f"{API}?"):
        ask(app, path)
    stats = ask(app, "/__replay__/stats?log=2").json()
    assert stats["requests"] == {"release": 2, "page": 1, "list": 1, "all": 4}
    assert stats["answers"] == {"release 500": 1, "release 200": 1, "page 200": 1, "list 400": 1}
    assert stats["faults"] == {"release 500": 1}
    assert stats["maxConcurrency"] == {"api": 1, "portal": 1, "all": 1}
    assert [(entry["endpoint"], entry["status"]) for entry in stats["log"]] == [("page", 200), ("list", 400)]
    assert ask(app, "/__replay__/stats", "DELETE").status_code == 200
    assert ask(app, "/__replay__/stats").json()["requests"] == {"all": 0}
