"""What an expression reads of its events. Pure.

CEL has an error where data is lacking; on Inngest it is null, less than anything and of no size:
`event.data.kind != 'test'` is true of an event without a kind. So every `event.data.kind` in an expression becomes a
variable of its own, which is bound to what stands for nothing there.
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
_ORDER_BEFORE = re.compile(r"(?P<text>['\"])?\s*[<>]=?\s*\Z")
_ORDER_AFTER = re.compile(r"\s*[<>]=?\s*(?P<text>['\"])?")
_SIZE_BEFORE = re.compile(r"\bsize\s*\(\s*\Z")
_LACKING = object()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One place in an expression where data is read, or (`has`) asked for."""

    path: tuple[str | int, ...]
    has: bool = False
    # it is compared with the attribute before it: two that lack are not equal
    compared: bool = False
    # what stands for it where it is null, and where it is lacking
    null: Any = None
    lacking: Any = None

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
        null, lacking = _nothing(source, match.start(), match.end())
        found.append(Attribute(path, match["path"] is None, compared, null, lacking))
        return f"a{len(found) - 1}"

    return _TOKEN.sub(name, source), found


def _nothing(source: str, start: int, end: int) -> tuple[Any, Any]:
    """What null and a lack are at a place: in a comparison of numbers, one of texts, a size, or elsewhere."""
    near = max(start - 40, 0)
    order = _ORDER_AFTER.match(source, end) or _ORDER_BEFORE.search(source, near, start)
    if order is None:
        sized = _SIZE_BEFORE.search(source, near, start) is not None
        return ("", "") if sized else (None, None)
    return ("", "") if order["text"] is not None else (0, float("-inf"))


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
        elif value is None:
            bound[f"a{number}"] = attribute.null
        elif value is not _LACKING:
            bound[f"a{number}"] = value
        elif attribute.compared and before is _LACKING:
            bound[f"a{number}"] = ""
        else:
            bound[f"a{number}"] = attribute.lacking
        before = value
    return bound
