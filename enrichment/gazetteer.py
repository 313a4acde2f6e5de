"""The towns, suburbs and municipalities of ``data/places.txt``, by every spelling that the file knows."""

import re
import unicodedata
from functools import cache
from typing import NamedTuple, TypeVar

from enrichment.data import read_data, word_list

_TOWN = re.compile(r"(?P<names>[^;{]+)(?:\{(?P<suburbs>[^}]*)\})?;?")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_Entry = TypeVar("_Entry")

COMMON_WORDS = word_list("common place names")
"""Names of places that are also words of daily use, of streets or of people: alone they prove nothing."""


class Town(NamedTuple):
    """A town or city. ``place`` is the same for all names of one town that are shown as the source has them.

    ``district`` is the district municipality or the metro.
    """

    name: str
    place: str
    municipality: str
    district: str
    province: str


class Municipality(NamedTuple):
    """A local municipality or a metro; for a district, ``name`` and ``district`` are the same."""

    name: str
    district: str
    province: str


class Gazetteer(NamedTuple):
    """Keys are as ``key`` makes them; homonyms share one."""

    towns: dict[str, list[Town]]
    suburbs: dict[str, list[Town]]
    municipalities: dict[str, list[Municipality]]


def key(text: str) -> str:
    """Lower-case ASCII words with single blanks: how spellings are compared."""
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _NOT_WORD.sub(" ", plain.lower().replace("'", "")).strip()


@cache
def gazetteer() -> Gazetteer:
    """The parsed file."""
    places = Gazetteer({}, {}, {})
    province = ""
    for line in read_data("places.txt").decode().splitlines():
        if line.startswith("# "):
            province = line[2:]
        elif "|" in line and not line.startswith("#"):
            _add(places, province, *(part.strip() for part in line.split("|")))
    return places


def _add(places: Gazetteer, province: str, district: str, municipality: str, towns: str) -> None:
    district, *other_names = (name.strip() for name in district.split(" = "))
    names = [name.strip() for name in municipality.split(" = ")]
    for name in names:
        _put(places.municipalities, name, Municipality(names[0], district, province))
    for name in (district, *other_names):
        _put(places.municipalities, name, Municipality(district, district, province))
    for match in _TOWN.finditer(towns):
        place = ""
        for shown in match["names"].split(" ~ "):
            spellings = [name.strip() for name in shown.split(" = ")]
            place = place or spellings[0]
            town = Town(spellings[0], place, names[0], district, province)
            for spelling in spellings:
                _put(places.towns, spelling, town)
            if place == spellings[0]:
                for suburb in filter(None, map(str.strip, (match["suburbs"] or "").split(","))):
                    _put(places.suburbs, suburb, town)


def _put(index: dict[str, list[_Entry]], name: str, entry: _Entry) -> None:
    entries = index.setdefault(key(name), [])
    if entry not in entries:
        entries.append(entry)
