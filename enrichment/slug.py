"""The last part of a tender's address: words to read, a number to be unique."""

import re
import unicodedata

_LONGEST = 70
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def slug_of(title: str | None, number: int) -> str:
    """``supply-of-frozen-chicken-38290``: the title's first words in ASCII, then the tender's number."""
    ascii_title = unicodedata.normalize("NFKD", title or "").encode("ascii", "ignore").decode().lower()
    words = _NOT_WORD.sub("-", ascii_title).strip("-")
    if len(words) > _LONGEST:
        words = words[: _LONGEST + 1].rpartition("-")[0] or words[:_LONGEST]
    return f"{words or 'tender'}-{number}"
