"""Dockerfile, compose file and unit, as far as they can be checked without a container engine."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import typer.main
import yaml

from app.cli.main import app as cli
from app.settings import Settings

ROOT = Path(__file__).parents[2]


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def _arguments(instruction: str) -> list[str]:
    [found] = [rest for name, rest in _instructions() if name == instruction]
    parsed: list[str] = yaml.safe_load(found)
    return parsed


def _compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def _serve_options() -> set[str]:
    command: Any = typer.main.get_command(cli)
    return {option for parameter in command.commands["serve"].params for option in parameter.opts}


def test_the_image_installs_by_hash_and_does_not_run_as_root() -> None:
    runs = [rest for name, rest in _instructions() if name == "RUN"]
    assert [run for run in runs if '-r "$LOCK"' in run and "--require-hashes" in run]
    assert ("ARG", "LOCK=requirements.lock") in _instructions()
    assert [run for run in runs if "--no-deps" in run and "--no-build-isolation" in run]
    names = [name for name, _ in _instructions()]
    [user] = [rest for name, rest in _instructions() if name == "USER"]
    assert user == "protenders"
    assert names.index("USER") > len(names) - 1 - names[::-1].index("RUN"), "nothing is installed after it"


def test_what_the_image_copies_exists_and_no_secret_or_data_goes_along() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name, rest in _instructions():
        if name == "COPY" and not rest.startswith("--from"):
            assert all((ROOT / source).exists() for source in rest.split()[:-1]), rest
    assert {".git", ".env", ".protenders", ".venv"} <= set(ignored)


def test_the_image_starts_a_command_that_exists_and_checks_its_health() -> None:
    assert _arguments("ENTRYPOINT") == ["protenders"]
    command, *options = _arguments("CMD")
    assert command == "serve"
    assert {option for option in options if option.startswith("--")} <= _serve_options()
    [check] = [rest for name, rest in _instructions() if name == "HEALTHCHECK"]
    program = yaml.safe_load(check.partition("CMD ")[2])
    assert program[:2] == ["python", "-c"]
    compile(program[2], "health check", "exec")
    assert "/readyz" in program[2]


def test_compose_gives_the_app_settings_that_exist() -> None:
    environment = _compose()["services"]["app"]["environment"]
    # uvicorn reads the proxies that it believes by itself.
    assert {name.lower() for name in environment} <= {*Settings.model_fields, "forwarded_allow_ips"}


def test_compose_publishes_on_loopback_only_and_keeps_every_volume() -> None:
    compose = _compose()
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], name
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name


def test_inngest_is_only_there_when_asked_for() -> None:
    services = _compose()["services"]
    assert {name for name, service in services.items() if "profiles" not in service} == {"app", "db"}
    assert {name for name, service in services.items() if service.get("profiles") == ["inngest"]} == {
        "inngest",
        "inngest-db",
        "redis",
    }


def test_every_value_that_compose_asks_for_is_told_at_its_head() -> None:
    text = (ROOT / "compose.yaml").read_text()
    head = text.split("services:")[0]
    needed = {name for name, default in re.findall(r"\$\{([A-Z_]+)(:[-?][^}]*)?\}", text) if not default}
    asked = {name for name, default in re.findall(r"\$\{([A-Z_]+)(:[-?][^}]*)?\}", text) if ":?" in default}
    assert needed <= asked, "a value without a default has to be asked for where it is used first"
    assert all(name in head for name in asked)


def test_the_unit_starts_a_command_that_exists_and_stops_it_in_order() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "docs" / "systemd" / "protenders.service")
    service = unit["Service"]
    program, command, *options = shlex.split(service["ExecStart"])
    assert Path(program).name == "protenders"
    assert command == "serve"
    assert {option for option in options if option.startswith("--")} <= _serve_options()
    assert service["KillMode"] == "mixed"
    assert service["User"] == "protenders"
