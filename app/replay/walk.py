"""A page of a list walk that cannot be believed: repeats, short and empty pages, lost rows, wrong links."""

from __future__ import annotations

from random import Random

from app.replay.answers import Answer, Query, Window, package
from app.replay.faults import ListLies, dice, effective_size
from app.replay.world import World


def lossy_page(world: World, query: Query, lies: ListLies, random: Random, name: str) -> Answer | None:
    """The page that a misbehaving list API answers, or None when it never answers.

    Where a walk's empty page comes depends on the window and page size only, what is lost or repeated also on
    `random`: another walk with another page size finds other rows, as the real API does.
    """
    window = Window.read(query)
    size = effective_size(window.size)
    if size is None:
        return None
    places = world.between(window.first_day, window.last_day)
    pages = -(-len(places) // size)
    number = window.page
    of_walk = dice(f"{name}:{window.first_day}:{window.last_day}:{size}")
    if pages > 1 and of_walk.random() < lies.empty_page:
        empty = of_walk.randint(2, pages)
        if number == empty:
            return package(world, window, [], more=random.random() >= lies.next_missing)
        number -= number > empty
    step = window.size if lies.by_request else size
    start = (number - 1) * step
    if lies.jitter and start:
        start = max(0, start + random.randint(-lies.jitter, lies.jitter))
    page = _with_lies(world, places[max(0, start - size) : start], places[start : start + size], lies, random)
    more = start + step < len(places)
    more = random.random() >= lies.next_missing if more else random.random() < lies.next_endless
    return package(world, window, page, more=more)


def _with_lies(world: World, before: list[int], page: list[int], lies: ListLies, random: Random) -> list[int]:
    told = []
    for place in page:
        lost = random.random() < lies.lost
        if lost and (not lies.open_only or world.is_open(place)):
            if before and random.random() < lies.repeated:
                told.append(random.choice(before))
            continue
        told.append(place)
    return told
