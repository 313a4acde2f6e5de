"""Ask pip-audit about the locked packages. Usage: audit.py LOCK…

Exit 1 when a package has a known weakness. Where the database of weaknesses cannot be reached, or answers without
knowing any (a mirror of the package index may), nothing is known: then the age of each lock is told, and nothing is
called clean.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 90
OLD_DAYS = 60
# A release whose weakness has been known since 2014: who does not know it knows nothing.
CANARY = "jinja2==2.7.2"


def main(locks: list[str]) -> int:
    """One verdict a lock, the worst of them as the exit code."""
    weak = False
    silent = knows_nothing()
    for lock in locks:
        found = silent or ask("--requirement", lock, "--require-hashes")
        if isinstance(found, str):
            age = age_in_days(Path(lock))
            advice = "; renew it: make lock UPGRADE=--upgrade" if age > OLD_DAYS else ""
            print(f"{lock}: NOT AUDITED, the database of weaknesses cannot be asked ({found}).")
            print(f"{lock}: it was renewed {age} days ago{advice}.")
            continue
        faults = [(package, each) for package in found for each in package.get("vulns", [])]
        for package, each in faults:
            fixed = ", ".join(each.get("fix_versions") or []) or "no release yet"
            print(f"{lock}: {package['name']} {package['version']}: {each['id']}; fixed in {fixed}")
        print(f"{lock}: {len(found)} packages asked about, {len(faults)} known weaknesses.")
        weak = weak or bool(faults)
    return 1 if weak else 0


def knows_nothing() -> str | None:
    """Why no answer would mean anything; None when the database knows what it must."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "canary.txt"
        file.write_text(CANARY + "\n")
        found = ask("--requirement", str(file), "--no-deps")
    if isinstance(found, str):
        return found
    known = any(package.get("vulns") for package in found)
    return None if known else f"it does not know the weaknesses of {CANARY}"


def ask(*what: str) -> list[dict[str, Any]] | str:
    """What is known of each package, or why nothing is."""
    command = [sys.executable, "-m", "pip_audit", *what, "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE_SECONDS} s"
    try:
        packages: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        lines = ended.stderr.strip().splitlines()
        return lines[-1][:200] if lines else f"pip-audit ended with {ended.returncode} and no word"
    return packages


def age_in_days(lock: Path) -> int:
    """Since its last commit; where there is no git, since the file was written."""
    command = ["git", "log", "-1", "--format=%ct", "--", lock.name]
    try:
        said = subprocess.run(
            command, cwd=lock.absolute().parent, capture_output=True, text=True, check=True
        ).stdout
        written = int(said)
    except (OSError, ValueError, subprocess.CalledProcessError):
        written = int(lock.stat().st_mtime)
    return (datetime.now(UTC) - datetime.fromtimestamp(written, UTC)).days


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
