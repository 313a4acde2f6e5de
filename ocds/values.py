"""Single values as both sources write them: texts with placeholders, yes and no, amounts, ids.

Every function takes whatever JSON can hold and never raises. None means "not given"; UNREADABLE means that
something is there which cannot be what the field wants, so that a reader can note it.
"""

import re
from decimal import Decimal, InvalidOperation
from enum import Enum
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
    }
)
"""Case-folded texts that mean "nothing given" where a name, a place, a sentence or a number is wanted."""

_DASHES = dict.fromkeys(
    map(ord, "\u0096\u0097\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"), "-"
)
_INVISIBLE = dict.fromkeys(
    [0xAD, 0x61C, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]
)
_LINE_ENDS = {
    0x85: "\n",
    0x2028: "\n",
    0x2029: "\n",
    0x0B: "\n",
    0x0C: "\n",
    0x1C: "\n",
    0x1D: "\n",
    0x1E: "\n",
}
_CONTROLS = dict.fromkeys([*range(9), *range(0x0E, 0x1C), 0x1F, *range(0x7F, 0xA0)])
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_REPAIRS = {**_CONTROLS, **_SURROGATES, **_INVISIBLE, **_DASHES, **_LINE_ENDS}
_BLANKS = re.compile(r"[^\S\n]+")
_MANY_EMPTY_LINES = re.compile(r"\n{3,}")

_YES = frozenset({"yes", "y", "true", "t", "1", "ja"})
_NO = frozenset({"no", "n", "false", "f", "0", "nee"})

_AMOUNT = re.compile(r"(?:zar|r)?\s*([0-9][0-9 ,.\u00a0\u202f']*)(?:\s*zar)?", re.ASCII | re.IGNORECASE)
_UNFIT_FOR_URL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CENT = Decimal("0.01")
_TOO_MUCH = Decimal(10) ** 15  # over the country's product: not an amount of money, whatever was meant


def text(value: object) -> str | Unreadable | None:
    """One line of text: blanks folded, dashes plain, invisible characters gone, a placeholder is None.

    A number is read as its digits: the sources print ids and codes either way.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.isprintable()):
            value = value.translate(_REPAIRS)
        value = " ".join(value.split())
        return None if value.casefold() in PLACEHOLDERS else value
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _digits(value)
    return UNREADABLE


def paragraphs(value: object) -> str | Unreadable | None:
    """Text of several lines, as ``text`` but with its line breaks kept as ``\\n`` and at most one empty
    line.
    """
    if not isinstance(value, str):
        return text(value)
    if value.isascii() and value.isprintable():
        return text(value)
    value = value.replace("\r\n", "\n").replace("\r", "\n").translate(_REPAIRS)
    lines = (_BLANKS.sub(" ", line).strip() for line in value.split("\n"))
    value = _MANY_EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()
    return None if value.casefold() in PLACEHOLDERS else value


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
    if value is None:
        return None
    if isinstance(value, bool):
        return UNREADABLE
    if isinstance(value, int | float):
        if value == 0:
            return None
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    elif isinstance(value, str):
        words = text(value)
        if not isinstance(words, str):
            return None
        number = _stated(words)
    else:
        return UNREADABLE
    if number is None or not number.is_finite() or not 0 <= number < _TOO_MUCH:
        return UNREADABLE
    number = number.quantize(_CENT)
    return number if number else None


def _stated(words: str) -> Decimal | None:
    """The number in ``R 1 234,50``, ``1,234.50`` or ``1234.5``; None where no single reading is sure."""
    match = _AMOUNT.fullmatch(words)
    if match is None:
        return None
    digits = re.sub(r"[ '\u00a0\u202f]", "", match[1])
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma > point and (point >= 0 or len(digits) - comma != 4):
        digits = digits.replace(".", "").replace(",", ".")
    else:
        digits = digits.replace(",", "")
    try:
        return Decimal(digits)
    except InvalidOperation:
        return None


def _digits(value: float) -> str | Unreadable:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def email(value: object) -> str | Unreadable | None:
    """An e-mail address in so far as it has one @ between other characters and no blank."""
    found = text(value)
    if not isinstance(found, str):
        return found
    name, _, domain = found.partition("@")
    return found if name and domain and "@" not in domain and " " not in found else UNREADABLE


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
