"""Municipalities and their companies among buyers' names, by the gazetteer's list of municipalities."""

import re

from enrichment.gazetteer import Municipality, gazetteer
from enrichment.organ_types import DISTRICT, LOCAL, METRO, MUNICIPAL_ENTITY

METROS = frozenset(
    {
        "Buffalo City", "City of Cape Town", "City of Ekurhuleni", "City of Johannesburg", "City of Tshwane",
        "Mangaung", "Nelson Mandela Bay", "eThekwini",
    }
)  # fmt: skip
_SAYS_DISTRICT = re.compile(r"\b(?:dm|district|distrik\w*)\b")
_SAYS_LOCAL = re.compile(r"\b(?:lm|local|plaaslike)\b")
_TITLE = re.compile(
    r"\b(?:the|dm|lm|mun|municipality|municipal|munisipaliteit|local|plaaslike|district|distriks?\w*|metro"
    r"|metropolitan)\b"
)
_COMPANY = re.compile(
    r"(?P<owner>.+?) (?:local |socio |rural |cooperative |water )*(?:economic )?"
    r"(?:development|tourism|housing|trading|investment|bus|services) "
    r"(?:agency|agengy|company|association|entity|enterprise)\b"
)
_HOUSING_COMPANY = re.compile(r"housing company (?P<owner>.+)")


def municipal_kind(words: str) -> str | None:
    """The kind of a buyer whose name is a municipality's, or a company's that bears one; None for any other.

    ``words`` is the name in lower-case ASCII with single blanks. "Emalahleni" is a name of two municipalities of
    one kind; a name of two kinds is told by "district", "DM", "local" or "LM", or not at all.
    """
    kinds = {_kind(entry) for entry in _entries(words)}
    if _SAYS_DISTRICT.search(words):
        kinds &= {DISTRICT}
    elif _SAYS_LOCAL.search(words):
        kinds &= {LOCAL}
    if len(kinds) == 1:
        return kinds.pop()
    company = _COMPANY.match(words) or _HOUSING_COMPANY.match(words)
    return MUNICIPAL_ENTITY if company and _is_municipality(company["owner"]) else None


def _kind(entry: Municipality) -> str:
    if entry.name in METROS or entry.district in METROS or f"City of {entry.district}" in METROS:
        return METRO
    return DISTRICT if entry.name == entry.district else LOCAL


def _entries(words: str) -> list[Municipality]:
    entries = gazetteer().municipalities
    bare = " ".join(_TITLE.sub(" ", words).split())
    return entries.get(words) or entries.get(bare) or entries.get(bare.removeprefix("city of ")) or []


def _is_municipality(owner: str) -> bool:
    """Whether a municipality bears the name or begins with it: "Blue Crane" for Blue Crane Route."""
    return bool(_entries(owner)) or (
        len(owner) > 6 and any(name.startswith(f"{owner} ") for name in gazetteer().municipalities)
    )
