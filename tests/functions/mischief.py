"""What happens at the source while a run is under way: between two requests, each kind more than once.

The stand-in's own moods spoil answers; this changes what there is to answer, where it hurts a reader most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from random import Random
from typing import Any

from app.replay.stand_in import Request
from ocds.ids import number_of
from tests.functions.conftest import World

KINDS = (
    "page shift",
    "amended",
    "published late",
    "re-dated",
    "vanished",
    "restored",
    "cancelled",
    "awarded",
)
_EVERY = 5
_MOST = 4


class Mischief:
    """While it is active, about every fifth request finds something changed, until each kind has happened four times.

    `done` counts what happened. Nothing happens to the tenders that are `spared`.
    """

    def __init__(self, world: World, seed: int, *, spared: Collection[int]) -> None:
        self._spared = spared
        self.done: Counter[str] = Counter()
        self.active = True
        self._stand_in = world.stand_in
        self._dice = Random(seed)
        self._gone: list[int] = []
        judge = self._stand_in._judge

        def judged(request: Request) -> Any:
            if self.active and (self._dice.randrange(_EVERY) == 0 or self._shift_is_due(request)):
                self._happen(request)
            return judge(request)

        self._stand_in._judge = judged  # type: ignore[method-assign]

    def _happen(self, request: Request) -> None:
        """One change, of the kinds that fit this request the rarest so far."""
        can: dict[str, Callable[[], bool]] = {
            "amended": lambda: self._change("amend", self._asked(request)),
            "published late": self._publish_late,
            "re-dated": lambda: self._change("redate", None),
            "vanished": self._vanish,
            "restored": self._restore,
            "cancelled": lambda: self._change("cancel", None),
            "awarded": lambda: self._change("award", None),
        }
        if _is_later_page(request):
            can["page shift"] = self._shift
        for kind in sorted(can, key=lambda kind: (self.done[kind], self._dice.random())):
            if self.done[kind] < _MOST and can[kind]():
                self.done[kind] += 1
                return

    def _shift_is_due(self, request: Request) -> bool:
        return _is_later_page(request) and not self.done["page shift"]

    def _asked(self, request: Request) -> int | None:
        """The tender that is being asked for: it is amended the moment before it is answered."""
        return number_of(request.path.rpartition("/")[2]) if request.endpoint == "release" else None

    def _shown(self) -> list[int]:
        world = self._stand_in.world
        numbers = [world.numbers[place] for place in world.bucket(1)]
        return [number for number in numbers if number not in self._spared]

    def _change(self, kind: str, number: int | None) -> bool:
        shown = self._shown()
        if number not in shown:
            if len(shown) < 10:
                return False
            number = self._dice.choice(shown)
        self._stand_in.world.change(number, kind)
        return True

    def _publish_late(self) -> bool:
        waiting = self._stand_in.world.waiting()
        return bool(waiting) and self._stand_in.world.publish([self._dice.choice(waiting)]) == 1

    def _shift(self) -> bool:
        """The first row of a later page moves to the page just read, or the other way about."""
        return (self._dice.random() < 0.5 and self._publish_late()) or self._change("redate", None)

    def _vanish(self) -> bool:
        shown = self._shown()
        if len(shown) < 10:
            return False
        number = self._dice.choice(shown)
        self._gone.append(number)
        self._stand_in.world.change(number, "vanish")
        return True

    def _restore(self) -> bool:
        if not self._gone:
            return False
        number = self._gone.pop(self._dice.randrange(len(self._gone)))
        self._stand_in.world.change(number, "restore")
        return True


def _is_later_page(request: Request) -> bool:
    return request.endpoint == "list" and int(request.query.get("pagenumber", "1")) > 1
