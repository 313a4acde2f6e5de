"""The root command, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from app.cli import account, database, engine, events, export, job, serve, tools
from app.cli.outcome import CommandError, Exit

app = typer.Typer(
    name="protenders",
    help="South Africa's public tenders: complete, correct and soon after publication.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (serve, events, job, export, engine, tools):
    group.register(app)
app.add_typer(database.app, name="db")
app.add_typer(account.app, name="users")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code. Never shows a traceback for a foreseeable error."""
    raise SystemExit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    command = typer.main.get_command(app)
    try:
        result = command.main(
            args=list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False
        )
    except typer.Abort:
        return _fail("Stopped.", Exit.INTERRUPTED)
    except KeyboardInterrupt:
        return _fail("Stopped.", Exit.INTERRUPTED)
    except CommandError as problem:
        return _fail(str(problem), problem.code)
    except BrokenPipeError:
        # The reader of our output went away (`protenders jobs | head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.SUCCESS
    except Exception as problem:
        known = _known(problem)
        if known is None:
            raise
        return _fail(*known)
    return int(result) if isinstance(result, int) else Exit.SUCCESS


def _known(problem: Exception) -> tuple[str, int] | None:
    """The message and exit code of the errors that a user can mend."""
    import sqlalchemy.exc
    from pydantic import ValidationError

    from app.database import DatabaseUnavailableError
    from app.settings import SettingsError

    show = getattr(problem, "format_message", None)
    if callable(show):
        context = getattr(problem, "ctx", None)
        hint = f"\nTry `{context.command_path} --help`." if context is not None else ""
        return f"{show()}{hint}", Exit.USAGE
    if isinstance(problem, SettingsError):
        return "\n".join(problem.problems), Exit.USAGE
    if isinstance(problem, DatabaseUnavailableError):
        return str(problem), Exit.FAILED
    if isinstance(problem, sqlalchemy.exc.OperationalError):
        reason = str(problem.orig).strip().splitlines()[0] if problem.orig else str(problem)
        return (
            f"The database did not answer: {reason}. `protenders doctor` tests it step by step.",
            Exit.FAILED,
        )
    if isinstance(problem, ValidationError):
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in problem.errors())
        return f"The event's data cannot be used: {faults}", Exit.USAGE
    return None


def _fail(message: str, code: int) -> int:
    sys.stdout.flush()
    print(message, file=sys.stderr)
    return int(code)
