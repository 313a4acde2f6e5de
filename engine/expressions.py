"""CEL expressions over `event` and `async`: checked when a function registers, evaluated on events."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cel
import orjson

_VARIABLES = frozenset({"event", "async"})
# The parser recurses; what nobody writes by hand is refused before it can exhaust the stack.
_MAX_LENGTH = 8192
_MAX_NESTING = 50


class BadExpressionError(ValueError):
    """An expression that does not compile, or names something other than `event` and `async`."""


@lru_cache(maxsize=4096)
def _compiled(source: str) -> cel.Program:
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
    program = _compiled(source)
    macros = _bound(source)
    unknown = [name for name in program.variables() if name not in _VARIABLES and name not in macros]
    if unknown:
        raise BadExpressionError(f"{source!r} names {', '.join(unknown)}; only event and async are known")
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
    """The expression's value, or None where the data lacks what it names."""
    try:
        return _compiled(source).execute(dict(variables))
    except BadExpressionError:
        raise
    except (KeyError, RuntimeError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return None


def matches(source: str | None, event: Any, other: Any = None) -> bool:
    """Whether the expression is true of `event` (and of `async`, the later event); none matches all."""
    if source is None:
        return True
    variables = {"event": event} if other is None else {"event": event, "async": other}
    return evaluate(source, variables) is True


def key(source: str | None, event: Any) -> str:
    """The expression's value as the text of a key; equal values give equal keys."""
    if source is None:
        return ""
    value = evaluate(source, {"event": event})
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def number(source: str, event: Any) -> int:
    """The expression's value as a whole number; anything else counts as 0."""
    value = evaluate(source, {"event": event})
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124
        return 0
    return int(max(min(value, 1e9), -1e9))
