"""What the documentation names exists: files, make targets, commands and their options, dependencies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
from packaging.requirements import Requirement

from app.cli.main import app as cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def _code(page: Path) -> list[str]:
    """Every line of code of a page, in blocks and in sentences."""
    found = [block or inline for block, inline in CODE.findall(page.read_text())]
    return [line.split(" #")[0].strip() for text in found for line in text.splitlines()]


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _ids(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in _anchors(file), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in _code(page):
        if made := re.match(r"(?:sudo |cd \S+ && sudo )?make ([a-z][a-z-]*)", line):
            assert made[1] in targets, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    for line in _code(page):
        if called := re.search(r"(?:^|/bin/)protenders ([a-z].*)$", line):
            _resolve(called[1].split("[")[0].split(), f"{page.name}: {line}")


def _resolve(words: list[str], where: str) -> None:
    """Follow the words through the command groups; then every option has to be known to the command."""
    command: Any = typer.main.get_command(cli)
    while hasattr(command, "commands"):
        assert words, f"{where}: a command is missing"
        assert words[0] in command.commands, f"{where}: no such command"
        command = command.commands[words.pop(0)]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    assert given <= known | {"--help"}, f"{where}: no option {', '.join(sorted(given - known))}"


def test_every_dependency_has_its_line_in_the_readme() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    table = (ROOT / "README.md").read_text().split("## Dependencies")[1].split("\n## ")[0]
    unexplained = [
        requirement.name
        for requirement in map(Requirement, project["dependencies"])
        if not re.search(rf"\b{re.escape(requirement.name)}\b", table)
    ]
    assert unexplained == []
