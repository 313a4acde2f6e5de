"""A title that a person can scan: the description's subject in readable case, at most 80 characters."""

import re
from functools import lru_cache

from enrichment.boilerplate import EDGES, subject_of
from enrichment.data import word_list
from enrichment.spelling import calm

LONGEST = 80
_SENTENCE_END = re.compile(r"[.;](?:(?<=[^\W_]{3}[.;])|(?<=[^\W_]{3}\)[.;]))\s+(?=[A-Z])")
_SHORTEST_SENTENCE = 25
_BLANK_BEFORE = re.compile(r"(?<=\w) (?=,|: )")
_BLANK_MISPLACED = re.compile(r"(?<=\w) :(?=\w)")
_READ, _CALMED = 500, 140  # characters: what lies behind them cannot come into a title


@lru_cache(maxsize=16384)
def display_title(description: str | None, number: str | None) -> str | None:
    """A readable title of at most 80 characters out of a tender's description; its number where there is no
    other.

    Leading tender numbers and phrases that every tender shares are dropped, capitals become sentence case in
    which acronyms and names stay. A text that is too long ends with its first sentence, or at a word and "…".
    """
    number = " ".join(number.split()) if number else None
    text = " ".join(description.split()) if description else ""
    if " ," in text or " :" in text:
        text = _BLANK_MISPLACED.sub(": ", _BLANK_BEFORE.sub("", text))
    if not text.strip(EDGES):
        return _cut(number) if number else text or None
    text = subject_of(text[:_READ], number)
    if len(text) > LONGEST:
        sentence = _SENTENCE_END.split(text, maxsplit=1)[0]
        if len(sentence) >= _SHORTEST_SENTENCE:
            text = sentence
    text = calm(text[:_CALMED])
    text = text.strip(EDGES) or text
    first = text.partition(" ")[0]
    if not any(character.isupper() for character in first):
        text = text[:1].upper() + text[1:]
    return _cut(text)


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    cut = text[: LONGEST - 1]
    if not text[LONGEST - 1].isspace():
        cut = cut.rpartition(" ")[0] or cut
    words = cut.rstrip(EDGES + "(&").split(" ")
    while len(words) > 3 and words[-1].lower().strip(EDGES) in word_list("dangling"):
        words.pop()
    cut = " ".join(words).rstrip(EDGES + "(&")
    if cut.count("(") > cut.count(")") and cut.rindex("(") > LONGEST // 2:
        cut = cut[: cut.rindex("(")].rstrip(EDGES)
    return f"{cut}…"
