"""Plays many cases at the same time, so that their waiting overlaps, and keeps each one's result."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, get_args

import pytest

from tests.engine import stage as stages
from tests.engine.trial import Kind, Trial, trial

Scenario = Callable[[Trial], Awaitable[None]]
Play = tuple[Scenario, Kind]

MODES = {"embedded": stages.embedded, "stand-alone": stages.stand_alone}
KINDS: tuple[Kind, ...] = get_args(Kind)
AT_ONCE = 12


def selected_cases(items: Iterable[pytest.Item], mode: str) -> list[Play]:
    """The cases that this test session is about to ask for in one mode."""
    return [
        (item.callspec.params["scenario"], item.callspec.params["kind"])
        for item in items
        if hasattr(item, "callspec") and item.callspec.params.get("mode") == mode
    ]


class Theatre:
    """One stage per mode, opened when its first result is asked for; a loop in a thread plays the cases."""

    def __init__(
        self,
        programme: dict[str, list[Play]],
        databases: Callable[[], contextlib.AbstractContextManager[str]],
    ) -> None:
        self._programme = programme
        self._databases = databases
        self._results: dict[str, dict[Play, concurrent.futures.Future[None]]] = {}
        self._open = contextlib.ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="theatre", daemon=True)

    def __enter__(self) -> Theatre:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def result(self, mode: str, scenario: Scenario, kind: Kind) -> None:
        """Wait for a case's end; raises what the case raised."""
        if mode not in self._results:
            self._results[mode] = self._start(mode)
        self._results[mode][scenario, kind].result(180)

    def _start(self, mode: str) -> dict[Play, concurrent.futures.Future[None]]:
        self._open.close()
        dsn = self._open.enter_context(self._databases())
        stage = self._open.enter_context(MODES[mode](dsn))
        places = asyncio.Semaphore(AT_ONCE)

        async def play(scenario: Scenario, kind: Kind) -> None:
            async with places, trial(stage, _name(scenario), kind) as own:
                await scenario(own)

        def start(play_of: Play) -> concurrent.futures.Future[None]:
            return asyncio.run_coroutine_threadsafe(play(*play_of), self._loop)

        return {each: start(each) for each in self._programme[mode]}


def _name(scenario: Scenario) -> str:
    """A short app id: the scenario's place in the list makes it unique, its first words make it readable."""
    from tests.engine.trial import CASES

    name: Any = scenario.__name__  # type: ignore[attr-defined]
    return f"{CASES.index(scenario):03d}-{'-'.join(name.split('_')[:6])}"
