"""Whom to ask: one valid e-mail address and one valid South African telephone number, or nothing."""

import re
from functools import cache, lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from enrichment.data import word_list

_REGION = "ZA"
_COUNTRY_CODE = 27
_KINDS_OF_NUMBER = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip
_SUBSCRIBER_DIGITS = 9
_NATIONAL = re.compile(r"0[1-8]\d[\s-]?\d{3}[\s-]?\d{4}", re.ASCII)
_NATIONAL_INSIDE = re.compile(rf"(?<!\d)(?<!\d[\s-]){_NATIONAL.pattern}(?!\d)", re.ASCII)
_COUNTED_UP = "123456789"
_AT_SIGN = re.compile(r"\s*[\[({<]\s*at\s*[\])}>]\s*", re.IGNORECASE)
_DOT_SIGN = re.compile(r"\s*[\[({<]\s*dot\s*[\])}>]\s*", re.IGNORECASE)
_AROUND_AT = re.compile(r"\s*@\s*")
_COMMAS_IN_DOMAIN = re.compile(r"@[\w.-]+(?:,(?:gov|co|org|ac|com|za|net)\b[.\w-]*)+", re.IGNORECASE)
_SPACED_DOTS = re.compile(r"@[\w.-]+(?:\s*\.\s+(?:gov|co|org|ac|za)\b)+", re.IGNORECASE)
_DOT_FORGOTTEN = re.compile(r"(@[\w.-]+\.(?:gov|co|org|ac))(?=za$)", re.IGNORECASE)
_GLUED_BEHIND = re.compile(r"(@[\w.-]+\.(?:gov|co|org|ac|net|edu)\.za)(?=[A-Za-z]+\b)", re.IGNORECASE)
_CANDIDATE = re.compile(r"[^\s@,;:/\\<>()\[\]\"|]+@[^\s@,;:/\\<>()\[\]\"|]+")
_JUNK = ".,;:'`-_*‘’“”"
_CUT_IN_FRONT = re.compile(r"(?:^|\s)(?:[^\s@,/]+[,/]|[A-Za-z]\s)$")  # "j,doe@", "j doe@"
_PLACEHOLDER_DOMAIN = re.compile(
    r"(?:na|no|none|nil|test|tba|tbc|a|a{3,5}|x{1,5}|abcd?|xyz|0+|123\d*|admin|unknown|email|example|domain|noemail)"
    r"\.(?:com|co\.za|gov\.za|org\.za|org|net|za)"
)
_NO_DOMAIN = re.compile(r"www\..*|.*\.(?:gov|con|[a-z])")  # no mail goes there
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*", re.ASCII)
_PLAIN_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)
_PLAIN_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9]|-(?!-)){0,61}(?<!-)\.){1,4}(?:za|com|net|org)", re.ASCII)
_LONGEST_DOMAIN = 100
_LONGEST = 500
_NUMBER_BREAK = re.compile(
    r"\s*(?:[;,|]|\bor\b|\band\b|&|/|(?:\bext(?:ension)?\b|\bx(?=\s*\d)))\s*", re.IGNORECASE
)
_NOT_DIGIT = re.compile(r"\D")


@lru_cache(maxsize=16384)
def email_of(text: str | None) -> str | None:
    """The first syntactically valid address in ``text``, its domain in lower case; None when there is none.

    Repaired is only what leaves one reading: "(at)" for @, blanks around @, a comma or nothing for a dot before
    a known ending, punctuation at the ends. No DNS is asked.
    """
    if not text or len(text) > _LONGEST:
        return None
    if text[-3:].lower() not in (".za", "com"):
        text = _DOT_FORGOTTEN.sub(r"\1.", text)
    if not _PLAIN_ADDRESS.fullmatch(text) or _GLUED_BEHIND.search(text):
        text = _DOT_SIGN.sub(".", _AT_SIGN.sub("@", text))
        text = _GLUED_BEHIND.sub(r"\1 ", text)
        text = _SPACED_DOTS.sub(_without_blanks, _AROUND_AT.sub("@", text))
        text = _COMMAS_IN_DOMAIN.sub(lambda domain: domain[0].replace(",", "."), text)
    for candidate in _CANDIDATE.finditer(text):
        local, _, domain = candidate[0].strip(_JUNK).partition("@")
        if len(local) == 1 or local.lower() in word_list("no mailbox"):
            continue
        if candidate.start() and _CUT_IN_FRONT.search(text, 0, candidate.start()):
            continue
        address = _validated(local, domain)
        if address:
            return address
    return None


def _without_blanks(spaced: re.Match[str]) -> str:
    return "".join(spaced[0].split())


def _validated(local: str, domain: str) -> str | None:
    """The address as email-validator writes it; a plain local part needs no more than its domain checked."""
    known = _domain(domain)
    if known is None:
        return None
    if _PLAIN_LOCAL.fullmatch(local) and len(local) <= 64:
        return f"{local}@{known}" if len(local) + len(known) < 254 else None
    try:
        return validate_email(
            f"{local}@{domain}", check_deliverability=False, allow_smtputf8=False
        ).normalized
    except EmailNotValidError:
        return None


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str | None:
    """The domain as email-validator writes it, None for one that takes no mail. Domains repeat: each is checked
    once.
    """
    lowered = domain.lower()
    if _PLACEHOLDER_DOMAIN.fullmatch(lowered) or _NO_DOMAIN.fullmatch(lowered):
        return None
    if len(lowered) <= _LONGEST_DOMAIN and _PLAIN_DOMAIN.fullmatch(lowered):
        return lowered  # what the validator would answer too, in a fortieth of the time
    try:
        return validate_email(f"a@{domain}", check_deliverability=False).domain
    except EmailNotValidError:
        return None


@lru_cache(maxsize=16384)
def telephone_of(text: str | None) -> str | None:
    """The first valid number in ``text`` as E.164 (``+27112765472``); without a country code it is South
    African.
    """
    if not text or len(text) > _LONGEST:
        return None
    for part in (text,) if _NATIONAL.fullmatch(text) else _NUMBER_BREAK.split(text):
        number = _number_in(part)
        if number:
            return number
    inside = _NATIONAL_INSIDE.search(text)  # the first of "012 406 1999 082 555 1234"
    return _number_in(inside[0]) if inside else None


def _number_in(part: str) -> str | None:
    digits = _NOT_DIGIT.sub("", part)
    if not 9 <= len(digits) <= 15 or len(set(digits[-7:])) == 1 or digits.endswith(_COUNTED_UP):
        return None
    if _NATIONAL.fullmatch(part):
        return f"+{_COUNTRY_CODE}{digits[1:]}" if _south_african().fullmatch(digits, 1) else None
    try:
        number = phonenumbers.parse(part, _REGION)
    except phonenumbers.NumberParseException:
        return None
    subscriber = phonenumbers.national_significant_number(number)
    if number.country_code == _COUNTRY_CODE and len(subscriber) != _SUBSCRIBER_DIGITS:
        return None  # the library believes mobile numbers that lack their last digits
    return f"+{number.country_code}{subscriber}" if phonenumbers.is_valid_number(number) else None


@cache
def _south_african() -> re.Pattern[str]:
    """The numbers of the country's plan as the library has it, in one pattern: "012-406-1999", the form that nearly
    all have, needs no parser.
    """
    plan = phonenumbers.PhoneMetadata.metadata_for_region(_REGION)
    kinds = [getattr(plan, name) for name in _KINDS_OF_NUMBER]
    patterns = [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
