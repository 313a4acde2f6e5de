"""How a job ended: one pure function decides, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Status = Literal["SUCCESS", "PARTIAL", "FAILED"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A job's final status and the note that explains it."""

    status: Status
    note: str


def of_sync(
    *,
    list_problems: Sequence[str],
    portal_problem: str | None,
    other_problems: Sequence[str],
    went_on: bool,
    missing: int,
    awaiting: int,
) -> Verdict:
    """SUCCESS: every source was read and nothing is missing. FAILED: neither source could be read, and so the
    sync went no further. Else PARTIAL.

    A tender whose release is still to come is saved from its portal row, and so is not missing.
    """
    problems = [*list_problems, *([portal_problem] if portal_problem else []), *other_problems]
    if not went_on:
        return Verdict("FAILED", f"neither source could be read: {_joined(problems)}")
    if missing:
        many = f"{missing} tenders that must exist are missing; they are asked for again"
        problems.append(
            "1 tender that must exist is missing; it is asked for again" if missing == 1 else many
        )
    if problems:
        return Verdict("PARTIAL", _joined(problems))
    if awaiting:
        return Verdict(
            "SUCCESS", f"everything is there; {awaiting} tenders still come from their portal rows alone"
        )
    return Verdict("SUCCESS", "everything is there")


def of_work(problems: Sequence[str], *, done: str) -> Verdict:
    """For a job of one piece of work: PARTIAL with its problems, or SUCCESS with what was done."""
    return Verdict("PARTIAL", _joined(problems)) if problems else Verdict("SUCCESS", done)


def _joined(problems: Sequence[str]) -> str:
    return "; ".join(problem.removesuffix(".") for problem in problems)
