"""The parts of a tender's description that all tenders share: its number in front, "invitation to bid",
periods.
"""

import re

EDGES = " \t-–—:;,.|/\\*•\"'“”‘’_#"
_SHORTEST = 12
_ROUNDS = 4
_FEW_BEHIND = 3  # characters: the full stop after a period
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_LOOSE_START = re.compile(r"(?:and|or|of|&)\b", re.IGNORECASE)

_KIND = "(?:bid|tender|rfq|rfp|rfb|rft|rfi|eoi|contract|quotation|ref(?:erence)?|proposal|project|notice|scm|quote)"
_LABEL = re.compile(rf"[\W_]*(?:{_KIND}\s*)?(?:(?:no|number|nr)\b\.?)?\s*[:#]?\s*", re.IGNORECASE)
_LABELLED_NUMBER = re.compile(
    rf"(?:re:\s*)?(?:formal\s+)?(?:{_KIND}(?:\s+{_KIND})?(?:\s+sanral)?|sanral)\s*(?:no|nr|num|number|ref|\#)?\s*[.:\#]?\s*"
    r"(?=[\w/()\[\].&-]*\d)[\w/()\[\].&-]+(?:\s*[/-]\s*[\w()]*\d[\w/()-]*)*\s*(?:[:;,.–—-]+\s*|\s+(?=[A-Z(]))",
    re.IGNORECASE,
)
_LEADING_CODE = re.compile(
    r"(?=[\w/().-]*\d)(?=[\w/().-]*[A-Z/])[A-Z0-9][\w/().&-]{3,}(?:\s*[/-]\s*\d[\w/-]*)*\s*[:;–—-]+\s+"
)
_SLASHED_CODE = re.compile(r"[A-Z]{2,6}[\s-]?\d{1,4}(?:[/-]\d{2,4}){1,3}\s+(?=[A-Z])")
_DOCUMENTS = (
    r"(?:bids?|tenders?|quot(?:e|ations?|es)|proposals?|offers?|expressions?\s+of\s+interests?|information)"
)
_QUALITIES = (
    r"(?:(?:suitabl[ey]|qualified|experienced|accredited|professional|competent|reputable|capable|registered|and|or|"
    r"independent|external|potential|specialised|approved|certified|preferred|prospective|service|term|,|&|/)\s*)*"
)
_WHO = (
    r"(?:(?:service|training)\s+provider|contractor|bidder|consultant|supplier|company|firm|vendor|organi[sz]ation|entity)"
    r"(?:\s*\(?s\)?)?(?:\s*/\s*\w+(?:\(?s\)?)?)?"
)
_VERB = (
    r"(?:provide|render|supply|undertake|carry\s+out|do|perform|conduct|execute)\s+"
    r"(?!(?:and|or)\b|[,&/])(?:for\s+|with\s+)?"
)
_NUMBER_OF_YEAR = re.compile(  # "Bid 5 of 2025/26: …"
    rf"^{_KIND}\s*(?:no|nr|number)?\s*[.:#]?\s*\d{{1,4}}\s+of\s+20\d\d(?:\s*[/-]\s*(?:20)?\d\d)?\s*[:;–—-]+\s*",
    re.IGNORECASE,
)
_CODE_AND_FOR = re.compile(r"(?=[\w/.-]*\d)(?=[\w/.-]*/)[A-Z]{2,}[\w/.-]{3,}\s+for\s+(?:the\s+)?(?=[A-Z])")
_INVITED_FOR = (  # "Bids are hereby invited from experienced contractors for the …"
    rf"[^.:]{{0,110}}?\b(?:are|is)\s+(?:hereby\s+)?(?:invited|requested|called)\s+(?:from\s+[^:,.]{{3,120}}?\s+)?"
    rf"(?:to\s+(?:quote|tender|bid|submit(?:\s+\w+)?\s+{_DOCUMENTS}|submit\s+\w+)\s+)?"
    r"(?:(?:for|on)\s*:?\s+(?:the\s+)?|to\s+(?=(?:supply|provide|render|undertake)\b))"
)
_BODY_INVITES = (  # "The Agency hereby requests proposals for the …", "… invites service providers to provide …"
    r"[^.:]{0,110}?\b(?:hereby\s+(?:requests?|invites?|calls?\s+for)|invites?)\s+(?:for\s+|from\s+)?"
    rf"{_QUALITIES}(?:(?:{_WHO}\s+to\s+(?:submit|provide|furnish)\s+[^.:]{{0,40}}?\b)?{_DOCUMENTS}"
    r"\s+(?:\([^)]{2,20}\)\s+)?(?:from\s+[^:,.]{3,120}?\s+)?(?:for|on|to)\s+(?:the\s+)?"
    rf"|{_WHO}\s+(?:to\s+(?:{_VERB})?|for\s+)(?:the\s+)?)"
)
_BODY_APPOINTS = (  # "The Fund wishes to appoint a suitable service provider to …"
    rf"[^.:]{{0,110}}?\b(?:wish(?:es)?|seeks?|intends?|requires?|would\s+like|invitation|is\s+looking)\s+to\s+appoint\s+"
    rf"(?:an?\s+|the\s+)?{_QUALITIES}(?:panel\s+of\s+)?{_QUALITIES}{_WHO}\s+(?:to\s+(?:{_VERB})?|(?:for|of)\s+)(?:the\s+)?"
)
_REQUEST_FOR = (  # "Invitation to tender for …", "Request for proposals (RFP): …", "Call for quotation – …"
    rf"(?:an?\s+)?(?:open\s+)?(?:tender\s+notice\s+and\s+)?(?:invitation|request|call)\s+(?:to|for|of)\s+"
    rf"(?:request\s+for\s+)?(?:the\s+)?(?:an?\s+)?"
    rf"(?:(?:open|formal|price|public|written|competitive)\s+)?(?:{_DOCUMENTS}|bidders|submit\s+\w+)\s*(?:[(\[][^)\]]{{2,45}}[)\]])?\s*(?:no\.?\s*\S*\d\S*)?\s*"
    r"(?:[:;–—-]+\s*|\b(?:for|to|on|of|from|in\s+respect\s+of)\b(?:\s*:)?\s+(?!be\b)(?:the\s+)?|(?<=[)\]])\s*(?=\w))"
)
_DESCRIPTION = (
    r"(?:bid|tender|project|contract|quotation|service|rfq|rfp|rfb|rft)?\s*(?:description|title|name|scope)\s*"
    r"(?:of\s+(?:the\s+)?(?:bid|tender|services?|works?|project))?\s*[:;–—-]+\s*"
)
_AGAIN = (  # "Re-advertisement: …"
    r"(?:the\s+)?(?:re-?\s?advert\w*|re-?issue\w*|re-?tender|cancel\w+\s+and\s+re\S*)"
    r"(?:\s*[:;–—-]+\s*|\s+of\s+(?:the\s+)?|\s+(?=(?:the|provision|supply|appointment|request|procurement|tender|bid)\b))"
)
_EMPTY_BRACKETS = re.compile(r"\s*\(\s*(?:\)|\W*$)")
_AGAIN_IN_FRONT = re.compile(
    r"[(\[]\s*re-?\s?(?:advert|tender|issue)\w*\s*[)\]]\s*[:;–—-]*\s*", re.IGNORECASE
)
_DANGLING = re.compile(r"(?:\s+(?:based|for|the|of|on|over|and))+\W*$", re.IGNORECASE)  # before a period
_AGAIN_AT_END = re.compile(
    r"[\s–—-]*(?:\(\s*re-?\s?advert\w*[^)]*\)|[–—-]?\s+re-?\s?advert\w*)\W*$", re.IGNORECASE
)
_FOR_YEARS = (  # between who is appointed and what for
    r"(?:,?\s+(?:for|over)\s+(?:an?\s+|the\s+)?(?:period|term|duration)\s+(?:of\s+)?[\w\s()-]{1,40}?"
    r"\b(?:months?|years?)\b\)?,?(?=\s+(?:to|for)\b))?"
)
_APPOINTMENT = (  # "Appointment of a suitably qualified service provider to provide …", "… of a panel of …"
    rf"(?:the\s+|he\s+)?(?:appointment|appoint|procurement|engagement|sourcing|acquisition|request\s+for)\s+(?:of\s+)?"
    rf"(?:an?\s+|the\s+|one\s+|\w+\s+\(\d+\)\s+)?{_QUALITIES}(?:panel\s+of\s+)?{_QUALITIES}{_WHO}{_FOR_YEARS}"
    rf"\s+(?:to\s+(?:{_VERB})?|(?:for|of)\s+(?!(?:an?\s+|the\s+)?(?:period|term|duration)\b))(?:the\s+)?"
    r"(?:(?:provision|rendering)\s+of\s+(?:the\s+)?)?"
)
_OPENINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _INVITED_FOR,
        _BODY_INVITES,
        _BODY_APPOINTS,
        _REQUEST_FOR,
        r"(?:advert(?:isement)?|(?:advertised\s+)?(?:in)?formal\s+(?:written\s+)?(?:quotation|tender|bid)s?)\s*[:;–—-]+\s*",
        r"(?:tender|bid|quotation)\s+invitation\s+(?:for|to)\s+(?:the\s+)?",
        r"(?:quotations?|proposals?|bids?|tenders?|contract)\s+(?:for|to)\s+(?:the\s+)?",
        r"(?:RFQ|RFP|RFB|RFT|RFI|EOI)\s*(?:[:;–—-]+\s*|\bfor\b\s+(?:the\s+)?)",
        r"terms\s+of\s+reference\s*(?:\([^)]{2,8}\)\s*)?(?:for|of)\s+(?:the\s+)?",
        r"(?:the\s+)?request\s+(?:to\s+(?=appoint)|for\s+(?:the\s+)?(?=(?:supply|provision|appointment|delivery|rental)\b))",
        r"\d[.)]\s+(?=[^\W\d_])",
        _AGAIN,
        _DESCRIPTION,
        _APPOINTMENT,
        r"(?:the\s+)?establishment\s+of\s+(?:an?\s+|the\s+)?(?=panel\b)",
        r"(?:the\s+)?appointment\s+of\s+(?:an?\s+|the\s+)?",
        r"(?:the\s+)?provision\s+(?:of|for)\s+(?:the\s+)?(?=(?:supply|provision|rendering)\b)",
        r"for\s*(?:the)?\s*(?::\s*|\s(?=\w))",
        r"(?:the|an?)\s+(?=\w)",
    )
)
_OF_BODIES = 3  # the first of them, which begin with any text
_OPENING_WORD = re.compile(
    r"(?:\d[.)]|formal|informal|the|he\s|an?|open|acquisition|advert|invit|request|call|tender|bid|quot|proposal|contract|rf|eoi|re|cancel|desc|serv|title|name|scope"
    r"|project|appoint|procure|engage|sourcing|establish|provision|terms|for)",
    re.IGNORECASE,
)


