"""Words of English, to tell them from names and acronyms in texts that were typed in capitals."""

import gzip
import re
from functools import cache

from enrichment.data import read_data, word_list

_ENDING = re.compile(
    r"[a-z]{3,}(?:ings?|[ts]ions?|ments?|[ae]nces?|ers?|ors?|ed|ly|it(?:y|ies)|ies|als?|ous|[ai]ble|ness|ists?|isms?"
    r"|ages?|ures?|ical|[eo]tric|genic|odic|ives?|ate[sd]?|i[sz]e[sd]?|ology|ics|ware|less|ship|ides?|ites?|ylene)"
)
_BEGINNING = re.compile(
    r"(?:re|un|pre|non|multi|sub|over|inter|under|anti|micro|mini|semi|auto|geo|bio|electro|hydro|photo|tele|super"
    r"|ultra|out|off|fore|de|dis|mis|eco|agri|agro|aqua|infra|intra|trans|poly|thermo|radio|cyber)(?P<word>[a-z]{3,})"
)
_SHORTEST_PART = 3
_SHORTEST_DERIVED = 6
_SHORTEST_COMPOUND = 8
_SHORTEST_NAME = 4


def is_listed(lowered: str) -> bool:
    """Whether the dictionary or the list of ordinary words has it."""
    return lowered in _dictionary()[0] or lowered in word_list("ordinary")


def is_derived(lowered: str) -> bool:
    """Whether it is made of two listed words, or has an ending or a beginning that names rarely have; so the
    usual misspellings ("maintanance") are words too.
    """
    words = _dictionary()[0]
    if len(lowered) < _SHORTEST_DERIVED:
        return False
    if lowered.removesuffix("s") in words or _ENDING.fullmatch(lowered):
        return True
    beginning = _BEGINNING.fullmatch(lowered)
    if beginning and beginning["word"].removesuffix("s") in words:
        return True
    return len(lowered) >= _SHORTEST_COMPOUND and any(
        lowered[:at] in words and lowered[at:].removesuffix("s") in words
        for at in range(_SHORTEST_PART, len(lowered) - _SHORTEST_PART + 1)
    )


def is_name(lowered: str) -> bool:
    """Whether the dictionary has it only with a capital: "london", "edward"."""
    words, names = _dictionary()
    return len(lowered) >= _SHORTEST_NAME and lowered not in words and lowered.capitalize() in names


@cache
def _dictionary() -> tuple[frozenset[str], frozenset[str]]:
    """The listed words, and the listed names, which stand behind an empty line."""
    words, _, names = gzip.decompress(read_data("english.txt.gz")).decode().partition("\n\n")
    return frozenset(words.split()), frozenset(names.split())
