"""The command line. One file per command group; each imports what it needs when it runs, so that help is quick."""

from app.cli.main import main

__all__ = ["main"]
