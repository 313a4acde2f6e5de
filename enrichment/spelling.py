"""Readable case for texts that were typed in capitals."""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from enrichment.data import read_data, word_list
from enrichment.english import is_derived, is_listed, is_name
from enrichment.gazetteer import gazetteer
from enrichment.organ import organ_names
from enrichment.units import measure

_SHOUTED_SHARE = 0.6
_WORD = re.compile(r"[^\s/()\[\]–—,:;\"“”+=]+")
_SHOUTED_RUN = re.compile(r"(?<![\w.&/-])(?:[A-Z][A-Z'’&-]+(?:,?\s+|(?=[.:;,)]|$))){3,}")
_LONG_CAPITALS = re.compile(r"[A-Z]{6,}")
_PLURAL_IN_BRACKETS = re.compile(r"\((?<=[a-z]\()(?:S|ES)\)")
_SENTENCE_START = re.compile(r"\. (?:(?<=[a-z]{3}\. )|(?<=\)\. ))[a-z]")
_PLURAL_ACRONYM = re.compile(r"[A-Z]{2,6}s")
_EDGES = ".'’!?&*•-_"
_VOWEL = re.compile(r"[aeiouy]")
_ROMAN = re.compile(r"(?:i{2,3}|iv|vi{0,3}|ix|xi{1,3})", re.IGNORECASE)
_JOINTS = re.compile(r"([-&.])")
_LONGEST_ACRONYM = 6
_LONGEST_SURE_ACRONYM = 3
_SPEAKABLE = re.compile(
    r"(?![aeiou].{3}$)[bcdfghjklmnpqrstvwxz]{0,2}(?:[aeiouy]{1,2}[bcdfghjklmnpqrstvwxz]{1,2})*[aeiouy]{0,2}"
)
_SHOUTED_WORD = re.compile(r"(?<![\w.&/-])[A-Z]{6,}(?![\w&/-])")
_ODD_START = re.compile(
    r"(?!bl|br|ch|cl|cr|dr|dw|fl|fr|gh|gl|gn|gr|kn|kl|kr|ph|pl|pr|ps|rh|sc|sh|sk|sl|sm|sn|sp|sq|st|sw|th|tr|tw|wh|wr)"
    r"[bcdfghjklmnpqrstvwxz]{2}"
)
_AFRIKAANS_NAME = re.compile(
    r"[a-z]{3,}(?:fontein|burg|spruit|bosch|kraal|dorp|drift|hoek|vlei|berg|poort|kloof|krans|stad|ville|rivier|baai"
    r"|bult|pan|laagte|nek|draai|plaas|heuwel|kop|dal)"
)
_NGUNI_OR_SOTHO_NAME = re.compile(
    r"(?:um[^bp][a-z]|mm|mb|mp[^e]|mpe(?!g)|mk|mt|mz|mh|mv|ms|nk|ng|nd|nt|nz|nq|nx|nh|ny|nc|hl|dl|tl|tsh|ts|kg|kh|gq|gc|xh|xo"
    r"|zw|lw|qw|kwa[^s]|sik|siy|thab|thul|tham|maph|mats|mash|makh|mokg|mosh|vhe|isip|intsi|inkos|ithu|emal|ekur"
    r"|phut|phal)[a-z]{3,}"
)
_SMALL_INSIDE = re.compile(r"(?<= )(?:Of|In|The|On|And)(?= )")  # "Port of Ngqura"
_NAME_PREFIX = re.compile(r"(?:ga|ha|kwa)-[a-z][a-z'’-]{2,}")  # "Ga-Mphahlele"
_COUNTED = re.compile(r"\d+-(?P<word>[a-z]{2,4})(?:-\d+)?")  # "3-ply", "2-in-1"
_IN_BRACKETS = re.compile(r"\((?:[A-Z]?[a-z]{2,7})(?=s?\))")
_LETTERS = re.compile(r"[^\W\d_]+")
_AFRIKAANS_ARTICLE = re.compile(r"(?<!\w)['’]N(?= )")
_SMALL_PLURAL = re.compile(r"(?<=[a-z]{3}/)S\b")  # "provider/s"
_LANDMARK = (
    r"(?:local municipality|district municipality|municipality|power station|sub-?station|primary school|"
    r"secondary school|high school|combined school|intermediate school|hospital|clinic|village|township|dam|airport|"
    r"TVET college|police station|magistrate'?s?'? court|prison|correctional centre|nature reserve|"
    r"street|road|avenue|drive|station)"
)
_MAY_HAVE_LANDMARK = re.compile(
    r"municip|station|school|hospital|clinic|village|township| dam|airport|college|court|prison|centre|reserve|street"
    r"|road|avenue|drive"
)
_BEFORE_LANDMARK = re.compile(rf"\b([a-z][a-z'’-]{{3,}})(?= {_LANDMARK}\b)")
_NAMED_LANDMARK = re.compile(rf"(?<=[a-z])(?<!\bthe)( {_LANDMARK})\b")
_NAME_AT_END = re.compile(r"(?:^|[\s(/,])(?!No\b|The\b)[A-Za-z]?[a-z]*[A-Z][\w'’-]+$")


