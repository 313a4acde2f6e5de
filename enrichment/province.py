"""The nine provinces and "National", as the portal's filter names them."""

import re
from functools import lru_cache

NATIONAL = "National"
PROVINCES = (
    "Eastern Cape",
    "Free State",
    "Gauteng",
    "KwaZulu-Natal",
    "Limpopo",
    "Mpumalanga",
    NATIONAL,
    "North West",
    "Northern Cape",
    "Western Cape",
)
_LETTERS = re.compile(r"[^a-z]")
_BY_KEY = {_LETTERS.sub("", name.lower()): name for name in PROVINCES} | {
    "ec": "Eastern Cape",
    "fs": "Free State",
    "freestateprovince": "Free State",
    "gp": "Gauteng",
    "gauteng": "Gauteng",
    "kzn": "KwaZulu-Natal",
    "kz": "KwaZulu-Natal",
    "natal": "KwaZulu-Natal",
    "lp": "Limpopo",
    "lim": "Limpopo",
    "mp": "Mpumalanga",
    "mpupalanga": "Mpumalanga",
    "nw": "North West",
    "northwestern": "North West",
    "nc": "Northern Cape",
    "wc": "Western Cape",
    "southafrica": NATIONAL,
    "nationwide": NATIONAL,
    "allprovinces": NATIONAL,
}


@lru_cache(maxsize=16384)
def province_of(text: str) -> str | None:
    """The province that a source's own province field names, whatever its case and dashes; None when unknown."""
    key = _LETTERS.sub("", text.lower())
    return _BY_KEY.get(key) or _BY_KEY.get(key.removesuffix("province").removeprefix("the"))
