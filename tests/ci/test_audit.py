"""`make audit`: a known weakness fails it, and what could not be asked is never called clean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def audit(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a pip-audit that does this."""
    package = tmp_path / "pip_audit"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(f"import sys\n{script}\n")
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "audit.py"), "requirements.lock"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_database_the_age_is_told_and_nothing_is_called_clean(tmp_path: Path) -> None:
    ended = audit(tmp_path, "sys.exit('ERROR: could not connect')")
    assert ended.returncode == 0
    assert "NOT AUDITED" in ended.stdout
    assert "could not connect" in ended.stdout
    assert "days ago" in ended.stdout
    assert "0 known weaknesses" not in ended.stdout


def test_a_database_that_knows_no_weakness_at_all_is_none(tmp_path: Path) -> None:
    answer = {"dependencies": [{"name": "jinja2", "version": "2.7.2", "vulns": []}]}
    ended = audit(tmp_path, f"print({json.dumps(answer)!r})")
    assert ended.returncode == 0
    assert "NOT AUDITED" in ended.stdout
    assert "0 known weaknesses" not in ended.stdout


_CANARY = json.dumps({"dependencies": [{"name": "jinja2", "version": "2.7.2", "vulns": [{"id": "PYSEC-0"}]}]})


@pytest.mark.parametrize(
    ("vulnerabilities", "status", "said"),
    [
        ([], 0, "1 packages asked about, 0 known weaknesses"),
        ([{"id": "PYSEC-1", "fix_versions": ["2.0"]}], 1, "leaky 1.0: PYSEC-1; fixed in 2.0"),
    ],
)
def test_what_the_database_says_decides(
    tmp_path: Path, vulnerabilities: list[dict[str, object]], status: int, said: str
) -> None:
    answer = {"dependencies": [{"name": "leaky", "version": "1.0", "vulns": vulnerabilities}]}
    script = f"print({_CANARY!r} if '--no-deps' in sys.argv else {json.dumps(answer)!r}); sys.exit({status})"
    ended = audit(tmp_path, script)
    assert ended.returncode == status
    assert said in ended.stdout
