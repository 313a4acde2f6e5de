"""Small charts as lists of rectangles, drawn by the templates as inline SVG: no script, no image, no colour alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WIDTH = 420
HEIGHT = 120
FLOOR = 96


@dataclass(frozen=True)
class Part:
    """One rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True)
class Column:
    """One day: its parts from the floor up, its label, and what it says in words."""

    parts: Sequence[Part]
    x: float
    label: str
    text: str


@dataclass(frozen=True)
class Chart:
    """Columns day by day, and the number that the highest of them stands for."""

    columns: Sequence[Column]
    highest: int


def days_before(today: date, count: int) -> list[date]:
    """The last `count` days, today last."""
    return [today - timedelta(days=back) for back in range(count - 1, -1, -1)]


def bar(counts: Mapping[str, int]) -> list[Part]:
    """One line over the whole width, divided in proportion; kinds without a count are left out."""
    total, parts, x = sum(counts.values()), [], 0.0
    for kind, count in counts.items():
        if count:
            width = max(1.0, count / total * WIDTH)
            parts.append(Part(round(min(x, WIDTH - 1), 1), 0, round(min(width, WIDTH - x), 1), 12, kind))
            x += width
    return parts


def columns(
    days: Sequence[date], stacks: Mapping[date, Mapping[str, int]], words: Mapping[str, str]
) -> Chart:
    """A stacked column a day. `words` names the kinds, in the order in which they are stacked."""
    most = max((sum(stacks.get(day, {}).values()) for day in days), default=0)
    highest = most or 1
    label = "%a %d" if len(days) <= 7 else "%d"
    slot = WIDTH / max(1, len(days))
    found = []
    for index, day in enumerate(days):
        stack, top, parts = stacks.get(day, {}), float(FLOOR), []
        for kind in words:
            count = stack.get(kind, 0)
            if count:
                height = max(2.0, count / highest * (FLOOR - 8))
                top -= height
                parts.append(
                    Part(
                        round(index * slot + 2, 1), round(top, 1), round(slot - 4, 1), round(height, 1), kind
                    )
                )
        said = ", ".join(f"{stack[kind]} {word}" for kind, word in words.items() if stack.get(kind))
        found.append(
            Column(parts, round(index * slot + slot / 2, 1), day.strftime(label), f"{day}: {said or 'none'}")
        )
    return Chart(found, most)
