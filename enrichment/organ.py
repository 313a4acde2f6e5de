"""Which kind of organ of state a buyer is.

The portal's department id is the key: ``data/organs.json`` holds all 877 of its departments, each one
reviewed by hand. A buyer outside that table is looked up there by its name, whatever stands in brackets or
for its legal form; then among short names, then among the municipalities, and last classified by the words of
its name.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple

import orjson

from enrichment.data import read_data
from enrichment.municipal import municipal_kind
from enrichment.organ_rules import kind_by_words
from enrichment.organ_types import DISTRICT, LOCAL, METRO, NATIONAL_DEPARTMENT, PROVINCIAL_DEPARTMENT

_MUNICIPALITY_TYPES = {METRO: "Metropolitan", DISTRICT: "District", LOCAL: "Local"}
_DEPARTMENT_LEVELS = {NATIONAL_DEPARTMENT: "National", PROVINCIAL_DEPARTMENT: "Provincial"}


class Organ(NamedTuple):
    """A buyer's classification; ``by_id`` is False where only the name was there to go by."""

    type: str
    by_id: bool

    @property
    def municipality_type(self) -> str | None:
        """ "Metropolitan", "District" or "Local"; None for what is no municipality."""
        return _MUNICIPALITY_TYPES.get(self.type)

    @property
    def department_level(self) -> str | None:
        """ "National" or "Provincial"; None for what is no department."""
        return _DEPARTMENT_LEVELS.get(self.type)


_NOT_LETTERS = re.compile(r"[^a-z0-9]+")
_BRACKETED = re.compile(r"\([^)]*\)?")
_LEGAL_FORM = re.compile(r"^the\b|\b(?:soc|pty|ltd|limited|npc|rf)\b")
_COUNTRY = re.compile(r"\b(?:south africa(?:n|s)?|republic of south africa|rsa)\b")
_LONGEST = 200


@lru_cache(maxsize=8192)
def organ_of(buyer_id: str | None, buyer_name: str | None) -> Organ | None:
    """The classification of a buyer by the portal's department id or else its name; None when neither says
    anything.
    """
    kind = _by_id().get(buyer_id) if buyer_id else None
    if kind is not None:
        return Organ(kind, by_id=True)
    if not buyer_name:
        return None
    kind = _by_name().get(_key(buyer_name)) or _by_bare_name().get(_bare_key(buyer_name))
    if kind is None:
        bare = _bare(buyer_name[:_LONGEST])
        kind = _by_alias(bare) or municipal_kind(bare) or kind_by_words(_plain(buyer_name[:_LONGEST]))
    return Organ(kind, by_id=False)


@lru_cache(maxsize=8192)
def buyer_id_of(buyer_name: str) -> str | None:
    """The portal's department id for a name spelled as in its own list, whatever the blanks and dashes."""
    return _ids().get(_key(buyer_name))


def _plain(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _NOT_LETTERS.sub(" ", ascii_name.lower().replace("&", " and ")).strip()


def _key(name: str) -> str:
    return _plain(name).replace(" ", "")


def _bare(name: str) -> str:
    """The name's words without what stands in brackets, a leading "the" and its legal form."""
    return " ".join(_LEGAL_FORM.sub(" ", _plain(_BRACKETED.sub(" ", name))).split())


def _bare_key(name: str) -> str:
    """The bare name, with one spelling for the country's: "Legal Aid SA" is Legal Aid South Africa."""
    return _COUNTRY.sub("sa", _bare(name)).replace(" ", "")


def _by_alias(words: str) -> str | None:
    """The kind of the longest short name that ``words`` begins with."""
    parts = words.split(" ")
    for length in range(min(len(parts), _longest_alias()), 0, -1):
        kind = _aliases().get(" ".join(parts[:length]))
        if kind:
            return kind
    return None


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
def _by_bare_name() -> dict[str, str]:
    """Names of two kinds point to neither."""
    kinds: dict[str, set[str]] = {}
    for name, kind in _table().values():
        kinds.setdefault(_bare_key(name), set()).add(kind)
    return {key: found.pop() for key, found in kinds.items() if key and len(found) == 1}


@cache
def _aliases() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in read_data("organ_aliases.txt").decode().splitlines():
        kind, bar, names = line.partition(" | ")
        if bar and not line.startswith("#"):
            found |= {_plain(name): kind for name in names.split(";")}
    return found


@cache
def _longest_alias() -> int:
    return max(alias.count(" ") for alias in _aliases()) + 1


@cache
def _ids() -> dict[str, str]:
    """Names that two departments share point to neither."""
    found: dict[str, str | None] = {}
    for number, (name, _) in _table().items():
        found[_key(name)] = None if _key(name) in found else number
    return {key: number for key, number in found.items() if number is not None}
