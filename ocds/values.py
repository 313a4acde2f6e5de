"""Single values as both sources write them: texts with placeholders, yes and no, amounts, ids.

Every function takes whatever JSON can hold and never raises. None means "not given"; UNREADABLE means that
something is there which cannot be what the field wants, so that a reader can note it.
"""

import math
import re
from decimal import Decimal
from enum import Enum
from html import unescape
from typing import Final


class Unreadable(Enum):
    """The type of UNREADABLE."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE

PLACEHOLDERS = frozenset(
    {
        "",
        "-",
        "--",
        "---",
        ".",
        "..",
        "...",
        "_",
        "/",
        "?",
        "x",
        "xx",
        "xxx",
        "n/a",
        "n\\a",
        "n.a",
        "n.a.",
        "na",
        "n-a",
        "no",
        "none",
        "nil",
        "null",
        "undefined",
        "unknown",
        "not available",
        "<not available>",
        "not applicable",
        "not specified",
        "not provided",
        "string",
        "tba",
        "tbc",
        "tbd",
        "to be advised",
        "to be announced",
        "to be confirmed",
    }
)
"""Case-folded texts that mean "nothing given" where a name, a place, a sentence or a number is wanted."""

_DASHES = "\u0096\u0097\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_PLAIN = {**dict.fromkeys(_DASHES, "-"), **dict.fromkeys(_LINE_ENDS, "\n")}
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_INVISIBLE = "\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_SURROGATES = "\ud800-\udfff"
_PRIVATE = "\ue000-\uf8ff"  # bullets of a word processor's own font
_ODD = re.compile(f"[{_CONTROLS}{_INVISIBLE}{_SURROGATES}{_DASHES}{_PRIVATE}]")
_SIGNS_OF_MISREADING = ("\xc2", "\xc3", "\xe2")
_FOLLOWING = "\x80-\xbf" + bytes(range(0x80, 0xA0)).decode("cp1252", "ignore")  # what may follow in UTF-8
_MISREAD = re.compile(f"[\xc2\xc3][{_FOLLOWING}]|\xe2[{_FOLLOWING}]{{2}}|\xe2\u20ac")
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#[xX][0-9a-fA-F]{1,5});")
_MANY_EMPTY_LINES = re.compile(r"\n{3,}")

_NOBODY = re.compile(
    r"""(?:the\s+)?(?:(?:bid|tender|rfq|rfp|quotation|project|award)\s+)?(?:was\s+|is\s+|has\s+been\s+)?
        (?:not\s+(?:yet\s+)?awarded|cancell?ed|withdrawn|unsuccessful|re-?advertised|pending)
      | non?e?[\s-]*award\w*(?:\s+made)?
      | no\s+(?:suitable\s+|responsive\s+)?(?:supplier|bidder|bid|tenderer|tender|response)s?(?:\s+(?:received|found))?
      | non[\s-]?(?:responsive|compliant)(?:\s+(?:bids?|bidders?|tenders?))?
      | tb[acd] | to\s+be\s+(?:advised|confirmed|announced|determined) | none | test | 0+""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)

_YES = frozenset({"yes", "y", "true", "t", "1", "ja"})
_NO = frozenset({"no", "n", "false", "f", "0", "nee"})

_AMOUNT = re.compile(
    r"(?:zar|r)?\s*(?P<whole>[0-9]{1,3}(?P<mark>[ ,'])[0-9]{3}(?:(?P=mark)[0-9]{3})*|[0-9]+)"
    r"(?:[.,](?P<cents>[0-9]{1,2})|\.(?P<fraction>[0-9]+))?(?:\s*zar)?",
    re.ASCII | re.IGNORECASE,
)
_ADDRESS = re.compile(r"[^\s@;,/&|<>()]+@[^\s@;,/&|<>()]+")
_BETWEEN_ADDRESSES = re.compile(r"[\s;,/&|<>()]+")
_UNFIT_FOR_URL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CENT = Decimal("0.01")
_TOO_MUCH = Decimal(10) ** 15  # over the country's product: not an amount of money, whatever was meant


def text(value: object) -> str | Unreadable | None:
    """One line of text: entities of HTML read, blanks folded, dashes plain, invisible characters gone, a placeholder
    is None.

    A number is read as its digits: the sources print ids and codes either way.
    """
    if isinstance(value, str):
        value = _without_entities(value)
        if not (value.isascii() and value.isprintable()):
            value = " ".join(_cleaned(value).split())
        elif "  " in value or value.strip() is not value:
            value = " ".join(value.split())
        return None if len(value) < 18 and value.rstrip(".").casefold() in PLACEHOLDERS else value
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _digits(value)
    return UNREADABLE


def _without_entities(value: str) -> str:
    """``SUPPLY &amp; DELIVERY`` is what some who post a tender paste from a page, now and then escaped twice."""
    while "&" in value and _ENTITY.search(value):
        read = unescape(value)
        if read == value:
            break
        value = read
    return value


