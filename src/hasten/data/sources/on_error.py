"""What to do with a sample that cannot be used: stop with an error, or leave it out and say so."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from hasten.base.errors import BadInput

OnBad = Literal["raise", "skip"]


def leave_out(error: BadInput, policy: OnBad, skipped: list[str]) -> None:
    """Raise `error`, or note its message in `skipped`, as the policy says."""
    if policy == "raise":
        raise error
    skipped.append(str(error))


def left_out_notes(source: Path, skipped: Sequence[str]) -> tuple[str, ...]:
    """Return one sentence that counts what was left out of a source and quotes the first, or none."""
    return (f"{source}: {len(skipped)} left out; the first: {skipped[0]}",) if skipped else ()


def other_files_notes(source: Path, counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return one sentence that says how many files were passed over for their endings, or none."""
    kinds = ", ".join(f"{count} of {ending or 'no ending'}" for ending, count in counts.items())
    return (f"{source}: files of other kinds were not read: {kinds}",) if counts else ()
