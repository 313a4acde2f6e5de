"""Where a briefing is held when it is held online: link, meeting id and passcode out of free text."""

import re
from functools import lru_cache
from typing import NamedTuple

from enrichment.data import word_list

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
    r"(?:\s+is)?\s*[:#=–-]?\s*(\d(?:[\d \u00a0-]{6,18})\d)",
    re.IGNORECASE,
)
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
        digits = _NOT_DIGIT.sub("", number[1]) if number else ""
        if number and 8 <= len(digits) <= 15:
            code = _PASSCODE.search(text, number.end())
            passcode = code[1] if code and code[1].lower() not in word_list("no passcode") else None
            if text is venue and code and code.end() == len(text) >= _VENUE_CUT:
                passcode = None
            return Meeting(link, digits, passcode)
    return _by_link(link) if link else NOWHERE


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
        if cut:
            continue
        if _COMPLETE.match(url):
            return url
        alone = is_venue and match.start() == 0 and match.end() == len(text.rstrip())
        if _SHORT.match(url) and (alone or (is_venue and _ONLINE.search(text))):
            return url
    return None
