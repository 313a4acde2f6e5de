"""`.ci/run`: everything runs, and any failure is the exit status."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_MAKE = """\
#!/bin/sh
echo "made $1"
[ -t 0 ] && exit 9
[ "$CI" = true ] || exit 8
case " $FAILING " in *" $1 "*) exit 3 ;; esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "make").write_text(_MAKE)
    (tools / "chromium").write_text("#!/bin/sh\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("failing", "status"),
    [("", 0), ("test", 1), ("lint", 1), ("types", 1), ("imports", 1), ("docs-check", 1), ("test lint", 1)],
)
def test_every_check_runs_and_one_failure_is_enough(project: Path, failing: str, status: int) -> None:
    ended = subprocess.run(
        [str(project / ".ci" / "run")],
        env={"PATH": f"{project / 'bin'}:{os.environ['PATH']}", "FAILING": failing},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == status, ended
    made = [line.removeprefix("made ") for line in ended.stdout.splitlines() if line.startswith("made ")]
    assert made == ["test", "lint", "types", "imports", "docs-check"]
    assert ("FAILED" in ended.stderr) == bool(failing)
