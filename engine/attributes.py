"""What an expression reads of its events. Pure.

CEL has an error where data is lacking; on Inngest it is null: `event.data.kind != 'test'` is true of an event without a
kind. So every `event.data.kind` in an expression becomes a variable of its own, which is bound to null then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TEXT = r"""\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
# `.name` (but for a method's), `['name']` or `[0]`
_PART = r"""\s*\.\s*[A-Za-z_]\w*(?!\w|\s*\()|\s*\[\s*(?:\d+|'[^'\\]*'|"[^"\\]*")\s*\]"""
_PATH = rf"\b(?:event|async)\b(?:{_PART})*"
_TOKEN = re.compile(
    rf"(?P<text>{_TEXT})|\bhas\s*\(\s*(?P<asked>{_PATH})\s*\)|(?<![\w.])(?P<path>{_PATH})", re.DOTALL
)
_KEY = re.compile(r"""(?P<name>[A-Za-z_]\w*)|(?P<index>\d+)|'(?P<one>[^']*)'|"(?P<two>[^"]*)\"""")
_EQUALS = re.compile(r"\s*[=!]=\s*")
_LACKING = object()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One place in an expression where data is read, or (`has`) asked for."""

    path: tuple[str | int, ...]
    has: bool = False
    # it is compared with the attribute before it: two that lack are not equal
    compared: bool = False

    def read(self, variables: Mapping[str, Any]) -> Any:
        found: Any = variables
        for key in self.path:
            if isinstance(found, Mapping):
                found = found.get(key, _LACKING)
            elif isinstance(found, list) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                return _LACKING
        return found


def separate(source: str) -> tuple[str, list[Attribute]]:
    """The expression with its attributes replaced by `a0`, `a1`, …, and those attributes."""
    found: list[Attribute] = []
    last_end = -1

    def name(match: re.Match[str]) -> str:
        nonlocal last_end
        if match["text"] is not None:
            return match[0]
        compared = last_end >= 0 and _EQUALS.fullmatch(source, last_end, match.start()) is not None
        last_end = match.end() if match["path"] is not None else -1
        path = tuple(map(_key, _KEY.finditer(match["path"] or match["asked"])))
        found.append(Attribute(path, has=match["path"] is None, compared=compared))
        return f"a{len(found) - 1}"

    return _TOKEN.sub(name, source), found


def _key(part: re.Match[str]) -> str | int:
    if part["index"] is not None:
        return int(part["index"])
    return next(text for text in (part["name"], part["one"], part["two"]) if text is not None)


def bind(attributes: list[Attribute], variables: Mapping[str, Any]) -> dict[str, Any]:
    """What `a0`, `a1`, … are for these events."""
    bound: dict[str, Any] = {}
    before: Any = None
    for number, attribute in enumerate(attributes):
        value = attribute.read(variables)
        if attribute.has:
            bound[f"a{number}"] = value is not _LACKING
        elif value is not _LACKING:
            bound[f"a{number}"] = value
        else:
            bound[f"a{number}"] = "" if attribute.compared and before is _LACKING else None
        before = value
    return bound
