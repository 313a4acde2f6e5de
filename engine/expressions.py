"""CEL expressions over `event` and `async`: checked when a function registers, evaluated on events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cel
import orjson

from engine import attributes
from engine.attributes import Attribute

_VARIABLES = frozenset({"event", "async"})
# What the library knows beside the operators; it compiles names that it does not know.
_FUNCTIONS = frozenset(
    {
        "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes", "type",
        "dyn", "timestamp", "duration", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek",
        "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
    }
)  # fmt: skip
_FAULTS = (KeyError, RuntimeError, TypeError, ValueError, IndexError, OverflowError, AttributeError)
# The parser recurses; what nobody writes by hand is refused before it can exhaust the stack.
_MAX_LENGTH = 8192
_MAX_NESTING = 50


class BadExpressionError(ValueError):
    """An expression that does not compile, or names a variable or a function that is not known."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    program: cel.Program
    attributes: list[Attribute]


@lru_cache(maxsize=4096)
def _compiled(source: str) -> _Compiled:
    """The expression, ready to be executed with its attributes bound."""
    _compile(source)
    separated, found = attributes.separate(source)
    return _Compiled(_compile(separated), found)


def _compile(source: str) -> cel.Program:
    if len(source) > _MAX_LENGTH:
        raise BadExpressionError(f"the expression is longer than {_MAX_LENGTH} characters")
    depth = deepest = 0
    for character in source:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    if deepest > _MAX_NESTING or source.count("!") > 200 or source.count("-") > 500 or source.count("?") > 50:
        raise BadExpressionError("the expression is nested too deeply")
    try:
        return cel.compile(source)
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise BadExpressionError(f"{source!r} is not a valid expression: {first}") from None


def check(source: object) -> str:
    """The expression, if it compiles and knows only its two variables; else `BadExpressionError`."""
    if not isinstance(source, str) or not source.strip():
        raise BadExpressionError(f"{source!r} is not an expression")
    program = _compile(source)
    macros = _bound(source)
    unknown = [name for name in program.variables() if name not in _VARIABLES and name not in macros]
    if unknown:
        raise BadExpressionError(f"{source!r} names {', '.join(unknown)}; only event and async are known")
    foreign = [name for name in program.functions() if name.isidentifier() and name not in _FUNCTIONS]
    if foreign:
        raise BadExpressionError(
            f"{source!r} calls {', '.join(foreign)}, which is not supported by this engine"
        )
    _compiled(source)
    return source


def _bound(source: str) -> set[str]:
    """Names that comprehension macros bind: `x` in `event.data.list.exists(x, x > 1)`."""
    names: set[str] = set()
    for macro in (".all(", ".exists(", ".exists_one(", ".map(", ".filter("):
        at = source.find(macro)
        while at >= 0:
            names.add(source[at + len(macro) :].partition(",")[0].strip())
            at = source.find(macro, at + 1)
    return names


def evaluate(source: str, variables: Mapping[str, Any]) -> Any:
    """The expression's value, or None where it has none for this data."""
    compiled = _compiled(source)
    try:
        return compiled.program.execute(attributes.bind(compiled.attributes, variables))
    except _FAULTS:
        return None


def matches(source: str | None, event: Any, other: Any = None) -> bool:
    """Whether the expression is true of `event` (and of `async`, the later event); none matches all."""
    if source is None:
        return True
    variables = {"event": event} if other is None else {"event": event, "async": other}
    return evaluate(source, variables) is True


def key(source: str | None, event: Any) -> str:
    """The expression's value as the text of a key; equal values give equal keys.

    As on Inngest a key may be put together from what is no text: `event.data.org + '-' + event.data.number`.
    """
    if source is None:
        return ""
    value = _key_value(source, event)
    return value if isinstance(value, str) else _text(value, nothing="null")


def own_key(source: str | None, event: Any) -> str | None:
    """As `key`, but None where the value is null or false: as on Inngest such an event is one of its own."""
    if source is None:
        return ""
    value = _key_value(source, event)
    return None if value is None or value is False else _text(value)


def _key_value(source: str, event: Any) -> Any:
    compiled = _compiled(source)
    bound = attributes.bind(compiled.attributes, {"event": event})
    try:
        return compiled.program.execute(bound)
    except _FAULTS:
        texts = {name: _text(each) for name, each in bound.items()}
    try:
        return compiled.program.execute(texts)
    except _FAULTS:
        return None


def _text(value: Any, *, nothing: str = "") -> str:
    if value is None:
        return nothing
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def number(source: str, event: Any) -> int:
    """The expression's value as a whole number; anything else counts as 0."""
    value = evaluate(source, {"event": event})
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124
        return 0
    return int(max(min(value, 1e9), -1e9))
