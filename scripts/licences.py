"""Write docs/licences.md: every package that is shipped, and its licence as its own metadata tells it."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-extras.lock"
PAGE = ROOT / "docs" / "licences.md"

# Each may be used and passed on by anybody, in anything, with its notice kept; MPL and LGPL ask that changes to the
# package itself stay open, and we change none.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "LGPL-3.0-only",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "PostgreSQL",
    "Unlicense",
    "ZPL-2.1",
}
# What the metadata say in other words, or not at all.
_WORDS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
# Neither metadata nor files of these tell one; we use them as their makers' documentation invites everybody to.
_UNSTATED = {"inngest"}
UNSTATED = "not stated in the package"
# Only installed on other systems than the one that writes the page.
_ELSEWHERE = {"colorama": "BSD-3-Clause"}
_HEAD = """# Licences of the packages

What `requirements-extras.lock` installs (the packages of `requirements.lock` and those of the extras), by the packages'
own metadata. `make licences` renews this page; a test compares it with what is installed and refuses a licence that
`scripts/licences.py` does not allow.

| package | licence |
| --- | --- |
"""


def locked(lock: Path = LOCK) -> list[str]:
    """The names in a lock, in its order."""
    return list(dict.fromkeys(re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), flags=re.MULTILINE)))


def licence_of(name: str) -> str:
    """An SPDX expression; raises LookupError where neither the package nor we know one."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return _ELSEWHERE[name]
    expression = about.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [
        each.rpartition(" :: ")[2] for each in about.get_all("Classifier", []) if each.startswith("License")
    ]
    for given in (*classifiers, about.get("License") or ""):
        known = _WORDS.get(given.strip().lower()) or (given.strip() if given.strip() in ALLOWED else None)
        if known:
            return known
    if name in _UNSTATED:
        return UNSTATED
    raise LookupError(f"{name} tells no licence that is known here: {classifiers or about.get('License')}")


def refused(expression: str) -> set[str]:
    """The parts of an expression that are not allowed; of alternatives one is enough."""
    if expression == UNSTATED:
        return set()
    best: set[str] | None = None
    for alternative in re.split(r"\s+OR\s+", expression.replace("(", " ").replace(")", " ")):
        bad = {part.strip() for part in re.split(r"\s+AND\s+", alternative)} - ALLOWED
        best = bad if best is None or len(bad) < len(best) else best
    return best or set()


def page() -> str:
    """The page's text."""
    return _HEAD + "".join(f"| {name} | {licence_of(name)} |\n" for name in locked())


def main() -> int:
    """Write the page; 1 when a licence is not allowed."""
    PAGE.write_text(page())
    bad = {name: refused(licence_of(name)) for name in locked()}
    for name, parts in bad.items():
        if parts:
            print(
                f"{name}: {', '.join(sorted(parts))} is not on the list in scripts/licences.py",
                file=sys.stderr,
            )
    return 1 if any(bad.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
