"""The benchmarks behind `protenders bench`: each prints its figures beside its yardsticks of the same run."""

from __future__ import annotations

import importlib
from typing import Any

WHAT = ("save", "sync", "engine")


def run(what: str) -> dict[str, Any]:
    """The figures of one benchmark, or of `all`, by name; takes minutes."""
    names = WHAT if what == "all" else (what,)
    return {name: importlib.import_module(f"app.bench.{name}").run() for name in names}


def as_text(found: dict[str, Any]) -> str:
    """The figures for people."""
    parts = [importlib.import_module(f"app.bench.{name}").as_text(figures) for name, figures in found.items()]
    return "\n\n".join(parts)


def main(json: bool) -> int:
    """Run the engine's benchmark and print it; what `python -m app.bench` does."""
    import sys
    from json import dumps

    found = run("engine")
    sys.stdout.write((dumps(found, indent=2) if json else as_text(found)) + "\n")
    return 0
