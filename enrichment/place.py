"""Where a tender is delivered: town or city and district, never a suburb or a building for a city."""

import re
from functools import lru_cache
from typing import NamedTuple

from enrichment.data import word_list
from enrichment.gazetteer import COMMON_WORDS, Town, gazetteer, key
from enrichment.province import NATIONAL, province_of
from ocds.values import PLACEHOLDERS

_DASHES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\s+[-–—]\s+",
        r"\s+[-–—]\s*|\s*[-–—]\s+",
        r"\s*(?<!-on)(?<!-de)(?<!-die)[-–—](?!(?:on|de|die)-)\s*",  # not inside of Kenton-on-Sea
    )
)
_FEWEST_SEGMENTS = 3
_STREETS_FROM = 2  # after town and suburb
_UNMISTAKABLE = 11  # letters of a suburb's name that is one of a kind wherever it is written
_PIECES = re.compile(r"[,;/()|:]+|\s-|-\s|\band\b|&", re.IGNORECASE)
_SEVERAL = re.compile(r"\band\b|&|/", re.IGNORECASE)
_AROUND = re.compile(r"\b(?:surround\w*|environs|vicinity|areas?)\b", re.IGNORECASE)
_CODE_BEHIND = re.compile(r"\s*[-–—]\s*\d+[\s.]*$")
_CODE = re.compile(r"\b\d{3,5}\b\.?\s*$")
_MUNICIPAL = re.compile(
    r"\b(?:the|local|district|metropolitan|metro|municipal\w*|munic\w*|muncipal\w*|area|council|region|of)\b"
)
_LONGEST_NAME = 4  # words


class Place(NamedTuple):
    """``district`` is a district municipality or a metro; the city is in it."""

    city: str | None
    district: str | None


NOWHERE = Place(None, None)


@lru_cache(maxsize=16384)
def place_of(
    parts: tuple[str | None, str | None, str | None] | None,
    address: str | None,
    province: str | None,
    buyer_name: str | None,
) -> Place:
    """Town and district of a delivery address.

    ``parts`` are street, suburb and town where the source keeps them apart, else the address is split at its
    dashes. The town's own field is asked first, then suburb and street; an address in several towns has none.
    Where no town can be named, the district may still be: by a municipality in the address, or by the buyer
    being a municipality.
    """
    segments = _segments(parts, address)
    if province in (None, NATIONAL):
        province = next(filter(None, map(province_of, segments)), province)
    for position, segment in enumerate(segments):
        towns = _towns_in(segment, province, in_street=position >= _STREETS_FROM)
        if towns:
            kept_apart = len(segments) >= _FEWEST_SEGMENTS and position < _STREETS_FROM and "," not in segment
            if kept_apart and _names_more(segment, towns[0], province):
                return NOWHERE
            nearer = _nearer_town(towns, segments[position + 1 : position + 2], province)
            return _agreed([nearer] if nearer else towns, segment)
    for texts in (segments, [buyer_name or ""]):
        districts = {district for text in texts for district in _districts_in(text, province)}
        if districts:
            return Place(None, districts.pop() if len(districts) == 1 else None)
    return NOWHERE


@lru_cache(maxsize=4096)
def province_of_buyer(name: str) -> str | None:
    """The province that the name of a provincial department, a legislature or a municipality begins with or lies in."""
    words = key(name).split()
    openings = (" ".join(words[:length]) for length in range(min(3, len(words)), 0, -1))
    named = next(filter(None, map(province_of, openings)), None)
    if named:
        return None if named == NATIONAL else named
    entries = gazetteer().municipalities
    plain = " ".join(words)
    found = entries.get(plain) or entries.get(" ".join(_MUNICIPAL.sub(" ", plain).split()), [])
    return found[0].province if len({entry.province for entry in found}) == 1 else None


@lru_cache(maxsize=16384)
def address_of(text: str) -> str | None:
    """The address, or None where each of its parts is a placeholder ("N/A - N/A - N/A - 0000")."""
    parts = [part.strip().casefold() for part in re.split(r"\s*[-–—,]\s*", text)]
    return None if all(part in PLACEHOLDERS or not part.strip("0") for part in parts) else text


def _segments(parts: tuple[str | None, str | None, str | None] | None, address: str | None) -> list[str]:
    """The parts of the address, the town's first."""
    if parts:
        return [part for part in reversed(parts) if part]
    if not address:
        return []
    address = _CODE_BEHIND.sub("", address)
    splits = (dash.split(address.strip()) for dash in _DASHES)
    segments = next((split for split in splits if len(split) >= _FEWEST_SEGMENTS), None)
    if segments is None:  # the dash of "Ga-Rankuwa" parts nothing
        segments = _DASHES[0].split(address.strip())
    return [part.strip() for part in reversed(segments) if part.strip()]


