"""What the contract itself is stated to be worth.

Most tenders do not say; most amounts in their texts mean something else.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_NUMBER = r"(\d{1,3}(?:[ ,.\u00a0']\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)"
_SCALE = r"(million|mil\b|mill\b|m\b|billion|bn\b|b\b|thousand|k\b)?"
_AMOUNT = rf"(?:R|ZAR)\s?{_NUMBER}(?!\s?\d)\s?{_SCALE}"
_FILLER = (
    r"(?:\s|:|=|-|–|±|\+/-|\(|is\b|are\b|of\b|at\b|to\b|the\b|be\b|in\b|amount\b|sum\b|total\b|an?\b|approximately\b|about\b"
    r"|available\b|allocated\b|amounts\b|over\s+(?:the\s+|a\s+period\s+of\s+)?\w+\s+(?:\(\w+\)\s+)?(?:years?|months?)\b"
    r"|around\b|estimated\b|approx\.?|budgeted\b|rands?\b|zar\b|maximum\b|\)|(?:incl|excl)\w*\.?|vat\b"
    r"|(?:one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|billion)\b)*"
)
_QUALITY = (
    r"(?:estimated|total|overall|approved|available|allocated|indicative|maximum|project|contract|tender|bid|construction"
    r"|anticipated|expected|approximate)"
)
_OBJECT = r"(?:project|contract|tender|bid|construction|total|maximum|available|works?)"
_WORTH = r"(?:value|budget|cost|price|amount|allocation|expenditure|ceiling|sum|estimate)(?:\s+estimate)?"
_LIMIT = (
    r"(?P<limit>\s*(?:\(?(?:is|of|may|must|shall|should|will)?\s*(?:be\s+)?(?:limited|capped|restricted)\s*(?:to|at)"
    r"|(?:is|of|may|must|shall|should|will|does|do)?\s*not\s*(?:be\s+)?(?:to\s+)?(?:exceed(?:ing)?|more\s+than|above)"
    r"|up\s+to|(?:of\s+)?(?:a\s+)?maximum(?:\s+of)?))?"
)
_STATED = re.compile(
    rf"(?:\b{_QUALITY}\s+(?:{_OBJECT}\s+)?{_WORTH}"
    rf"(?:\s+(?:of|for)\s+(?:the|this)\s+(?:{_OBJECT}|service|appointment))?"
    r"|\bbudget(?:ed)?(?:\s+(?:amount|range|allocation|limit|ceiling|value|cost|available|allocated))?"
    rf"(?:\s+(?:of|for)\s+(?:the|this)\s+(?:{_OBJECT}|service|appointment))?"
    rf"|\bvalue\s+of\s+(?:the|this)\s+{_OBJECT}"
    rf"|\b{_OBJECT}\s+(?:is\s+)?(?:valued|estimated|budgeted)"
    rf"|\b(?:{_OBJECT}|services?|cost|appointment)\b[^.;\n]{{0,40}}?\b(?:(?:valued|estimated)\s+at|to\s+the\s+(?:total\s+)?value\s+of)"
    rf"|\b(?:contract|project|appointment)(?=\s+(?:(?:is|shall|will|must|may)\s+(?:be\s+)?)?(?:capped|limited|not\s+exceed)\b)"
    rf"){_LIMIT}{_FILLER}{_AMOUNT}(?:{_FILLER}(?:and|-|–|to)\s*{_AMOUNT})?",
    re.IGNORECASE,
)
_RANGE = re.compile(
    rf"\b(?:value|budget|cost|estimated?)\b[^.;\n]{{0,40}}?\b(?:between|from|ranging\s+from)\s+{_AMOUNT}"
    rf"\s*(?:and|to|-|–)\s*{_AMOUNT}",
    re.IGNORECASE,
)
_BEFORE_BUDGET = re.compile(  # "a R15 million budget has been allocated"
    rf"\b{_AMOUNT}\s+(?:project\s+|contract\s+|total\s+|approved\s+)?budget\b"
    r"(?=[^.;\n]{0,40}\b(?:project|contract|tender|bid|appointment|allocated|available)\b)",
    re.IGNORECASE,
)
_CAP = re.compile(  # "for a period of 12 months or R1M, whichever comes first"
    rf"\b(?:contract|appointment|period|months?|years?)\b[^.;\n]{{0,40}}?\bor\s+{_AMOUNT}\s*(?:\(\s*million\s*\))?[\s,]*"
    r"(?:incl\w*\.?\s*(?:of\s+)?vat\s*,?\s*)?(?:which|what)(?:so)?ever\b",
    re.IGNORECASE,
)
_NOT_THE_CONTRACT = re.compile(
    r"non[\s-]?refund|non[\s-]?return|document\s+(?:fee|cost|price)|(?:tender|bid|printing|admin\w*)\s+fee|deposit"
    r"|per\s+(?:financial\s+)?(?:document|set|copy|hour|day|week|month|unit|project|annum|year|item|trip|km|person|learner|delegate|litre|ton"
    r"|m2|task|order|transaction|claim|student|page|house|site|ward|school)|/\s?(?:day|week|month|year|annum)\b|\bp[./]\s?[am]\b"
    r"|annually|monthly|each\b|account|branch|bank(?:ing|er\w*)?\b"
    r"|preference|80\s*/\s*20|90\s*/\s*10|threshold|turn\s?over|liability|insur|indemnity|guarantee|surety"
    r"|cidb|grade|grading|previous|completed|similar|experience|track\s+record|reference\s+letter|penalt|wage|salar|hourly"
    r"|executed|undertaken|proof\s+of|must\s+have|largest|credit|(?:bidder|tenderer|contractor)s?['’]|projects\s+(?:of|with|worth)"
    r"|(?:appointment|award|completion)\s+letter|letters?\s+of|references\b|\bprofile|purchase\s+order|\bcombined\b|contractors?\s+with"
    r"|in\s+the\s+(?:last|past)\b|minimum\s+(?:bid|tender|offer|price)|reserve\s+(?:price|value)|upset|valuation|replacement\s+value"
    r"|(?:tenderer|bidder|contractor|provider)s?\s+(?:who|that|which|must|should)\b|fund\s+size|(?<!estimated\s)total\s+expenditure"
    r"|\b(?:fleet|claims|loss(?:es)?|damages?|portfolio|voucher|prize)"
    r"|(?:consult|professional|engineer|architect|surveyor|agent)[^.;]*\bconstruction\s+(?:value|cost)"
    r"|\bpropert(?:y|ies)\b|\bassets?\b|\bdebt"
    r"|\b(?:or|and)\s+(?:more|above|higher|greater|less|below)\b|(?:annual|municipal\w*(?:['’]s)?|operat\w+)\s+(?:\w+\s+)?budget\b"
    r"|\brates?\b|revenue|net\s+asset|capital|minimum\s+value|at\s+least|not\s+less\s+than|greater\s+than|(?<!not\s)(?<!not\sto\s)exceeds?\s+R"
    r"|local\s+content|local\s+production|equal\s+to\s+or|bids?\s+above|all\s+procurement|all\s+bids|all\s+tenders"
    r"|quotations?\s+(?:above|below|up|to)\b|cheque|\bcash\b|\beft\b|payable|stipend|loan|grant|sub-?contract|\bpoints?\b|\bscor(?:e|es|ed|ing)\b"
    r"|\bpaid\b|participation|(?:bid|tender)\s+(?:security|bond)|sponsor|donat|auction|stolen|\bstock\b|\bsale\s+of|printing\s+cost"
    r"|per\s+(?:bid|tender|quotation)\b|bids?\s+up\s+to|ha(?:s|ve)\s+procured|bidders?\s+with|equity"
    r"|applicable\s+(?:to|for)|tenders?\s+with|bids?\s+with|fine\b|audited|financial\s+statement|retention|bursar",
    re.IGNORECASE,
)
_BODY_HAS = re.compile(  # its whole budget, where it does not say for what
    r"(?:municipality|department|entity|council|province)\s+ha(?:s|ve|d)\b"
    rf"(?!.*\bfor\s+(?:this|the|said)\s+(?:{_OBJECT}|service|appointment|assignment))",
    re.IGNORECASE,
)
_CEILING = re.compile(r"\b(?:maximum|ceiling)\b", re.IGNORECASE)
_BEFORE, _AFTER, _SENTENCE = 90, 40, 150  # characters
_SENTENCE_END = re.compile(r"[.;\n](?=\s|$)")
_LEAST, _MOST = Decimal(5_000), Decimal(200_000_000_000)
_SCALES = {"m": 6, "mil": 6, "mill": 6, "million": 6, "bn": 9, "b": 9, "billion": 9, "k": 3, "thousand": 3}
_CENT = Decimal("0.01")
_MONEY = re.compile(r"\b(?:R|ZAR)\s?\d", re.IGNORECASE)
_GROUPED = re.compile(r"\d{1,3}(?:[ ,.\u00a0']\d{3})+")
_NOT_DIGIT = re.compile(r"\D")


class StatedValue(NamedTuple):
    """In rand. A single stated value is both; a ceiling has no minimum."""

    minimum: Decimal | None
    maximum: Decimal | None


@lru_cache(maxsize=8192)
def stated_value(text: str | None) -> StatedValue | None:
    """The value or budget of the contract that ``text`` states, or None.

    An amount counts only where the words just before it call it the contract's value, cost or budget, or a
    ceiling on the contract, and nothing around it says otherwise (fees, deposits, accounts, turnover,
    thresholds, rates, insurance). Where a text states two different values, none is taken.
    """
    if not text or not _MONEY.search(text):
        return None
    found = {
        value
        for pattern in (_RANGE, _STATED, _BEFORE_BUDGET, _CAP)
        for match in pattern.finditer(text)
        if (value := _read(match, text, capped=pattern is _CAP)) is not None
    }
    ranges = {value for value in found if value.minimum != value.maximum and value.minimum is not None}
    found = ranges or found
    return found.pop() if len(found) == 1 else None


def _read(match: re.Match[str], text: str, *, capped: bool) -> StatedValue | None:
    before = _SENTENCE_END.split(text[max(0, match.start() - _BEFORE) : match.start()])[-1]
    after = _SENTENCE_END.split(text[match.end() : match.end() + _AFTER])[0]
    if _NOT_THE_CONTRACT.search(before + match[0]) or _NOT_THE_CONTRACT.search(after):
        return None
    sentence = _SENTENCE_END.split(text[match.end() : match.end() + _SENTENCE])[0]
    if _BODY_HAS.search(before + match[0] + sentence):
        return None
    named = match.re.groupindex.get("limit")
    parts = [group for index, group in enumerate(match.groups(), start=1) if index != named]
    amounts = [
        _rand(digits, scale)
        for digits, scale in zip(parts[::2], parts[1::2], strict=True)
        if digits is not None
    ]
    if len(amounts) == 2 and parts[3] and not parts[1]:
        alike = _rand(parts[0], parts[3])  # "R2 to R3 million", not "R750 000 to R1 million"
        amounts[0] = alike if alike <= amounts[1] else amounts[0]
    if not all(_LEAST <= amount <= _MOST for amount in amounts):
        return None
    if len(amounts) == 2:
        return StatedValue(amounts[0], amounts[1]) if amounts[0] <= amounts[1] else None
    is_limit = capped or (
        named is not None and bool((match["limit"] or "").strip() or _CEILING.search(before[-12:] + match[0]))
    )
    return StatedValue(None if is_limit else amounts[0], amounts[0])


def _rand(digits: str, scale: str | None) -> Decimal:
    grouped = _GROUPED.match(digits)
    if grouped:
        whole, rest = _NOT_DIGIT.sub("", grouped[0]), digits[grouped.end() :]
    else:
        whole, rest = digits, ""
    return (
        Decimal((whole + rest).replace(",", "."))
        .scaleb(_SCALES[scale.lower()] if scale else 0)
        .quantize(_CENT)
    )
