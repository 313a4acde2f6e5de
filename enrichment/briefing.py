"""Where a briefing is held when it is held online: link, meeting id and passcode out of free text."""

import re
from functools import lru_cache
from typing import NamedTuple

from enrichment.data import word_list
from enrichment.english import is_listed

_VENUE_CUT = 100  # the portal stores so many characters of a venue, so a link that ends there may be cut
_URL = re.compile(r"https?://[^\s<>\"'\]\[|]+", re.IGNORECASE)
_CLOSING = ".,;:!?)"
_COMPLETE = re.compile(
    r"""https?://(?:
        (?:[\w-]+\.)?zoom\.us/(?:j|s|w)/\d{9,11}(?:\?\S*)?
      | (?:[\w-]+\.)?zoom\.us/(?:my|meeting/register)/[\w.-]{4,}(?:\?\S*)?
      | (?:[\w-]+\.)?zoom\.us/webinar/register/[\w-]+
      | teams\.microsoft\.com/l/meetup-join/\S*?thread\S*?context=\S*(?:%7d|\})
      | teams\.(?:microsoft|live)\.com/meet/\d{6,}\S*
      | meet\.google\.com/(?:[a-z]{3}-[a-z]{4}-[a-z]{3}|lookup/\w+)(?:\?\S*)?
      | (?:[\w-]+\.)?webex\.com/\S+
      | meet\.[\w-]+\.(?:gov|co|org|ac)\.za/[\w.-]+/\w{6,12}(?:\?\S*)?
      | meet\.lync\.com/\S+/\w+
      | (?:www\.)?gotomeet(?:ing)?\.(?:com|me)/\S+
      | events\.teams\.microsoft\.com/event/\S+
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
_SHORT = re.compile(
    r"https?://(?:bit\.ly|tinyurl\.com|aka\.ms|shorturl\.at|t\.ly|rb\.gy|forms\.gle)/[\w-]+$", re.IGNORECASE
)
_ONLINE = re.compile(
    r"\b(?:teams|zoom|virtual\w*|virtural|online|skype|webex|google meet|meeting link|join|webinar)\b",
    re.IGNORECASE,
)
_FIXED_END = re.compile(r"(?:%7d|\}|/[a-z]{3}-[a-z]{4}-[a-z]{3})$", re.IGNORECASE)
_MEETING_ID = re.compile(
    r"\b(?:(?:meeting|webinar|conference|zoom|teams)\s*(?:meeting)?\s*:?\s*(?:id|i\.d\.?|number)|event\s+number"
    r"|id(?=[:#\s\d]{10,26}\W{0,3}pass\s?(?:code|word)))"
    r"(?:\s*\(access code\))?(?:\s+is)?\s*[:#=–-]?\s*([1-9](?:[\d \u00a0-]{6,18})\d)(?![ \u00a0-]?\d)",
    re.IGNORECASE,
)
_TIME_OR_DATE = re.compile(  # of which the last digits in front are the first part
    r"[:h./]\d|\s?(?:[ap]m\b|[ap]\.m|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b)",
    re.IGNORECASE,
)
_LAST_DIGITS = re.compile(r"[ \u00a0-]+\d+$")
_OTHER_CODE = re.compile(r"document|file|zip|folder|tel|phone|fax|postal", re.IGNORECASE)
_FARTHEST_PASSCODE = 30  # characters behind the meeting's id
_PASSCODE = re.compile(
    r"\b(?:pass\s?code|password|passwd|pass\s?word|(?<!area )(?<!postal )code(?=\s*[:=]))"
    r"(?:\s+is)?\s*[:=–-]?\s*([A-Za-z0-9@#$!%&*+?_-]{4,12})(?=[\s.,;)]|$)",
    re.IGNORECASE,
)
_ID_IN_LINK = re.compile(
    r"zoom\.us/[jsw]/(\d{9,11})|teams\.(?:microsoft|live)\.com/meet/(\d{9,15})", re.IGNORECASE
)
_CODE_IN_LINK = re.compile(r"/meet/\d+\?p=(\w{4,40})")
_NOT_DIGIT = re.compile(r"\D")


class Meeting(NamedTuple):
    """How to join; each part is None unless it is whole and certain."""

    link: str | None
    id: str | None
    passcode: str | None


NOWHERE = Meeting(None, None, None)


@lru_cache(maxsize=8192)
def meeting_of(venue: str | None, other_text: str | None) -> Meeting:
    """The online meeting that the venue names, or else the other text (a tender's special conditions).

    A link that the venue's length limit has cut, or that a blank has broken, is no link.
    """
    link = _link(venue, is_venue=True) or _link(other_text, is_venue=False)
    for text in (venue, other_text):
        if not text:
            continue
        number = _MEETING_ID.search(text)
        digits = _digits(number) if number else ""
        if number and 8 <= len(digits) <= 15:
            return Meeting(link, digits, _passcode(text, number.end(), is_venue=text is venue))
    return _by_link(link) if link else NOWHERE


def _digits(number: re.Match[str]) -> str:
    """The id's digits, without those of a time or date behind it."""
    runs_on = _TIME_OR_DATE.match(number.string, number.end())
    return _NOT_DIGIT.sub("", _LAST_DIGITS.sub("", number[1]) if runs_on else number[1])


def _passcode(text: str, start: int, *, is_venue: bool) -> str | None:
    """The passcode that follows a meeting's id; a word of the language ("available") is none."""
    code = _PASSCODE.search(text, start)
    if code is None or code.start() - start > _FARTHEST_PASSCODE:
        return None
    if _OTHER_CODE.search(text, start, code.start()) or (is_venue and code.end() == len(text) >= _VENUE_CUT):
        return None
    lowered = code[1].lower()
    return None if lowered in word_list("no passcode") or is_listed(lowered) else code[1]


def _by_link(link: str) -> Meeting:
    """The id that Zoom and newer Teams links carry, and Teams' passcode; a Zoom link's is encrypted."""
    number, code = _ID_IN_LINK.search(link), _CODE_IN_LINK.search(link)
    return Meeting(link, (number[1] or number[2]) if number else None, code[1] if code else None)


def _link(text: str | None, *, is_venue: bool) -> str | None:
    if not text or "http" not in text.lower():
        return None
    for match in _URL.finditer(text):
        url = match[0].rstrip(_CLOSING)
        cut = is_venue and match.end() >= _VENUE_CUT - 1 and not _FIXED_END.search(url)
        if cut or url.isupper():  # capitals lead nowhere where case counts
            continue
        if _COMPLETE.match(url):
            return url
        alone = is_venue and match.start() == 0 and match.end() == len(text.rstrip())
        if _SHORT.match(url) and (alone or (is_venue and _ONLINE.search(text))):
            return url
    return None
