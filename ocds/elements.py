"""The elements of a large JSON array one by one, in memory that does not grow with the array.

Only the outline is followed here; each element is decoded by ``ocds.body.decode``, so an element means the
same whether it came in a stream or in a page, and one with NaN or a half surrogate does not cost the others.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ocds.body import BadBodyError, decode, describe

_LARGEST_ELEMENT = 32 << 20
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+[\[\]{}]", re.DOTALL)
_QUOTED = re.compile(_STRING, re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\[\]{}\"]+(?=[\s,\]}])")
_BLANK = re.compile(rb"[ \t\r\n]*")
_BOM = b"\xef\xbb\xbf"


def elements(chunks: Iterable[bytes], member: str | None = None) -> Iterator[Any]:
    """Yield the elements of the top-level array, or of the array under ``member`` of the top-level
    object.

    Raises BadBodyError where the JSON is something else, is broken, or ends before its last bracket: whoever
    gets to the end has got everything. A null under ``member`` counts as an empty array.
    """
    text = _Text(chunks)
    if member is None:
        text.expect(b"[", "an array")
        yield from text.array()
    else:
        text.expect(b"{", "an object")
        found = False
        while (following := text.peek()) != b"}":
            if following == b",":
                text.skip()
            name = decode(text.quoted())
            text.expect(b":", "a colon")
            if name == member and text.peek() == b"[" and not found:
                found = True
                text.skip()
                yield from text.array()
            else:
                found |= text.value() == b"null" and name == member
        text.skip()
        if not found:
            raise BadBodyError(f"an object without an array {json.dumps(member)}")
    text.end()


class _Text:
    """A window on the text: what is before ``_at`` is done with and dropped when more is needed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._data = b""
        self._at = 0
        self._dropped = 0
        while len(self._data) < len(_BOM) and self._more():
            pass
        self._at = len(_BOM) if self._data.startswith(_BOM) else 0

    def array(self) -> Iterator[Any]:
        """The elements from after the opening bracket to the closing one."""
        if self.peek() != b"]":
            yield decode(self.value())
            while self.peek() == b",":
                self.skip()
                yield decode(self.value())
        self.expect(b"]", "a comma or the end of the array")

    def value(self) -> bytes:
        """The text of the next value, whatever it is."""
        first = self.peek()
        if first in b"{[":
            return self._bracketed()
        if first in b",:}]":
            raise self._broken("a value")
        return self._match(_QUOTED if first == b'"' else _SCALAR)

    def quoted(self) -> bytes:
        """The text of the next string."""
        if self.peek() != b'"':
            raise self._broken("a name")
        return self._match(_QUOTED)

    def expect(self, byte: bytes, wanted: str) -> None:
        """Step over the next byte that is not blank, which must be this one."""
        if self.peek() != byte:
            raise self._broken(wanted)
        self.skip()

    def peek(self) -> bytes:
        """The next byte that is not blank."""
        while True:
            blank = _BLANK.match(self._data, self._at)
            if blank is not None:
                self._at = blank.end()
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._more():
                raise self._cut_short()

    def skip(self) -> None:
        """Step over the byte that ``peek`` showed."""
        self._at += 1

    def end(self) -> None:
        """Make sure that only blanks follow."""
        while self._data[self._at :].isspace() or self._at == len(self._data):
            self._at = len(self._data)
            if not self._more():
                return
        raise self._broken("the end")

    def _bracketed(self) -> bytes:
        depth = 0
        scanned = self._at
        while True:
            bracket = _TO_BRACKET.match(self._data, scanned)
            if bracket is None:
                behind = scanned - self._at
                if not self._more():
                    raise self._cut_short()
                scanned = self._at + behind
                continue
            scanned = bracket.end()
            depth += 1 if self._data[scanned - 1] in b"[{" else -1
            if depth == 0:
                found = self._data[self._at : scanned]
                self._at = scanned
                return found

    def _match(self, pattern: re.Pattern[bytes]) -> bytes:
        while True:
            match = pattern.match(self._data, self._at)
            if match is not None:
                self._at = match.end()
                return match[0]
            if not self._more():
                raise self._cut_short()

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        if len(self._data) - self._at > _LARGEST_ELEMENT:
            raise BadBodyError(f"JSON with one element of over {_LARGEST_ELEMENT >> 20} MB")
        self._dropped += self._at
        self._data = self._data[self._at :] + chunk
        self._at = 0
        return True

    def _cut_short(self) -> BadBodyError:
        whole = self._dropped + len(self._data)
        if not self._dropped and self._data[:1] not in (b"{", b"["):
            return BadBodyError(describe(self._data))
        return BadBodyError(f"JSON that breaks off after {whole} bytes")

    def _broken(self, wanted: str) -> BadBodyError:
        position = self._dropped + self._at
        if position == 0:
            given = {b"{": "a JSON object", b"[": "a JSON array"}.get(self._data[:1])
            return BadBodyError(f"{given}, not {wanted}" if given else describe(self._data))
        near = self._data[self._at : self._at + 20].decode("ascii", "replace")
        return BadBodyError(f"JSON with {near!r} at byte {position}, where {wanted} should be")
