"""What a record says, as bytes: equal content gives an equal hash, however it was written down."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import orjson


def content_hash(raw: object) -> bytes:
    """SHA-256 (32 bytes) of the canonical JSON of anything that ``json.loads`` can give.

    The order of keys and the writing of numbers (``1``, ``1.0``, ``1e0``) do not matter, so a record read
    back from ``jsonb`` has the hash that it had when it came. NaN and infinities count as null.
    """
    return hashlib.sha256(canonical_json(raw)).digest()


def canonical_json(raw: object) -> bytes:
    """JSON with sorted keys, no blanks, whole floats as integers; lone surrogates become U+FFFD."""
    if not _has_float(raw):
        try:
            return orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            pass  # lone surrogates, integers over 64 bits, deep nesting: rare, and written by hand below
    return b"".join(_canonical_parts(raw))


def _has_float(raw: object) -> bool:
    stack: list[Any] = [raw]
    while stack:
        value = stack.pop()
        kind = type(value)
        if kind is dict:
            stack += value.values()
        elif kind is list:
            stack += value
        elif kind is float:
            return True
    return False


def _canonical_parts(raw: object) -> list[bytes]:
    """The same without a limit of depth, by a stack of values and of punctuation still to be written."""
    parts: list[bytes] = []
    stack: list[Any] = [raw]
    while stack:
        value = stack.pop()
        if isinstance(value, bytes):
            parts.append(value)
        elif isinstance(value, dict):
            stack.append(b"}")
            for position, name in enumerate(sorted(value, reverse=True), start=1):
                stack += (value[name], _text(name) + b":", b"," if position < len(value) else b"{")
            if not value:
                stack.append(b"{")
        elif isinstance(value, list):
            stack.append(b"]")
            for position, member in enumerate(reversed(value), start=1):
                stack += (member, b"," if position < len(value) else b"[")
            if not value:
                stack.append(b"[")
        else:
            parts.append(_scalar(value))
    return parts


def _text(value: object) -> bytes:
    return orjson.dumps(str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _scalar(value: object) -> bytes:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        if value.is_integer():
            return b"%d" % int(Decimal(repr(value)))  # 1e23 is meant, not the double next to it
        return orjson.dumps(value)
    return json.dumps(value).encode()
