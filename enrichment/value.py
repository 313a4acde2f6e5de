"""What the contract itself is stated to be worth. Most tenders do not say; most amounts in their texts mean something else."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_AMOUNT = r"(?:R|ZAR)\s?(\d{1,3}(?:[ ,.\u00a0']\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)\s?(million|mil\b|mill\b|m\b|billion|bn\b|b\b|thousand|k\b)?"
_FILLER = r"(?:\s|:|=|-|–|\(|is\b|are\b|of\b|at\b|to\b|the\b|be\b|in\b|amount\b|sum\b|total\b|an?\b|approximately\b|about\b|around\b|estimated\b|approx\.?)*"
_SUBJECT = (
    r"(?:estimated|total|overall|approved|available|allocated|indicative|maximum|project|contract|tender|bid|construction|"
    r"anticipated|expected|approximate)"
)
_THING = r"(?:value|budget|cost|price|amount|allocation|expenditure|ceiling|sum)"
_STATED = re.compile(
    rf"(?:\b{_SUBJECT}\s+(?:(?:project|contract|tender|bid|construction|total|maximum|annual|available|works?)\s+)?{_THING}"
    rf"(?:\s+(?:of|for)\s+(?:the|this)\s+(?:project|contract|tender|works?|bid|service|appointment))?"
    rf"|\bbudget(?:ed)?(?:\s+(?:amount|allocation|limit|ceiling|value|cost))?"
    rf"|\b(?:project|contract|works?)\s+(?:is\s+)?(?:valued|estimated|budgeted)"
    rf"|\b(?:valued|estimated)\s+at|\bto\s+the\s+(?:total\s+)?value\s+of)"
    rf"(?P<limit>\s*(?:\(?(?:is|of|may|must|shall|should|will)?\s*(?:limited|capped|restricted)\s*(?:to|at)|"
    rf"(?:is|of|may|must|shall|should|will|does|do)?\s*(?:not|n't)?\s*(?:be\s+)?(?:exceed(?:ing)?|more\s+than|above)|up\s+to|(?:a\s+)?maximum(?:\s+of)?))?"
    rf"{_FILLER}{_AMOUNT}(?:{_FILLER}(?:and|-|–|to)\s*{_AMOUNT})?",
    re.IGNORECASE,
)
_RANGE = re.compile(
    rf"\b(?:value|budget|cost|estimate)\b[^.;\n]{{0,40}}?\b(?:between|from|ranging\s+from)\s+{_AMOUNT}\s*(?:and|to|-|–)\s*{_AMOUNT}",
    re.IGNORECASE,
)
_CAP = re.compile(
    rf"\b(?:contract|appointment|period|months?|years?)\b[^.;\n]{{0,40}}?\bor\s+{_AMOUNT}\s*(?:\(\s*million\s*\))?[\s,]*"
    rf"(?:incl\w*\.?\s*(?:of\s+)?vat\s*[,]?\s*)?(?:which(?:so)?ever|what(?:so)?ever)\b",
    re.IGNORECASE,
)
_NOT_THE_CONTRACT = re.compile(
    r"non[\s-]?refund|document\s+(?:fee|cost|price)|tender\s+fee|bid\s+fee|deposit|per\s+(?:document|set|copy|hour|day|month|unit|"
    r"project|annum|year|item|trip|km|person|learner|delegate|litre|ton|m2|task|order|transaction|claim|student|page)|"
    r"each\b|account|branch|bank|preference\s+point|80\s*/\s*20|90\s*/\s*10|threshold|turn\s?over|"
    r"public\s+liability|liability|insurance|indemnity|guarantee|surety|cidb|grade|grading|previous|"
    r"completed|similar|experience|track\s+record|reference\s+letter|penalt|wage|salary|hourly|rate\b|"
    r"annual\s+revenue|net\s+asset|capital\s+of\s+the\s+bidder|minimum\s+value|at\s+least|not\s+less\s+than|greater\s+than|"
    r"local\s+content|equal\s+to\s+or|bids?\s+above|all\s+procurement|all\s+bids|quotations?\s+(?:above|below|up)|"
    r"cheque|cash|eft|payable|stipend|loan|grant|professional\s+fees|sub-?contract",
    re.IGNORECASE,
)
_BEFORE, _AFTER = 90, 60
_LEAST, _MOST = Decimal(5_000), Decimal(200_000_000_000)
_SCALES = {"m": 6, "mil": 6, "mill": 6, "million": 6, "bn": 9, "b": 9, "billion": 9, "k": 3, "thousand": 3}
_MONEY = re.compile(r"\b(?:R|ZAR)\s?\d", re.IGNORECASE)
_GROUPED = re.compile(r"\d{1,3}(?:[ ,.\u00a0']\d{3})+")


class StatedValue(NamedTuple):
    """In rand. A single stated value is both; a ceiling has no minimum."""

    minimum: Decimal | None
    maximum: Decimal | None


@lru_cache(maxsize=8192)
def stated_value(text: str | None) -> StatedValue | None:
    """The value or budget of the contract that ``text`` states, or None.

    An amount counts only where the words just before it call it the contract's value, cost or budget, or a ceiling on the
    contract, and nothing around it says otherwise (fees, deposits, accounts, turnover, thresholds, rates, insurance).
    """
    if not text or not _MONEY.search(text):
        return None
    for pattern in (_RANGE, _STATED, _CAP):
        for match in pattern.finditer(text):
            found = _read(match, text, capped=pattern is _CAP)
            if found:
                return found
    return None


def _read(match: re.Match[str], text: str, *, capped: bool) -> StatedValue | None:
    sentence = text[max(0, match.start() - _BEFORE) : match.start()]
    sentence = re.split(r"[.;\n](?=\s|$)", sentence)[-1] + match[0]
    after = re.split(r"[.;\n](?=\s|$)", text[match.end() : match.end() + _AFTER])[0]
    if _NOT_THE_CONTRACT.search(sentence) or _NOT_THE_CONTRACT.search(after[:40]):
        return None
    groups = [
        group
        for name, group in enumerate(match.groups(), start=1)
        if name not in match.re.groupindex.values()
    ]
    amounts = [_rand(groups[at], groups[at + 1]) for at in range(0, len(groups), 2) if groups[at]]
    if any(amount is None or not _LEAST <= amount <= _MOST for amount in amounts):
        return None
    known = [amount for amount in amounts if amount is not None]
    if len(known) == 2:
        return StatedValue(known[0], known[1]) if known[0] <= known[1] else None
    limit = match.groupdict().get("limit")
    if capped or (limit and limit.strip()):
        return StatedValue(None, known[0])
    return StatedValue(known[0], known[0])


def _rand(digits: str, scale: str | None) -> Decimal | None:
    grouped = _GROUPED.match(digits)
    if grouped:
        whole = re.sub(r"\D", "", grouped[0])
        rest = digits[grouped.end() :]
    else:
        whole, _, fraction = digits.replace(",", ".").partition(".")
        rest = f".{fraction}" if fraction else ""
    number = Decimal(f"{whole}{rest.replace(',', '.')}")
    return number.scaleb(_SCALES[scale.lower()]) if scale else number