_UNIT = r"(?:months?|years?|days?|weeks?)\b"
_FROM_APPOINTMENT = (
    r"(?:\s*,?\s*(?:from|effective\s+from|commencing\s+(?:from|on)|starting\s+from|with\s+effect\s+from)\s+(?:the\s+)?"
    r"date\s+of\s+(?:appointment|award|commencement|signing|signature|contract)(?:\s+(?:award|date|of\s+contract))?)?"
)
_AND_NO_OTHER_LIMIT = r"(?!\s+or\b)"
_FOR_A_PERIOD = (
    rf"\b(?:for|over|within|covering)\s+(?:an?\s+|the\s+)?(?:\w+\s+)?(?:period|term|duration)\s+(?:of\s+)?"
    rf"(?:not\s+exceeding\s+)?[\w\s()-]{{1,40}}?{_UNIT}\)?{_AND_NO_OTHER_LIMIT}(?:['’]s?)?"
    rf"(?:\s+(?:contract|period)\b)?{_FROM_APPOINTMENT}"
)
_UNTIL = (
    r"\b(?:for|over)\s+(?:the|a)\s+(?:contract\s+)?period\s+(?:ending|until|up\s+to|from)\b.{0,45}?\b20\d\d\b"
    r"(?:\s*(?:to|until|-|–)\s*.{0,25}?\b20\d\d\b)?"
)
_AS_AND_WHEN = (
    r"\b(?:(?:on|as)\s+(?:an?\s+)?)?[\"'“‘]?\bas[\s-]+(?:and|&)[\s-]+when\b[\"'”’]?"
    r"(?:[\s-]+(?:required|needed|the\s+need\s+arises))?[\"'”’]?(?:\s+basis\b)?"
)
_PERIODS = tuple(
    (needles, re.compile(pattern, re.IGNORECASE))
    for needles, pattern in (
        (("period", "term", "duration"), _FOR_A_PERIOD),
        (
            ("month", "year", "week", "day"),
            rf"\bfor\s+(?:\w+\s+)?\(?\d+\)?[\s-]*{_UNIT}(?:\s+contract\b|\s+period\b)?{_AND_NO_OTHER_LIMIT}",
        ),
        (
            ("year period", "year contract", "year term"),
            r"\b(?:for\s+(?:an?\s+|the\s+)?)?(?:one|two|three|four|five|six|\d+)[\s-](?:\(\d+\)[\s-])?year\s+(?:contract\s+)?(?:period|term)\b",
        ),
        (
            ("month", "year", "week", "day"),
            rf"\bfor\s+(?:a\s+)?(?:one|two|three|four|five|twelve|thirty-?six)\s+{_UNIT}",
        ),
        (("period",), _UNTIL),
        (("when",), _AS_AND_WHEN),
    )
)
"""Each with words of which it needs one: looking for those first is quick."""


