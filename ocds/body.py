"""Bodies as the sources send them: JSON under any content type, now and then not quite JSON.

What ``decode`` gives can always be stored as ``jsonb``: NaN, infinities and numbers beyond a double are
None, lone surrogates and NUL characters are U+FFFD. Of equal keys in one object the last counts. A byte
order mark is skipped.
"""

import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

_STEP = 1 << 16
_GZIP_OR_ZLIB = 47  # zlib's window bits for "find out from the header"
_LONG_INTEGER = re.compile(rb"[0-9]{19}")  # may not fit 64 bits, where the fast parser would round it
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
_DEEPEST = 200


class BadBodyError(ValueError):
    """A body that is not the JSON expected; the message says what it is."""


def decode(body: bytes) -> Any:
    """The value of a JSON text; BadBodyError where it is none."""
    if not _LONG_INTEGER.search(body):
        try:
            value = orjson.loads(body)
        except ValueError:
            pass
        else:
            return storable(value) if b"\\u0000" in body else value
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        return storable(json.loads(text, strict=False, parse_constant=_nothing))
    except (ValueError, RecursionError) as error:
        raise BadBodyError(describe(body)) from error


def storable(value: Any, depth: int = 0) -> Any:
    """A JSON value without what ``jsonb`` refuses; what lies over 200 levels deep is None."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {storable(name): storable(member, depth + 1) for name, member in value.items()}
    if isinstance(value, list):
        return [storable(member, depth + 1) for member in value]
    return value


def describe(body: bytes) -> str:
    """What came instead of the JSON expected, in a few words."""
    start = body[:400].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return "an empty body"
    shown = "".join(c if c.isprintable() else " " for c in start[:80].decode("utf-8", "replace")).strip()
    if start[:1] == b"<":
        return f"an HTML or XML page ({shown!r})"
    if start[:1] in b"{[":
        return f"broken or truncated JSON of {len(body)} bytes ({shown!r})"
    return f"text that is not JSON ({shown!r})"


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of gzip or zlib data in pieces of bounded size, however strongly it was compressed."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    begun = False
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if inflater.eof:
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
                begun = True
                piece = inflater.decompress(data, _STEP)
                data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                if piece:
                    yield piece
        while not inflater.eof and (piece := inflater.decompress(b"", _STEP)):
            yield piece
    except zlib.error as error:
        raise BadBodyError(f"a broken compressed body ({error})") from error
    if begun and not inflater.eof:
        raise BadBodyError("a truncated compressed body")


def _nothing(_: str) -> None:
    return None
