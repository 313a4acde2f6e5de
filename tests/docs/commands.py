"""The commands that the documentation shows, and how each of them is tried."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_TOOLS = (
    "protenders", ".venv/bin/protenders", "make", "curl", "docker", "npx", "sudo", "openssl", "git", "timedatectl",
    "scripts/", "cd ", "systemctl", "python", "INNGEST_DEV=", "uvicorn",
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A command and the page that shows it."""

    page: str
    command: str


# Tried by something else: where that is, and a text that has to stand there.
ELSEWHERE = {
    "make run": (".github/workflows/ci.yml", "make run"),
    "make test": (".ci/run", "make test"),
    "make docs-check": (".ci/run", "make docs-check"),
    "make audit": (".github/workflows/ci.yml", "make audit"),
    "make licences": ("tests/ci/test_licences.py", "licences.page()"),
    "make setup EMBEDDED=no": ("tests/ci/test_setup.py", "EMBEDDED=no"),
    "make setup EXTRAS=yes": ("tests/ci/test_setup.py", "EXTRAS=yes"),
    "make setup PYTHON=…": ("tests/ci/test_setup.py", "PYTHON="),
    "protenders serve --workers 4": ("tests/acceptance/test_workers.py", '"--workers"'),
    "uvicorn --factory app.server:create_app --workers 2 --timeout-graceful-shutdown 5": (
        "tests/acceptance/test_workers.py",
        '"--factory"',
    ),
    "scripts/restore-drill.sh": (".github/workflows/restore-drill.yml", "scripts/restore-drill.sh"),
    "INNGEST_DEV=http://127.0.0.1:8288 python my_app.py": ("tests/engine/stage.py", "serve("),
    "curl -X PUT http://127.0.0.1:8000/api/inngest": ("tests/app/test_external.py", 'put("/api/inngest")'),
    "curl --fail-with-body": ("tests/ci/test_workflows.py", "test_a_refused_event_is_a_red_job_at_once"),
}
# Changes the machine, or needs what a test machine has not: and why.
NOT_TRIED = {
    "make lock": "asks the package index for every package",
    "make chaos": "takes long, and is a test itself",
    "make soak": "takes long, and is a test itself",
    "make bench": "takes minutes of a machine with nothing else to do",
    "protenders bench": "takes minutes of a machine with nothing else to do",
    "sudo useradd": "makes an account",
    "sudo git clone": "needs the repository's address",
    "cd /opt/protenders && sudo make setup": "writes to /opt",
    "sudo make setup": "writes to /opt",
    "sudo install": "writes to /etc",
    "sudo systemctl": "needs systemd as the first process",
    "sudo journalctl": "needs systemd as the first process",
    "git pull": "needs the repository's address",
    "timedatectl set-ntp true": "sets the clock",
    "docker": "needs a container engine",
    "npx inngest-cli": "downloads Inngest's server",
}


def shown() -> list[Shown]:
    """Every command of every page, in the order of reading; a here-document is one command with its lines."""
    found: list[Shown] = []
    for page in PAGES:
        text = page.read_text()
        pieces = [(m.start(), m[2].splitlines()) for m in _BLOCK.finditer(text) if m[1] in {"console", "sh"}]
        prose = _BLOCK.sub(lambda m: " " * len(m[0]), text)
        pieces += [(m.start(), [m[1]]) for m in _INLINE.finditer(prose) if _is_command(m[1])]
        for _, lines in sorted(pieces):
            found += [Shown(page.name, command) for command in _joined(lines)]
    return found


def _is_command(text: str) -> bool:
    word = text.split(" ", maxsplit=1)[0]
    return (" " in text or text.endswith(".sh")) and any(
        word == tool or (tool[-1] in "/=" and word.startswith(tool)) for tool in _TOOLS
    )


def _joined(lines: list[str]) -> list[str]:
    commands: list[str] = []
    end = None
    for line in lines:
        if end is not None:
            commands[-1] += f"\n{line}"
            end = None if line == end else end
        elif line.strip():
            commands.append(re.sub(r"\s+#.*$", "", line).removeprefix("$ ").strip())
            here = re.search(r"<<(\w+)$", line)
            end = here[1] if here else None
    return commands


def kept_elsewhere(command: str) -> str | None:
    """The entry of ELSEWHERE or NOT_TRIED that covers a command."""
    if command in ELSEWHERE:
        return command
    return next((start for start in NOT_TRIED if command.startswith(start)), None)
