"""What to do with a sample that cannot be used: stop with an error, or leave it out and say so."""

from typing import Literal

from hasten.base.errors import BadInput

OnBad = Literal["raise", "skip"]


def leave_out(error: BadInput, policy: OnBad, skipped: list[str]) -> None:
    """Raise `error`, or note its message in `skipped`, as the policy says."""
    if policy == "raise":
        raise error
    skipped.append(str(error))
