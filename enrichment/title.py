"""A title that a person can scan: the description's subject in readable case, at most 80 characters."""

import re
from functools import cache, lru_cache

from enrichment.data import read_data

LONGEST = 80
_SHORTEST = 12
_SPACE = re.compile(r"\s+")
_EDGES = " \t-–—:;,.|/\\*•\"'“”‘’_#"
_NUMBER_WORD = r"(?:bid|tender|rfq|rfp|rfb|rft|rfi|eoi|contract|quotation|ref(?:erence)?|proposal|project|notice|scm|quote)"
_LABELLED_NUMBER = re.compile(
    rf"^(?:re:\s*)?{_NUMBER_WORD}(?:\s+{_NUMBER_WORD})?\s*(?:no|nr|num|number|ref|#)?\s*[.:#]?\s*"
    r"(?=[\w/()\[\].&-]*\d)[\w/()\[\].&-]+(?:\s*[/-]\s*[\w()]*\d[\w/()-]*)*\s*(?:[:;,.–—-]+\s*|\s+(?=[A-Z(]))",
    re.IGNORECASE,
)
_LEADING_CODE = re.compile(
    r"^(?=[\w/().-]*\d)(?=[\w/().-]*[A-Z/])[A-Z0-9][\w/().&-]{3,}(?:\s*[/-]\s*\d[\w/-]*)*\s*[:;–—-]+\s+"
)
_BOILERPLATE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:the\s+)?(?:above\s+)?(?:bids?|tenders?|quotations?|proposals?|offers?|prospective\s+\w+|suitabl[ey]\b.*?\b\w+ers?)\s+"
        r"(?:are|is)\s+(?:hereby\s+)?(?:invited|requested|called)\s+(?:from\s+[^:,.]{3,120}?\s+)?(?:for|to\s+(?:submit|tender|bid|quote)\s+(?:\w+\s+)?for)\s+(?:the\s+)?",
        r"^(?:an?\s+)?(?:open\s+)?(?:invitation|request|call)\s+(?:to|for)\s+(?:the\s+)?(?:an?\s+)?(?:open\s+)?(?:formal\s+)?"
        r"(?:bids?|tenders?|quot(?:e|ations?|es)|proposals?|expressions?\s+of\s+interests?|information|bidders|submit\s+\w+)"
        r"\s*(?:\(\s*\w{2,4}\s*\))?\s*(?:no\.?\s*\S*\d\S*)?\s*(?:[:;–—-]+\s*|\b(?:for|to|on|from)\b\s+(?:the\s+)?)",
        r"^(?:RFQ|RFP|RFB|RFT|RFI|EOI)\s*(?:[:;–—-]+\s*|\bfor\b\s+(?:the\s+)?)",
        r"^(?:the\s+)?(?:re-?\s?advert\w*|re-?issue\w*|re-?tender|cancel\w+\s+and\s+re\S*)\s*[:;–—-]+\s*",
        r"^(?:bid|tender|project|contract|quotation)?\s*(?:description|title|name|scope)\s*(?:of\s+(?:the\s+)?(?:bid|tender|services?|works?|project))?\s*[:;–—-]+\s*",
        r"^(?:the\s+)?(?:appointment|appoint|procurement|engagement|sourcing)\s+of\s+(?:an?\s+|the\s+|one\s+|\w+\s+\(\d+\)\s+)?"
        r"(?:(?:suitabl[ey]|suitably|qualified|experienced|accredited|professional|competent|reputable|capable|registered|and|or|,|&|&amp;|independent|external|potential|specialised|approved|certified|preferred|/|service)\s*)*"
        r"(?:service\s+provider|contractor|bidder|consultant|supplier|company|firm|vendor|organi[sz]ation|entity|panel\s+of\s+(?:service\s+)?\w+)"
        r"(?:\s*\(?s\)?)?(?:/\s*\w+(?:\(?s\)?)?)?\s+(?:for|to)\s+(?:the\s+|conduct\s+the\s+|(?:provide|render|supply|undertake|carry\s+out|do|perform)\s+(?:for\s+)?(?:the\s+)?)?",
        r"^(?:provision|rendering)\s+(?:of|for)\s+(?:the\s+)?(?=(?:supply|provision|rendering)\b)",
        r"^(?:the\s+)(?=\w)",
    )
)
_TAIL = re.compile(
    r"(?:[\s,;:–—-]+(?:(?:for|over|within)\s+(?:a\s+|the\s+)?(?:contract\s+)?(?:period|term|duration)\b.*"
    r"|for\s+(?:the\s+)?(?:period\s+)?(?:of\s+)?(?:\w+[\s-]+)?\(?\d+\)?[\s-]*(?:months?|years?|days?|weeks?)\b.*"
    r"|on\s+an?\s+[\"']?as[\s-]and[\s-]when\b.*|as\s+and\s+when\b.*))$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\s/()\[\]\-–—,:;\"“”]+")