_NAME_OF_A_BODY = re.compile(  # and not "Water and Sanitation", which is mostly no department in a title
    r"(?=.*[a-z])(?=.* ).*\b"
    r"(?:Agency|Council|Authority|Commission|Board|Museum|University|Institute|Corporation|South Africa"
    r"|African|Regulator|Tribunal|Trust|Laboratory Service)"
)


class _Lexicon(NamedTuple):
    words: dict[str, str]
    phrases: dict[str, str]
    phrases_by_first_word: dict[str, list[str]]


def is_shouted(text: str) -> bool:
    """Whether most letters are capitals."""
    if text.isupper():
        return len(text) > 3
    letters = sum(map(str.isalpha, text))
    return letters > 3 and sum(map(str.isupper, text)) / letters > _SHOUTED_SHARE


def calm(text: str) -> str:
    """The text in sentence case, its first letter left small: acronyms, codes and names keep or get their
    capitals.

    Of a text that is not shouted as a whole, only runs of three and more words in capitals are calmed, and
    single long words of the language.
    """
    if is_shouted(text):
        return _calmed(text)
    if not _LONG_CAPITALS.search(text):
        return text
    return _SHOUTED_WORD.sub(_calmed_word, _SHOUTED_RUN.sub(_calmed_run, text))


def _calmed_word(match: re.Match[str]) -> str:
    lowered = match[0].lower()
    return lowered if is_listed(lowered) and _known(lowered) is None else match[0]


def _calmed_run(match: re.Match[str]) -> str:
    return _calmed(match[0]) if _LONG_CAPITALS.search(match[0]) else match[0]


def _calmed(text: str) -> str:
    calmed = _WORD.sub(_afrikaans_word_found if _is_afrikaans(text) else _word_found, text)
    if len(text) > 1 and text[-2] == " ":
        calmed = calmed[:-1] + text[-1]  # the A of "Phase A" is no article
    calmed = _SENTENCE_START.sub(lambda start: start[0].upper(), calmed)
    if "(" in calmed:
        calmed = _PLURAL_IN_BRACKETS.sub(lambda ending: ending[0].lower(), calmed)
        calmed = _IN_BRACKETS.sub(_with_initials, calmed)
    if "/S" in calmed:
        calmed = _SMALL_PLURAL.sub("s", calmed)
    if "N " in calmed:
        calmed = _AFRIKAANS_ARTICLE.sub(lambda article: article[0].lower(), calmed)
    lowered = calmed.lower()
    if len(lowered) == len(calmed):
        calmed = _with_phrases(calmed, lowered)
    if _MAY_HAVE_LANDMARK.search(lowered):
        calmed = _BEFORE_LANDMARK.sub(_named, calmed)
        calmed = _NAMED_LANDMARK.sub(_landmark, calmed)
    return calmed


def _with_initials(match: re.Match[str]) -> str:
    """The "NAMB" that stands behind "national artisan moderation body": the acronym of the words before it."""
    words = _LETTERS.findall(match.string[: match.start()].lower())
    initials = "".join(word[0] for word in words)
    of_large_words = "".join(word[0] for word in words if word not in word_list("small"))
    acronym = match[0].lower().lstrip("(")
    return match[0].upper() if initials.endswith(acronym) or of_large_words.endswith(acronym) else match[0]


def _with_phrases(text: str, lowered: str) -> str:
    """``text`` with the lexicon's phrases as they are written; ``lowered`` has the same letters at the same places.

    Phrases may overlap: "National Department of Tourism" is two.
    """
    lexicon = _lexicon()
    for word in _WORD.finditer(lowered):
        start = word.start()
        for phrase in lexicon.phrases_by_first_word.get(word[0].rstrip(_EDGES), ()):
            end = start + len(phrase)
            if lowered.startswith(phrase, start) and not lowered[end : end + 1].isalnum():
                text = text[:start] + lexicon.phrases[phrase] + text[end:]
                break
    return text


def _named(match: re.Match[str]) -> str:
    word = match[1]
    return word if word in word_list("not before a landmark") else word[:1].upper() + word[1:]


def _landmark(match: re.Match[str]) -> str:
    """The "Primary School" of "Nositha Primary School": capitals only behind a name."""
    named = _NAME_AT_END.search(match.string, 0, match.start())
    return match[1].title().replace("Tvet", "TVET").replace("'S", "'s") if named else match[1]