def subject_of(text: str, number: str | None) -> str:
    """What a description is about, without leading tender numbers, standing phrases and the contract's
    period.

    Never less than a dozen characters: what would leave less is kept.
    """
    if text[:1] in "[(":
        text = _kept(_AGAIN_IN_FRONT.sub("", text, count=1), text)
    for _ in range(_ROUNDS):
        before = text
        text = _without_number(text, number)
        for pattern in _worth_trying(text):
            match = pattern.match(text)
            if match:
                text = _kept(text[match.end() :], text)
        if text == before:
            break
    lowered = text.lower()
    if "advert" in lowered:
        text = _kept(_AGAIN_AT_END.sub("", text), text)
    for needles, pattern in _PERIODS:
        if any(needle in lowered for needle in needles):
            text = _kept(_without(pattern, text), text)
    return text.strip(EDGES) or text


def _without(pattern: re.Pattern[str], text: str) -> str:
    """``text`` without what the pattern finds and the blanks and dashes before it; looking for those with the pattern
    would take twice as long.
    """
    rest: list[str] = []
    at = 0
    for match in pattern.finditer(text):
        rest.append(text[at : match.start()].rstrip(" \t,;:–—-"))
        at = match.end()
    if not rest:
        return text
    shorter = _EMPTY_BRACKETS.sub("", "".join([*rest, text[at:]]))
    return _DANGLING.sub("", shorter) if len(text) - at < _FEW_BEHIND else shorter


