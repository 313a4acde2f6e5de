"""What live pages show is made once for all viewers of a change, and anew for whoever opens the page."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from app.keeping import Shared
from app.serving import Serving

Browser = Callable[[str], httpx.Client]


def test_many_who_ask_at_once_have_it_made_once() -> None:
    shared = Shared(1.0, clock=lambda: 0.0)
    made: list[int] = []
    got: list[int] = []
    started = threading.Barrier(20)

    def make() -> int:
        made.append(len(made))
        return made[-1]

    def ask() -> None:
        started.wait(20)
        got.append(shared.get("page", 1, make))

    askers = [threading.Thread(target=ask) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert (made, got) == ([0], [0] * 20)


def test_another_version_another_key_and_a_passed_second_make_it_anew() -> None:
    now = [0.0]
    shared = Shared(1.0, clock=lambda: now[0])
    numbers = iter(range(100))
    assert shared.get("page", 1, lambda: next(numbers)) == 0
    assert shared.get("page", 1, lambda: next(numbers)) == 0
    assert shared.get("page", 2, lambda: next(numbers)) == 1
    assert shared.get("other", 2, lambda: next(numbers)) == 2
    now[0] = 1.0
    assert shared.get("page", 2, lambda: next(numbers)) == 3
    for number in range(500):
        shared.get(f"page {number}", 2, lambda: next(iter([0])))
    assert len(shared._made) <= 64


def test_what_failed_is_not_kept() -> None:
    shared = Shared(1.0, clock=lambda: 0.0)
    with pytest.raises(ZeroDivisionError):
        shared.get("page", 1, lambda: 1 // 0)
    assert shared.get("page", 1, lambda: 7) == 7


@pytest.mark.parametrize(
    ("address", "sign"),
    [
        ("/admin", "percentile_cont"),
        ("/admin/jobs", "WITH RECURSIVE values"),
        ("/admin/enrichment", "tenders.enrichment_status"),
    ],
)
def test_the_refreshes_of_a_tick_cost_the_database_one_page(
    served: Serving, browser: Browser, address: str, sign: str
) -> None:
    asked: list[str] = []
    engine = served.runtime.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    viewer, admin = browser("viewer"), browser("admin")

    def cost(headers: dict[str, str], *, times: int) -> int:
        asked.clear()
        for number in range(times):
            client = (viewer, admin)[number % 2]
            assert client.get(address, headers=headers).status_code == 200
        return sum(sign in statement for statement in asked)

    once = cost({}, times=1)
    assert once >= 1
    assert cost({}, times=4) == 4 * once
    served.runtime.shared._clock = lambda: 0.0
    served.runtime.shared._made.clear()
    assert cost({"HX-Request": "true"}, times=10) == once
    served.runtime.ticker.version += 1
    assert cost({"HX-Request": "true"}, times=10) == once
