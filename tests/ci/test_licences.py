"""Every package that is shipped has a licence that we allow, and docs/licences.md says which."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "scripts" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["licences"] = module
    spec.loader.exec_module(module)
    return module


def test_every_licence_is_on_the_list(licences: ModuleType) -> None:
    names = licences.locked()
    assert len(names) > 40
    bad = {name: licences.refused(licences.licence_of(name)) for name in names}
    assert {name: parts for name, parts in bad.items() if parts} == {}


def test_the_page_says_what_the_packages_say(licences: ModuleType) -> None:
    assert (ROOT / "docs" / "licences.md").read_text() == licences.page(), "run `make licences`"


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("MIT", set()),
        ("MIT OR GPL-3.0-only", set()),
        ("MIT AND GPL-3.0-only", {"GPL-3.0-only"}),
        ("(Apache-2.0 OR MIT)", set()),
        ("AGPL-3.0-only", {"AGPL-3.0-only"}),
    ],
)
def test_an_expression_is_read_as_spdx_means_it(
    licences: ModuleType, expression: str, refused: set[str]
) -> None:
    assert licences.refused(expression) == refused