def _is_afrikaans(text: str) -> bool:
    return len(word_list("afrikaans").intersection(text.lower().split())) > 1


def _word_found(match: re.Match[str]) -> str:
    return _word(match[0])


def _afrikaans_word_found(match: re.Match[str]) -> str:
    """What no list has is a word of that language."""
    known = _known(match[0].strip(_EDGES).lower())
    return _word(match[0]) if known or not match[0].isalpha() else match[0].lower()


@lru_cache(maxsize=32768)
def _word(word: str) -> str:
    core = word.strip(_EDGES)
    return word.replace(core, _core(core), 1) if core else word


def _core(core: str) -> str:
    lowered = core.lower()
    known = _known(lowered)
    if known is not None:
        return known
    if any(map(str.isdigit, core)):
        counted = _COUNTED.fullmatch(lowered)
        if counted and is_listed(counted["word"]):
            return lowered
        return measure(core) or "-".join(map(_part, core.split("-")))
    if len(core) == 1 or _PLURAL_ACRONYM.fullmatch(core):
        return core
    if lowered.endswith(("'s", "’s")):
        return f"{_core(core[:-2])}{core[-2]}s"
    if _ROMAN.fullmatch(core):
        return core
    if _JOINTS.search(core):
        if _NAME_PREFIX.fullmatch(lowered):
            return core.title()
        return "".join(part if part in "-&." else _core(part) for part in _JOINTS.split(core) if part)
    return _by_its_look(core, lowered)


def _part(part: str) -> str:
    """A part of "3-PHASE"; "M401DN" and "GD" are parts of a model's name."""
    if not part.isalpha() or len(part) < 5:
        return part
    return part.lower() if is_listed(part.lower()) else _core(part)


def _by_its_look(core: str, lowered: str) -> str:
    """A word that the lexicon lacks: a word of the language, a name, or an acronym."""
    if is_listed(lowered) or not core.isascii():
        return lowered
    if is_name(lowered):
        return lowered.capitalize()
    short = core.isupper() and 1 < len(core) <= _LONGEST_ACRONYM
    if short and not _VOWEL.search(lowered):
        return core
    if len(lowered) > 4 and (_NGUNI_OR_SOTHO_NAME.match(lowered) or _AFRIKAANS_NAME.fullmatch(lowered)):
        return lowered.capitalize()
    if is_derived(lowered):
        return lowered
    if short and (
        len(core) <= _LONGEST_SURE_ACRONYM or not _SPEAKABLE.fullmatch(lowered) or _ODD_START.match(lowered)
    ):
        return core
    return lowered.capitalize() if core.isalpha() else lowered


def _known(lowered: str) -> str | None:
    """The spelling of a word of the lexicon, also in the genitive, and of an acronym's plural."""
    words = _lexicon().words
    if lowered in words:
        return words[lowered]
    if lowered in word_list("small"):
        return lowered
    for ending in ("'s", "’s"):
        if lowered.endswith(ending) and lowered[:-2] in words:
            return words[lowered[:-2]] + ending
    stem = words.get(lowered[:-1], "") if lowered.endswith("s") else ""
    return f"{stem}s" if len(stem) > 1 and stem.isupper() else None


@cache
def _lexicon() -> _Lexicon:
    """The spellings of ``data/spellings.txt`` with the names of towns, suburbs, municipalities and districts."""
    words: dict[str, str] = {}
    phrases: dict[str, str] = {}
    for name in sorted(
        _place_names(), key=lambda name: (name[:1].islower(), name)
    ):  # eMalahleni over Emalahleni
        if " " in name or "-" in name:
            phrases[name.lower()] = name
        elif name.lower() not in word_list("words that are places too"):
            words[name.lower()] = name
    phrases |= {name.lower(): name for name in organ_names() if _NAME_OF_A_BODY.match(name)}
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


def _by_first_word(phrases: dict[str, str]) -> dict[str, list[str]]:
    """The phrases of each first word, the longest first; a first word is what a blank ends."""
    groups: dict[str, list[str]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        groups.setdefault(phrase.split(" ")[0], []).append(phrase)
    return groups


def _place_names() -> set[str]:
    places = gazetteer()
    names = {town.name for towns in places.towns.values() for town in towns}
    names |= {name for entries in places.municipalities.values() for entry in entries for name in entry[:2]}
    spelled = {name.lower() for name in names}
    other_spellings = {key.capitalize() for key in places.towns if " " not in key and len(key) > 4}
    suburbs = {
        _SMALL_INSIDE.sub(lambda word: word[0].lower(), key.title()) for key in places.suburbs if " " in key
    }
    return names | {name for name in other_spellings | suburbs if name.lower() not in spelled}
