"""The functions this process knows, indexed by what triggers them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine import expressions
from engine.functions import Function, Trigger


class Registry:
    """An index over registered functions; replaced as a whole when a registration changes."""

    def __init__(
        self, functions: Iterable[Function] = (), paused: Mapping[uuid.UUID, str] | None = None
    ) -> None:
        self.by_id: dict[uuid.UUID, Function] = {}
        self.by_slug: dict[str, Function] = {}
        # what the live runs of a paused function do: hold, continue or cancel
        self.paused: dict[uuid.UUID, str] = dict(paused or {})
        self._by_event: dict[str, list[tuple[Function, Trigger]]] = {}
        self._wildcards: list[tuple[str, Function, Trigger]] = []
        for function in functions:
            self.by_id[function.id] = function
            self.by_slug[function.slug] = function
            for trigger in function.triggers:
                if trigger.event is None:
                    continue
                if trigger.event.endswith("*"):
                    self._wildcards.append((trigger.event[:-1], function, trigger))
                else:
                    self._by_event.setdefault(trigger.event, []).append((function, trigger))

    def find(self, function_id: str) -> Function | None:
        """The function of an id in text form."""
        return self.by_id.get(uuid.UUID(function_id))

    def listens(self, name: str) -> bool:
        """Whether any function is triggered by events of this name."""
        return name in self._by_event or any(name.startswith(prefix) for prefix, _, _ in self._wildcards)

    def triggered(self, name: str, event: Any) -> list[Function]:
        """The functions that this event starts, each once."""
        candidates: Sequence[tuple[Function, Trigger]] = self._by_event.get(name, ())
        if self._wildcards:
            matching = [(f, t) for prefix, f, t in self._wildcards if name.startswith(prefix)]
            candidates = [*candidates, *matching]
        found: dict[uuid.UUID, Function] = {}
        for function, trigger in candidates:
            if function.id in found:
                continue
            if expressions.matches(trigger.expression, event):
                found[function.id] = function
        return list(found.values())