def _towns_in(segment: str, province: str | None, *, in_street: bool) -> list[Town]:
    """The towns that a part of an address names, in its order; empty when it names none for sure."""
    segment = _CODE.sub("", segment)
    whole = key(segment)
    if not whole or province_of(segment):
        return []
    found = _named(whole, province, suburbs=True)
    if found:
        return [found]
    towns = [
        town
        for piece in _PIECES.split(segment)
        if not province_of(piece)
        and (town := _named(key(_CODE.sub("", piece)), province, suburbs=not in_street))
    ]
    return list(dict.fromkeys(towns or _by_words(whole.split(), province, in_street=in_street)))


def _by_words(words: list[str], province: str | None, *, in_street: bool) -> list[Town]:
    """Names inside a longer text, the longest first at each word; not in "Durban Road", not a word of daily
    use.

    In a street's field only names of several words count.
    """
    towns: list[Town] = []
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST_NAME, len(words) - at), int(in_street), -1):
            name = " ".join(words[at : at + length])
            following = words[at + length] if at + length < len(words) else ""
            if name in COMMON_WORDS or following in word_list("streets and buildings"):
                continue
            town = _named(name, province, suburbs=not in_street and len(name) > 6)
            if town:
                towns.append(town)
                at += length - 1
                break
        at += 1
    return towns


@lru_cache(maxsize=16384)
def _named(name: str, province: str | None, *, suburbs: bool) -> Town | None:
    """The one town of this name, or the town of the one suburb of this name, that fits the tender's province.

    A name of daily use is a town's only in its own province, and a municipality's name in another is not the
    town's: Emalahleni is the city in Mpumalanga, and in the Eastern Cape a municipality around Lady Frere.
    """
    places = gazetteer()
    towns, daily = places.towns.get(name, []), name in COMMON_WORDS
    town = _fitting(towns, province, strict=daily)
    if town and town.province != province and _is_municipality(name, province):
        return None
    if town is None and suburbs:
        town = _fitting(places.suburbs.get(name, []), province, strict=daily or len(name) < _UNMISTAKABLE)
    return town


def _is_municipality(name: str, province: str | None) -> bool:
    return any(entry.province == province for entry in gazetteer().municipalities.get(name, []))


def _fitting(towns: list[Town], province: str | None, *, strict: bool) -> Town | None:
    near = [town for town in towns if town.province == province]
    if len(near) == 1:
        return near[0]
    anywhere = province in (None, NATIONAL) or not strict
    return towns[0] if not near and len(towns) == 1 and anywhere else None


def _nearer_town(towns: list[Town], suburb: list[str], province: str | None) -> Town | None:
    """The town that stands in the suburb's field, where the town's field names the large city of another
    district.

    "Kempton Park - Johannesburg": the address is in Kempton Park, which is not in the city of Johannesburg. The two lie
    in one province, or the nearer one in the tender's: Viljoensdrif is across the river from Vereeniging.
    """
    if len(towns) != 1 or not suburb:
        return None
    name = key(_CODE.sub("", suburb[0]))
    town = None if name in COMMON_WORDS else _fitting(gazetteer().towns.get(name, []), province, strict=False)
    if town is None or town.district == towns[0].district:
        return None
    return town if town.province in (towns[0].province, province) else None


def _names_more(segment: str, town: Town, province: str | None) -> bool:
    """Whether a part such as "Ngqura and Cape Town" names, beside the town, something that is not known to lie
    there.
    """
    pieces = [piece for piece in _SEVERAL.split(segment) if key(piece)] if _SEVERAL.search(segment) else []
    return any(
        not _towns_in(piece, province, in_street=False)
        and not province_of(piece)
        and town.district not in _districts_in(piece, province)
        and not _AROUND.search(piece)
        for piece in pieces
    )


def _agreed(towns: list[Town], segment: str) -> Place:
    """The one place that the towns found make up."""
    districts = {town.district for town in towns}
    if len(districts) > 1:
        return NOWHERE
    if len({town.place for town in towns}) == 1:
        return Place(towns[0].name, towns[0].district)
    same_city = len({town.municipality for town in towns}) == 1 and towns[0].municipality.endswith(
        towns[0].district
    )
    if _SEVERAL.search(segment) or not same_city:
        return Place(None, towns[0].district)
    return Place(towns[-1].name, towns[0].district)


@lru_cache(maxsize=4096)
def _districts_in(text: str, province: str | None) -> frozenset[str]:
    """The districts of the municipalities that a text names."""
    districts: set[str] = set()
    for piece in {text, *_PIECES.split(text)}:
        if province_of(piece):
            continue
        name = key(piece)
        for candidate in (name, " ".join(_MUNICIPAL.sub(" ", name).split())):
            entries = gazetteer().municipalities.get(candidate, [])
            near = [entry for entry in entries if entry.province == province] or entries
            if len({entry.district for entry in near}) == 1:
                districts.add(near[0].district)
    return frozenset(districts)