def _cleaned(value: str) -> str:
    while any(sign in value for sign in _SIGNS_OF_MISREADING):
        read = _ODD.sub(_plain, _MISREAD.sub(_reread, value))
        if read == value:
            break
        value = read
    return _ODD.sub(_plain, value)


def _reread(misread: re.Match[str]) -> str:
    """The dash of ``SKA SA â€“ Square Kilometre Array``: UTF-8 that was taken for Windows' code page."""
    if misread[0] == "\xe2\u20ac":
        return "\u201d"  # its third byte is no character of the code page
    return b"".join(map(_byte, misread[0])).decode()


def _byte(character: str) -> bytes:
    return bytes([ord(character)]) if "\x80" <= character < "\xa0" else character.encode("cp1252")


def paragraphs(value: object) -> str | Unreadable | None:
    """Text of several lines, with line breaks kept as ``\\n``, otherwise cleaned as ``text`` does."""
    if not isinstance(value, str):
        return text(value)
    value = _without_entities(value)
    if value.isascii() and value.isprintable():
        return text(value)
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    lines = (" ".join(line.split()) for line in _cleaned(value).split("\n"))
    value = _MANY_EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()
    return None if value.rstrip(".").casefold() in PLACEHOLDERS else value


def is_nobody(words: str) -> bool:
    """Whether what stands for a supplier says that nobody was awarded: "non-award", "Tender cancelled"."""
    return _NOBODY.fullmatch(words.strip(" .-")) is not None


def flag(value: object) -> bool | Unreadable | None:
    """Yes or no, as a JSON boolean, 1/0, or a word such as " NO" or "Yes"."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return value == 1
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in _YES:
            return True
        if word in _NO:
            return False
        if word in PLACEHOLDERS:
            return None
    return UNREADABLE


def identifier(value: object) -> str | Unreadable | None:
    """An id as text, a JSON number as its digits; "0" and placeholders are None."""
    found = text(value)
    return None if isinstance(found, str) and not found.strip("0") else found


def amount(value: object) -> Decimal | Unreadable | None:
    """An amount of money in cents' precision; 0 means "not published" and is None.

    Reads numbers and texts such as ``R 1 234 567,89``. Negative, infinite and absurd (10^15 and over) are
    unreadable.
    """
    number: Decimal | None
    if isinstance(value, str):
        words = text(value)
        if not isinstance(words, str):
            return None
        number = _stated(words)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    else:
        return None if value is None else UNREADABLE
    if number is None or not number.is_finite() or not 0 <= number < _TOO_MUCH:
        return UNREADABLE
    return number.quantize(_CENT) or None


def _plain(odd: re.Match[str]) -> str:
    character = odd[0]
    if "\ue000" <= character <= "\uf8ff":
        return "\u2022"
    return "\ufffd" if "\ud800" <= character <= "\udfff" else _PLAIN.get(character, "")


def _stated(words: str) -> Decimal | None:
    """The number in ``R 1 234,50``, ``1,234.50`` or ``1234.5``; None for what is not such a number."""
    match = _AMOUNT.fullmatch(words)
    if match is None:
        return None
    whole = match["whole"].replace(match["mark"] or " ", "")
    return Decimal(f"{whole}.{match['cents'] or match['fraction'] or 0}")


def _digits(value: float) -> str | Unreadable:
    if isinstance(value, float):
        if not math.isfinite(value):
            return UNREADABLE
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def email(value: object) -> str | Unreadable | None:
    """An e-mail address in so far as it has one @ between other characters; the first of several."""
    found = text(value)
    if not isinstance(found, str):
        return found
    if _ADDRESS.fullmatch(found):
        return found
    parts = [part for part in _BETWEEN_ADDRESSES.split(found) if part and part.lower() not in ("or", "and")]
    return parts[0] if parts and all(map(_ADDRESS.fullmatch, parts)) else UNREADABLE


def telephone(value: object) -> str | Unreadable | None:
    """A telephone number as given; none where one digit is repeated (``000-000-0000``)."""
    found = text(value)
    if not isinstance(found, str):
        return found
    digits = {character for character in found if character.isdigit()}
    if not digits:
        return UNREADABLE
    return found if len(digits) > 1 else None


def url(value: object) -> str | Unreadable | None:
    """An http or https address without blanks around it, otherwise as given."""
    if isinstance(value, str):
        address = value.strip()
        if address[:8].lower().startswith(("http://", "https://")) and not _UNFIT_FOR_URL.search(address):
            return address
    found = text(value)
    return UNREADABLE if isinstance(found, str) else found


def is_no_date(value: object) -> bool:
    """Whether a date's text means "none": a placeholder, or the smallest or largest date of the platform."""
    return isinstance(value, str) and (
        text(value) is None
        or value.strip().startswith(("0001-01-01", "0000-", "9999-12-31", "1/1/0001", "01/01/0001"))
    )
