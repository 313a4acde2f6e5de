"""The locks: complete, hashed, in step with pyproject.toml, and tied to no index and no machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {
    "requirements.lock": ("build",),
    "requirements-extras.lock": ("build",),
    "requirements-dev.lock": ("build", "dev"),
    "requirements-bench.lock": ("build", "dev", "bench"),
}


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _pinned(lock: str) -> dict[str, str]:
    """Package → version. Names appear once, or once per marker."""
    text = (ROOT / lock).read_text()
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_host_or_path(lock: str) -> None:
    text = (ROOT / lock).read_text()
    for line in text.splitlines():
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+==\S+( ; .*)? \\"
            r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
            r"|    # via( .*)?"
            r"|    #   (-c requirements(-dev|-extras)?\.lock|protenders \(pyproject\.toml(:\w+)?\)|[A-Za-z0-9._-]+)",
            line,
        ), line
    assert "/" not in text
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_its_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(("lock", "groups"), LOCKS.items())
def test_a_lock_is_in_step_with_the_project(lock: str, groups: tuple[str, ...]) -> None:
    project = _project()
    wanted = list(project["project"]["dependencies"])
    if lock != "requirements.lock":
        wanted += [each for extra in project["project"]["optional-dependencies"].values() for each in extra]
    for group in groups:
        wanted += project["dependency-groups"][group]
    pinned = _pinned(lock)
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {lock}: run `make lock`"
        assert requirement.specifier.contains(version), (
            f"{lock} has {requirement.name} {version}: run `make lock`"
        )


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-extras.lock"])
def test_tests_run_on_the_versions_that_are_shipped(lock: str) -> None:
    shipped, tested = _pinned(lock), _pinned("requirements-dev.lock")
    assert {name: tested.get(name) for name in shipped} == shipped
