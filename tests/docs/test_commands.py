"""Every command that README and docs show is run here, or in a place that is named; `make docs-check` does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.processes import PROTENDERS, ROOT, Process, answers, environment, free_port, running
from tests.conftest import temporary_database
from tests.docs.commands import ELSEWHERE, NOT_TRIED, kept_elsewhere, shown

PASSWORD = "the pass phrase of the documentation"
STARTED = {
    "protenders replay",
    "protenders replay --port 8001",
    "protenders engine --port 8288",
    "protenders serve --port …",
    "protenders serve --workers 4",
}
# The server has to be stopped for it.
LAST = ".venv/bin/protenders db restore /backups/protenders.dump --yes"


def tried_here() -> list[str]:
    """The commands that are run by the test below, once each, in the order of reading."""
    found = dict.fromkeys(each.command for each in shown() if kept_elsewhere(each.command) is None)
    return [command for command in found if command not in STARTED]


def test_every_other_place_that_tries_a_command_is_there() -> None:
    for command, (place, text) in ELSEWHERE.items():
        path = ROOT / place
        assert path.exists(), f"{command}: {place}"
        assert path.is_dir() or text in path.read_text(), f"{command}: {place} has no {text!r}"


def test_the_lists_name_nothing_that_no_page_shows() -> None:
    commands = {each.command for each in shown()}
    assert len(commands) > 40
    assert [start for start in NOT_TRIED if not any(command.startswith(start) for command in commands)] == []
    assert set(ELSEWHERE) - commands == set()
    assert LAST in commands


def test_what_was_not_tried_is_said_where_it_is_shown() -> None:
    page = " ".join((ROOT / "docs" / "deploy.md").read_text().split())
    assert "What was **not** run" in page
    for word in ("container engine", "Inngest server", "account"):
        assert word in page.split("What was **not** run")[1].split("## ")[0]


@dataclass
class Place:
    """A directory with a `protenders` of this checkout, next to a running server, stand-in and engine."""

    directory: Path
    env: dict[str, str]
    addresses: dict[str, str]
    server: Process

    def here(self, command: str) -> str:
        """The command as it has to be written here."""
        text = command.replace("sudo -u protenders env PROTENDERS_HOME=/var/lib/protenders ", "")
        text = text.replace("/opt/protenders/.venv/bin/protenders", "protenders")
        text = text.replace(".venv/bin/protenders", "protenders").replace("/backups/", f"{self.directory}/")
        text = re.sub(r"\bsend NAME\b", "send tender/alerts.requested", text)
        text = text.replace("NAME", "ada").replace("admin:PASSWORD", f"'admin:{PASSWORD}'")
        for written, real in self.addresses.items():
            text = text.replace(written, real)
        return text.replace("curl ", "curl --fail-with-body --silent --show-error --max-time 60 ")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", self.here(command)],
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@pytest.fixture
def place(pg_server: str, template_database: str, tmp_path: Path) -> Iterator[Place]:
    tools = tmp_path / "bin"
    tools.mkdir()
    protenders = tools / "protenders"
    protenders.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m app.cli "$@"\n')
    protenders.chmod(0o755)
    ports = [free_port() for _ in range(3)]
    server, stand_in, engine = (f"http://127.0.0.1:{port}" for port in ports)
    with (
        temporary_database(pg_server, template=template_database) as url,
        temporary_database(pg_server, template=template_database) as second,
    ):
        env = environment(
            PATH=f"{tools}:{os.environ['PATH']}",
            DATABASE_URL=url,
            PROTENDERS_HOME=str(tmp_path / "home"),
            OCDS_BASE_URL=stand_in,
            ETENDERS_BASE_URL=stand_in,
            ADMIN_PASSWORD=PASSWORD,
            SYNC_CRON="0 0 1 1 *",
        )
        apart = env | {"DATABASE_URL": second, "PROTENDERS_HOME": str(tmp_path / "apart")}
        ids = ("--ids", "136700-136720")
        with (
            running(*PROTENDERS, "replay", "--port", str(ports[1]), *ids, env=env) as first,
            running(*PROTENDERS, "engine", "--port", str(ports[2]), env=apart) as third,
        ):
            answers(first, f"{stand_in}/__replay__/stats")
            answers(third, f"{engine}/health")
            with running(*PROTENDERS, "serve", "--port", str(ports[0]), env=env) as main:
                answers(main, f"{server}/readyz")
                written = ("http://127.0.0.1:8000", "http://127.0.0.1:8001", "http://127.0.0.1:8288")
                yield Place(tmp_path, env, dict(zip(written, (server, stand_in, engine), strict=True)), main)


@pytest.mark.docs
def test_every_command_of_the_documentation_does_what_it_is_shown_for(place: Place) -> None:
    commands = tried_here()
    assert len(commands) >= 20
    failed = []
    for command in [*(each for each in commands if each != LAST), LAST]:
        if command == LAST:
            place.server.interrupt(20)  # no database is replaced under a server
        ended = place.run(command)
        # 3: a sync that leaves something to the next one.
        if ended.returncode not in {0, 3}:
            failed.append(
                f"$ {place.here(command)}\n{ended.returncode}: {ended.stdout[-800:]}{ended.stderr[-800:]}"
            )
    assert not failed, "\n\n".join(failed)
    written = dict(line.split("=", 1) for line in (place.directory / ".env").read_text().splitlines())
    head = (ROOT / "compose.yaml").read_text().split("services:")[0]
    assert [name for name in written if name not in head] == []
    assert len(set(written.values())) == len(written) == 5