_SMALL = frozenset(
    "a an the and or of for to in on at by with from as per into over under via within between versus vs is are be "
    "that which than but nor if when where up out off its their this not due against through during until including upon".split()
)
_ROMAN = re.compile(r"(?:i{2,3}|iv|vi{0,3}|ix|xi{0,3})", re.IGNORECASE)
_DANGLING = frozenset(
    "a an the and or of for to in on at by with from as per into over under via within & including their its".split()
)
_HAS_LOWER = re.compile(r"[a-zà-ÿ]")


@lru_cache(maxsize=16384)
def display_title(description: str | None, number: str | None) -> str | None:
    """A readable title of at most 80 characters out of a tender's description; its number where there is no other.

    Leading tender numbers and phrases that every tender shares are dropped, capitals become sentence case in which
    acronyms and names stay, and a long text ends at a word with "…".
    """
    if not description:
        return _shorten(number, whole=True) if number else None
    text = _subject(_SPACE.sub(" ", description).strip(), number)
    if _shouts(text):
        text = _calm(text)
    text = text[:1].upper() + text[1:] if not _keeps_small_start(text) else text
    return _shorten(text)


def _subject(text: str, number: str | None) -> str:
    for _ in range(4):
        before = text
        text = _without_number(text, number)
        for pattern in _BOILERPLATE:
            shorter = pattern.sub("", text, count=1).strip(_EDGES)
            if len(shorter) >= _SHORTEST:
                text = shorter
        if text == before:
            break
    shorter = _TAIL.sub("", text).strip(_EDGES)
    if len(shorter) >= _SHORTEST:
        text = shorter
    return text.strip(_EDGES) or text


def _without_number(text: str, number: str | None) -> str:
    shorter = text
    if number and len(number) >= 3:
        words = re.escape(number).replace(r"\ ", r"\s*")
        shorter = re.sub(
            rf"^[\W_]*(?:{_NUMBER_WORD}\s*(?:no|number|nr)?\.?\s*[:#]?\s*)?{words}[\s:;,.|–—-]*",
            "",
            text,
            flags=re.I,
        )
    for pattern in (_LABELLED_NUMBER, _LEADING_CODE):
        shorter = pattern.sub("", shorter, count=1)
    shorter = shorter.strip(_EDGES)
    return shorter if len(shorter) >= _SHORTEST else text.strip(_EDGES)


def _shouts(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and sum(map(str.isupper, letters)) / len(letters) > 0.6


def _calm(text: str) -> str:
    """Sentence case: acronyms and codes keep their capitals, names of places and organs get their initial."""
    names = _names()
    parts: list[str] = []
    end = 0
    words = list(_WORD.finditer(text))
    for match in words:
        parts.append(text[end : match.start()])
        parts.append(_calm_word(match[0], names))
        end = match.end()
    parts.append(text[end:])
    return "".join(parts)


def _calm_word(word: str, names: dict[str, str]) -> str:
    core = word.strip(".'’!?&*")
    known = names.get(core.lower())
    if known is None and core.lower().endswith(("'s", "’s")):
        stem = names.get(core[:-2].lower())
        known = stem + core[-2:].lower() if stem else None
    if known is None and core[-1:] in "sS" and len(core) > 3 and core[-1] == "s" and core[:-1].isupper():
        known = core
    if known is not None:
        return word.replace(core, known) if core else word
    lowered = core.lower()
    if lowered in _SMALL:
        return word.lower()
    if any(character.isdigit() for character in core) or _ROMAN.fullmatch(core):
        return word
    if core.isupper() and _is_acronym(lowered):
        return word
    return word.lower()


def _is_acronym(word: str) -> bool:
    """No word of the language: no vowel, or a run of consonants that no English word has."""
    return 1 < len(word) <= 6 and word.isalpha() and not re.search(r"[aeiouy]", word)


def _keeps_small_start(text: str) -> bool:
    return len(text) > 1 and text[0].islower() and text[1].isupper()


def _shorten(text: str, *, whole: bool = False) -> str:
    if len(text) <= LONGEST:
        return text
    if whole:
        return text[: LONGEST - 1].rstrip() + "…"
    cut = text[: LONGEST - 1]
    if not text[LONGEST - 1].isspace():
        cut = cut.rpartition(" ")[0] or cut
    words = cut.rstrip(_EDGES + "(").split(" ")
    while len(words) > 3 and words[-1].lower().strip(_EDGES) in _DANGLING:
        words.pop()
    cut = " ".join(words).rstrip(_EDGES + "(")
    if cut.count("(") > cut.count(")") and cut.rindex("(") > LONGEST // 2:
        cut = cut[: cut.rindex("(")].rstrip(_EDGES)
    return f"{cut}…"


@cache
def _names() -> dict[str, str]:
    """Lower-case word → its spelling, of acronyms and proper names (``data/spellings.txt``)."""
    lines = read_data("spellings.txt").decode().splitlines()
    words = (word for line in lines if not line.startswith("#") for word in line.split())
    return {word.lower(): word for word in words}