def _worth_trying(text: str) -> tuple[re.Pattern[str], ...]:
    """Most texts open with their subject: a look at the first word spares them the patterns."""
    lowered = text.lower()
    if any(word in lowered for word in ("invited", "requested", "called", "hereby", "invite", "to appoint")):
        return _OPENINGS
    return _OPENINGS[_OF_BODIES:] if _OPENING_WORD.match(text) else ()


def _kept(shorter: str, text: str) -> str:
    shorter = shorter.strip(EDGES)
    return text if len(shorter) < _SHORTEST or _LOOSE_START.match(shorter) else shorter


def _without_number(text: str, number: str | None) -> str:
    if number and len(number) >= 3 and _is_number(number):
        label = _LABEL.match(text)
        end = _after(text, number, label.end() if label else 0) or _after(text, number, 0)
        if end:
            text = _kept(text[end:], text)
    if " of 20" in text.lower():
        text = _NUMBER_OF_YEAR.sub("", text, count=1)
    for pattern in (_LABELLED_NUMBER, _LEADING_CODE, _SLASHED_CODE, _CODE_AND_FOR):
        match = pattern.match(text)
        if match:
            text = _kept(text[match.end() :], text)
    return text.strip(EDGES) or text


def _is_number(number: str) -> bool:
    """Some fill the field for the tender's number with its title."""
    return any(map(str.isdigit, number)) and len(_LONG_WORD.findall(number)) <= 2


def _after(text: str, number: str, start: int) -> int | None:
    """Where ``text`` goes on after ``number``, which it has at ``start``; case, blanks and dashes do not
    count.
    """
    at = start
    for character in number:
        if not character.isalnum():
            continue
        while at < len(text) and not text[at].isalnum():
            at += 1
        if at >= len(text) or text[at].lower() != character.lower():
            return None
        at += 1
    return at if at >= len(text) or not text[at].isalnum() else None
