"""What differs between two JSON documents, as paths with their values before and after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MOST = 200


def changes(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """Path, value before, value after (None: there was none); at most 200 of them."""
    found = []
    for change in _walk("", before, after):
        found.append(change)
        if len(found) == MOST:
            break
    return found


def _walk(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _walk(f"{path}.{key}" if path else key, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else None
            new = after[index] if index < len(after) else None
            yield from _walk(f"{path}[{index}]", old, new)
    else:
        yield path, before, after
