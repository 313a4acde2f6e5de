"""The restore drill that runs every week, run here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.soak
def test_a_backup_of_recorded_tenders_comes_back_equal() -> None:
    protenders = Path(sys.executable).with_name("protenders")
    ended = subprocess.run(
        ["sh", str(ROOT / "scripts" / "restore-drill.sh")],
        env=os.environ | {"PROTENDERS": str(protenders)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "equal." in ended.stdout
