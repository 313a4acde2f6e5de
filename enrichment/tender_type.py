"""What kind of request a tender is: the source's own words in one spelling, and a short category."""

import re
from functools import lru_cache
from typing import NamedTuple


class TenderType(NamedTuple):
    """``name`` as the portal writes it, blanks and brackets mended; ``category`` one of CATEGORIES."""

    name: str
    category: str


_RULES = (
    ("RFQ", "Request for Quotation", re.compile(r"\brfq\b|quotation", re.I)),
    ("RFP", "Request for Proposal", re.compile(r"\brfp\b|proposal", re.I)),
    ("RFI", "Request for Information", re.compile(r"\brfi\b|information", re.I)),
    ("EOI", "Expression of Interest", re.compile(r"\beoi\b|expression|interest", re.I)),
    ("PREQUALIFICATION", "Prequalification", re.compile(r"pre-?qualif", re.I)),
    ("RFB", "Request for Bid (Limited Tender)", re.compile(r"limited|closed|restricted|selective", re.I)),
    ("RFB", "Request for Bid (Open Tender)", re.compile(r"open|\brf[bt]\b|\bbid\b|\btender\b", re.I)),
    ("DEVIATION", "Deviation", re.compile(r"deviation|sole|single|emergency", re.I)),
    ("PARTICIPATION", "Participation", re.compile(r"participat|regulation\s*32|16a6", re.I)),
    ("TRANSVERSAL", "SITA Contract", re.compile(r"\bsita\b", re.I)),
    ("TRANSVERSAL", "Transversal Contract", re.compile(r"transvers", re.I)),
    ("AUCTION", "Auction", re.compile(r"auction|disposal|\bsale\b", re.I)),
)
CATEGORIES = (
    "RFB",
    "RFQ",
    "RFP",
    "RFI",
    "EOI",
    "PREQUALIFICATION",
    "DEVIATION",
    "PARTICIPATION",
    "TRANSVERSAL",
    "AUCTION",
    "OTHER",
)


@lru_cache(maxsize=1024)
def tender_type_of(text: str) -> TenderType:
    """The type that a source's type field names; words that no rule knows stay as they are, category OTHER."""
    for category, name, pattern in _RULES:
        if pattern.search(text):
            return TenderType(name, category)
    return TenderType(text, "OTHER")
