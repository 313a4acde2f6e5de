"""Readable case for texts that were typed in capitals."""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from enrichment.data import read_data
from enrichment.gazetteer import COMMON_WORDS, gazetteer

_WORD = re.compile(r"[^\s/()\[\]–—,:;\"“”+=]+")
_SMALL = frozenset(
    """a an the and or of for to in on at by with from as per into over under via within between versus vs is are be
    that which than but nor if when where up out off its their this not due against through during until including
    upon""".split()  # noqa: SIM905 - a list of fifty quoted words reads worse
)
_ROMAN = re.compile(r"(?:i{2,3}|iv|vi{0,3}|ix|xi{1,3})", re.IGNORECASE)
_NAME_ENDING = re.compile(
    r"[a-z]{3,}(?:fontein|burg|spruit|bosch|kraal|dorp|drift|hoek|vlei|berg|poort|kloof|krans|stad|ville|rivier|baai"
    r"|bult|pan|skraal|sburg|laagte|nek|draai|plaas|heuwel)"
)
_NAME_BEGINNING = re.compile(
    r"(?:um[^bp][a-z]|mm|mb|mp[^e]|mk|mt|mz|mh|mv|ms|nk|ng|nd|nt|nz|nq|nx|nh|ny|nc|hl|dl|tl|tsh|ts|kg|kh|gq|gc|xh|xo|zw|lw|qw"
    r"|kwa[^s]|kwan|sik|siy|thab|thul|tham|maph|mats|mash|makh|mokg|mosh|vhe|isip|intsi|inkos|ithu|emal|ekur|phut|phal|phola)[a-z]{3,}"
)
_ORDINARY = frozenset(
    """pan japan plan span lifespan tsunami mm mp ms ng ny khaki khakis ghost rhythm pharmacy mhz ngo dlamini
    tsetse lifeplan workplan whereupon coupon nyala iceberg""".split()  # noqa: SIM905
)
_HEADS = (
    r"(?:local municipality|district municipality|municipality|municipal|power station|substation|sub-station|primary school|"
    r"secondary school|high school|combined school|intermediate school|hospital|clinic|village|township|dam|airport|"
    r"tvet college|police station|magistrate'?s?'? court|magistrate|prison|correctional centre|nature reserve)"
)
_BEFORE_HEAD = re.compile(rf"\b([a-z][a-z'’-]{{3,}})(?= {_HEADS}\b)")
_HEAD = re.compile(rf" {_HEADS}\b")
_NO_NAME = frozenset(
    """local district metropolitan primary secondary high rural rural-based new the and with from into regional provincial
    public private community central power main training special medical local-based various different other
    existing proposed correctional nature national old academic general tertiary veterinary animal psychiatric
    maternity mobile solar wind coal fired coal-fired nuclear gas hydro thermal peaking generation transmission distribution
    traction municipal district-wide school schools this that each every following storage farm tailings earth
    international domestic international-standard state satellite temporary permanent emergency traditional small large
    informal formal model full service hospital clinic military periodic major minor underground indoor outdoor mini
    drinking water sewage waste electrical bulk main-line retirement tourism cultural youth women student students agri""".split()  # noqa: SIM905
)


class _Lexicon(NamedTuple):
    words: dict[str, str]
    phrases: dict[str, str]
    phrases_by_first_word: "dict[str, re.Pattern[str]]"


def is_shouted(text: str) -> bool:
    """Whether most letters are capitals."""
    letters = sum(map(str.isalpha, text))
    return letters > 3 and sum(map(str.isupper, text)) / letters > 0.6


def calm(text: str) -> str:
    """The text in sentence case, its first letter left small: acronyms, codes and names keep or get their capitals."""
    lexicon = _lexicon()
    calmed = _WORD.sub(lambda found: _word(found[0]), text)
    if len(text) > 1 and text[-2] == " ":
        calmed = calmed[:-1] + text[-1]  # the A of "Phase A" is no article
    if _HEAD.search(calmed):
        calmed = _BEFORE_HEAD.sub(_named, calmed)
    for first in dict.fromkeys(calmed.lower().split()):
        pattern = lexicon.phrases_by_first_word.get(first)
        if pattern:
            calmed = pattern.sub(lambda found: lexicon.phrases[found[0].lower()], calmed)
    return calmed


def _named(match: re.Match[str]) -> str:
    word = match[1]
    return word if word in _NO_NAME or word in _SMALL else word[:1].upper() + word[1:]


@lru_cache(maxsize=32768)
def _word(word: str) -> str:
    core = word.strip(".'’!?&*•-_")
    return word.replace(core, _core(core, _lexicon().words), 1) if core else word


def _core(core: str, words: dict[str, str]) -> str:
    lowered = core.lower()
    known = words.get(lowered)
    if known is not None:
        return known
    for ending in ("'s", "’s"):
        if lowered.endswith(ending) and lowered[:-2] in words:
            return words[lowered[:-2]] + ending
    if lowered in _SMALL:
        return lowered
    if core.isupper() and lowered.endswith("s") and _is_acronym(words.get(lowered[:-1], "")):
        return words[lowered[:-1]] + "s"
    if "-" in core or "&" in core or "." in core:
        return "".join(
            part if part in "-&." else _core(part, words) for part in re.split(r"([-&.])", core) if part
        )
    if any(character.isdigit() for character in core) or _ROMAN.fullmatch(core):
        return core
    if core.isupper() and len(core) > 1 and not re.search(r"[aeiouy]", lowered):
        return core if len(core) <= 6 else lowered
    if (
        lowered not in _ORDINARY
        and len(lowered) > 4
        and (_NAME_BEGINNING.match(lowered) or _NAME_ENDING.fullmatch(lowered))
    ):
        return lowered[:1].upper() + lowered[1:]
    return lowered


def _is_acronym(spelling: str) -> bool:
    return len(spelling) > 1 and spelling.isupper()


@cache
def _lexicon() -> _Lexicon:
    """The spellings of ``data/spellings.txt`` with the names of towns, municipalities and districts."""
    words: dict[str, str] = {}
    phrases: dict[str, str] = {}
    for name in _place_names():
        if " " in name or "-" in name:
            phrases[name.lower()] = name
        elif name.lower() not in COMMON_WORDS:
            words[name.lower()] = name
    in_phrases = False
    for line in read_data("spellings.txt").decode().splitlines():
        if line.startswith("phrases:"):
            in_phrases = True
        elif in_phrases and line:
            phrases[line.lower()] = line
        elif not line.startswith("#"):
            for word in line.split():
                printed, _, spelling = word.partition(":")
                words[printed.lower()] = spelling or printed
    return _Lexicon(words, phrases, _by_first_word(phrases))


def _by_first_word(phrases: dict[str, str]) -> "dict[str, re.Pattern[str]]":
    """The phrases of each first word as one pattern, the longest first; a first word is what a blank ends."""
    groups: dict[str, list[str]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        groups.setdefault(phrase.split(" ")[0], []).append(re.escape(phrase))
    return {
        first: re.compile(rf"(?<!\w)(?:{'|'.join(group)})(?!\w)", re.IGNORECASE)
        for first, group in groups.items()
    }


def _place_names() -> set[str]:
    places = gazetteer()
    names = {town.name for towns in places.towns.values() for town in towns}
    names |= {name for entries in places.municipalities.values() for entry in entries for name in entry[:2]}
    single = {key for key in places.towns if " " not in key and len(key) > 4}
    spelled = {name.lower() for name in names}
    return names | {key.capitalize() for key in single - spelled}
