"""Which kind of organ of state a buyer is.

The portal's department id is the key: ``data/organs.json`` holds all 877 of its departments, each one reviewed by hand. A
buyer outside that table is looked up by name there, and then classified by the words of its name.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple

import orjson

from enrichment.data import read_data

NATIONAL_DEPARTMENT = "National Department"
PROVINCIAL_DEPARTMENT = "Provincial Department"
METRO = "Metro Municipality"
DISTRICT = "District Municipality"
LOCAL = "Local Municipality"
MUNICIPAL_ENTITY = "Municipal Entity"
STATE_OWNED = "State-Owned Enterprise"
PUBLIC_ENTITY = "Public Entity"
CONSTITUTIONAL = "Constitutional Institution"
SETA = "SETA"
EDUCATION = "Education Institution"
LEGISLATURE = "Legislature"
OTHER = "Other"

TYPES = (
    NATIONAL_DEPARTMENT, PROVINCIAL_DEPARTMENT, METRO, DISTRICT, LOCAL, MUNICIPAL_ENTITY, STATE_OWNED, PUBLIC_ENTITY,
    CONSTITUTIONAL, SETA, EDUCATION, LEGISLATURE, OTHER,
)  # fmt: skip
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


_PROVINCE = r"(?:eastern cape|free state|gauteng|kwa ?zulu natal|kzn|limpopo|mpumalanga|mpupalanga|north west|northern cape|western cape)"
_RULES: tuple[tuple[str, str], ...] = tuple(
    (kind, pattern)
    for kind, pattern in (
        (LEGISLATURE, r"\blegislature\b|\bparliament\b|national assembly|council of provinces"),
        (
            SETA,
            r"\bseta\b|seta\)|sector education|education (?:and )?training authority|\b(?:merseta|bankseta|sasseta|agriseta|"
            r"chieta|teta|fasset|inseta|lgseta|wrseta|w rseta|hwseta|ewseta|cathsseta|etdp|foodbev|fpm seta|mict|pseta)\b|"
            r"mining qualifications authority",
        ),
        (
            CONSTITUTIONAL,
            r"public protector|human rights commission|commission for gender|electoral commission|financial and fiscal commission|"
            r"independent communications authority|municipal demarcation|pan south african language|"
            r"religious (?:and )?linguistic",
        ),
        (
            EDUCATION,
            r"\btvet\b|\bfet\b|\bcet\b|\buniversity\b|\buniversiteit\b|technikon|community education (?:and )?training|"
            r"\bcollege\b(?! of (?:medicine|physicians))",
        ),
        (
            MUNICIPAL_ENTITY,
            r"\b(?:johannesburg|joburg|coj|city of johannesburg|ekurhuleni|tshwane|ethekwini|durban|cape town|mangaung|"
            r"mandela bay|buffalo city)\b.*\b(?:soc|pty|agency|company|market|roads? agency|social housing|water|theatre|zoo|"
            r"stadium|convention|entity|metro ?bus|property)\b|city power|pikitup|\bcentlec\b|\berwat\b|\bjoshco\b|\bjda\b|"
            r"\b(?:alfred nzo|amajuba|amathole|cacadu|capricorn|chris hani|fezile dabi|harry gwala|ilembe|joe gqabi|"
            r"kenneth kaunda|lejweleputswa|mopani|nkangala|o r tambo|or tambo|sarah baartman|sedibeng|sekhukhune|ugu|"
            r"umgungundlovu|umhlosinga|umkhanyakude|uthukela|vhembe|waterberg|west rand|xhariep|zululand)\b"
            r".*\b(?:agency|enterprise|soc|pty|ltd)\b",
        ),
        (
            METRO,
            r"city of (?:johannesburg|joburg|tshwane|cape town|ekurhuleni)|city council of johannesburg|\bmetro(?:politan)?\b"
            r".*\bmunic|^(?:ethekwini|ekurhuleni|mangaung|buffalo city|nelson mandela bay|tshwane)\b(?:.*\bmunic.*)?$",
        ),
        (DISTRICT, r"\bdis\w*tr\w*\b.*\bmun[iu]c|\bdistrict council\b|\bdistrict munic"),
        (LOCAL, r"\bmun[iu]c\w*|\bmunisipaliteit\b|\blocal council\b|\b(?:lm|local mun)\b"),
        (
            STATE_OWNED,
            r"\beskom\b|\btransnet\b|\bdenel\b|\barmscor\b|\bprasa\b|passenger rail|\bpetrosa\b|\bsentech\b|\bsasria\b|\bsafcol\b|"
            r"water board|\b(?:rand|umgeni|umngeni uthukela|magalies|mhlathuze|lepelle northern|bloem|sedibeng|overberg|"
            r"amatola|vaal central) water\b|airports? company|airways|airlines|broadcasting corporation|post office|postbank|"
            r"development bank|land bank|land and agricultural development bank|industrial development corporation|"
            r"public investment corporation|nuclear energy corporation|special economic zone|industrial development zone|"
            r"\b(?:idz|sez)\b|\bsoc\b|state owned|\bcsir\b|council for scientific|\bmintek\b|bureau of standards|"
            r"air traffic|trans caledon|broadband infraco|alexkor|\bautopax\b|forestry company|development corporation",
        ),
        (
            PROVINCIAL_DEPARTMENT,
            r"\bhospital\b|\bclinic\b|\bprimary school\b|\bsecondary school\b|\bhigh school\b|\bpremier\b|provincial treasury|"
            r"provincial (?:government|administration|department)|health district|district office|education district",
        ),
        (
            PUBLIC_ENTITY,
            r"\b(?:agency|agengy|authority|board|council|commission|commissioner|tribunal|regulator|fund|museums?|institute|"
            r"foundation|ombud\w*|trust|theatre|library|council|registry|corporation|entity|bureau|panel|park|parks|"
            r"gallery|laboratory|accreditation|adjudicator|service board|catchment|inspectorate|observatory|"
            r"partnership|propeller|academy|centre|loan|wildlife|promotion|research)\b",
        ),
        (
            PROVINCIAL_DEPARTMENT,
            rf"^{_PROVINCE}\b|\b{_PROVINCE}\b.*\bdep(?:ar)?t|\bdep(?:ar)?t\w*\b.*\b{_PROVINCE}\b|\bmec\b|community safety|"
            r"safety and liaison",
        ),
        (
            NATIONAL_DEPARTMENT,
            r"\bdep(?:ar)?t\w*\b|\bdept\b|^national\b|ministry|\bpresidency\b|\btreasury\b|secretariat|police service|"
            r"correctional services|home affairs|defence|justice|public works|revenue|basic education|higher education|"
            r"science|water and sanitation|human settlements|social development|military|government|"
            r"^(?:health|education|transport|tourism|labour|energy|communications|women|"
            r"arts and culture|environmental affairs|trade and industry|public enterprises|agriculture\b.*)$",
        ),
        (STATE_OWNED, r"\b(?:pty|ltd|limited|company)\b"),
    )
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _RULES)
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=8192)
def organ_of(buyer_id: str | None, buyer_name: str | None) -> Organ | None:
    """The classification of a buyer by the portal's department id or else its name; None when neither says anything."""
    kind = _by_id().get(buyer_id) if buyer_id else None
    if kind is None and buyer_name:
        kind = _by_name().get(_key(buyer_name))
    if kind is not None:
        return Organ(kind, known=True)
    return Organ(_by_rule(buyer_name), known=False) if buyer_name else None


@lru_cache(maxsize=8192)
def buyer_id_of(buyer_name: str) -> str | None:
    """The portal's department id for a name spelled as in its own list, whatever the blanks and dashes."""
    return _ids().get(_key(buyer_name))


def _by_rule(name: str) -> str:
    words = _plain(name)
    return next((kind for kind, pattern in _COMPILED if pattern.search(words)), OTHER)


def _plain(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _NOT_LETTERS.sub(" ", ascii_name.lower().replace("&", " and ")).strip()


def _key(name: str) -> str:
    return _plain(name).replace(" ", "")


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
