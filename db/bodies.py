"""A source's JSON on its way into `jsonb`, which cannot hold everything that JSON can.

NUL characters and lone surrogates are replaced by U+FFFD in the `jsonb` copy, and then (only then) the exact
JSON is kept beside it. `exact` gives back what the source said, whichever column holds it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg.types.json import Jsonb

_REPLACEMENT = "�"
# PostgreSQL's own limit lies above 6,000 levels; no record of the sources has more than ten.
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Body:
    """`text` is JSON that `jsonb` accepts; `exact` the source's JSON where that is not the same."""

    text: bytes
    exact: bytes | None

    @property
    def jsonb(self) -> Jsonb:
        """For a `jsonb` parameter or a COPY, without encoding it again."""
        return Jsonb(self.text, dumps=_as_is)


def encode(raw: object) -> Body:
    """Any value that `json.loads` can give."""
    try:
        text = orjson.dumps(raw)
    except TypeError:  # lone surrogates, integers over 64 bits, deep nesting
        exact = json.dumps(raw).encode()
        return Body(json.dumps(_clean(raw), ensure_ascii=False, allow_nan=False).encode(), exact)
    if b"\\u0000" in text:
        return Body(orjson.dumps(_clean(raw)), text)
    return Body(text, None)


def exact(body: Any, exact_json: bytes | None) -> Any:
    """What the source said, from the two columns that hold it."""
    return body if exact_json is None else json.loads(exact_json)


def clean(text: str) -> str:
    """Text that a `text` column accepts."""
    if "\x00" in text:
        text = text.replace("\x00", _REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        return _REPLACEMENT
    if isinstance(value, dict):
        return {clean(str(key)): _clean(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list):
        return [_clean(member, depth + 1) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _as_is(text: bytes) -> bytes:
    return text
