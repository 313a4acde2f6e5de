"""Which kind of organ of state a buyer is.

The portal's department id is the key: ``data/organs.json`` holds all 877 of its departments, each one
reviewed by hand. A buyer outside that table is looked up by name there, and then classified by the words of
its name.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple

import orjson

from enrichment.data import read_data
from enrichment.organ_rules import kind_by_words
from enrichment.organ_types import DISTRICT, LOCAL, METRO, NATIONAL_DEPARTMENT, PROVINCIAL_DEPARTMENT

_MUNICIPALITY_TYPES = {METRO: "Metropolitan", DISTRICT: "District", LOCAL: "Local"}
_DEPARTMENT_LEVELS = {NATIONAL_DEPARTMENT: "National", PROVINCIAL_DEPARTMENT: "Provincial"}


class Organ(NamedTuple):
    """A buyer's classification; ``known`` is False where only the words of the name were there to go by."""

    type: str
    known: bool

    @property
    def municipality_type(self) -> str | None:
        """ "Metropolitan", "District" or "Local"; None for what is no municipality."""
        return _MUNICIPALITY_TYPES.get(self.type)

    @property
    def department_level(self) -> str | None:
        """ "National" or "Provincial"; None for what is no department."""
        return _DEPARTMENT_LEVELS.get(self.type)


_NOT_LETTERS = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=8192)
def organ_of(buyer_id: str | None, buyer_name: str | None) -> Organ | None:
    """The classification of a buyer by the portal's department id or else its name; None when neither says
    anything.
    """
    kind = _by_id().get(buyer_id) if buyer_id else None
    if kind is None and buyer_name:
        kind = _by_name().get(_key(buyer_name))
    if kind is not None:
        return Organ(kind, known=True)
    return Organ(kind_by_words(_plain(buyer_name)), known=False) if buyer_name else None


@lru_cache(maxsize=8192)
def buyer_id_of(buyer_name: str) -> str | None:
    """The portal's department id for a name spelled as in its own list, whatever the blanks and dashes."""
    return _ids().get(_key(buyer_name))


def _plain(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _NOT_LETTERS.sub(" ", ascii_name.lower().replace("&", " and ")).strip()


def _key(name: str) -> str:
    return _plain(name).replace(" ", "")


def organ_names() -> list[str]:
    """The names of the table as printed there, without the province before a dash."""
    return [name.rpartition(" - ")[2] for name, _ in _table().values()]


@cache
def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = orjson.loads(read_data("organs.json"))["departments"]
    return table


@cache
def _by_id() -> dict[str, str]:
    return {number: kind for number, (_, kind) in _table().items()}


@cache
def _by_name() -> dict[str, str]:
    return {_key(name): kind for name, kind in _table().values()}


@cache
def _ids() -> dict[str, str]:
    """Names that two departments share point to neither."""
    found: dict[str, str | None] = {}
    for number, (name, _) in _table().items():
        found[_key(name)] = None if _key(name) in found else number
    return {key: number for key, number in found.items() if number is not None}
