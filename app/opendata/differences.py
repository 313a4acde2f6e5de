"""What differs between two contents of a tender, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MOST = 500


class Change(NamedTuple):
    """One field: its path, and its value before and after. None: there was none."""

    path: str
    before: Any
    after: Any


def changes(before: Any, after: Any, *, most: int = MOST) -> list[Change]:
    """The fields that differ, in the order of the older content; at most `most` of them.

    A path reads `tender.tenderPeriod.endDate`; a member of a list of objects that have ids is called by its id,
    `tender.documents[4c1d…].url`, so that a file put in front changes nothing but itself. What is only there on one
    side is one change, whole.
    """
    found: list[Change] = []
    for change in _walk("", before, after):
        if len(found) == most:
            break
        found.append(change)
    return found


def _walk(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in (*before, *(key for key in after if key not in before)):
            yield from _walk(f"{path}.{key}" if path else str(key), before.get(key), after.get(key))
    elif _is_list(before) and _is_list(after):
        old, new = _by_id(before), _by_id(after)
        if old is None or new is None:
            old, new = _by_place(before), _by_place(after)
        for key in (*old, *(key for key in new if key not in old)):
            yield from _walk(f"{path}[{key}]", old.get(key), new.get(key))
    # In Python, True is 1; in JSON they differ.
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Change(path, before, after)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _by_id(members: Sequence[Any]) -> dict[str, Any] | None:
    """The members by their ids; None when one has none or two share one."""
    if not all(isinstance(member, Mapping) and isinstance(member.get("id"), str | int) for member in members):
        return None
    by_id = {str(member["id"]): member for member in members}
    return by_id if len(by_id) == len(members) else None


def _by_place(members: Sequence[Any]) -> dict[str, Any]:
    return {str(place): member for place, member in enumerate(members)}
