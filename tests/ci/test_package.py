"""The built package holds all that the checkout runs on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("app", "db", "engine", "enrichment", "functions", "migrations", "ocds")
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")


def test_a_wheel_has_every_file_of_every_room_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    files = [path for room in ROOMS for path in (source / room).rglob("*") if path.is_file()]
    expected = {str(path.relative_to(source)) for path in files}

    # As a frontend such as pip would, but without needing one.
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)

    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == expected
