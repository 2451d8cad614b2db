"""The errors that hasten raises, as one small tree.

    HastenError
    ├── BadInput         the caller gave something unusable; the command line exits with 2
    ├── Refused          a technique cannot help here, and says why
    ├── Unstable         the machine is too noisy for a number; none is printed
    ├── GuaranteeBroken  a technique did not keep the guarantee on its card
    ├── TrainingFailed   the person's model, loss or data set raised an error while training
    └── OthersGone       another process of the training ended, or does not answer

`Interrupted` is a KeyboardInterrupt and no error: a person ended the run at once.

A message says what must hold, what was found, where, and what to do about it.
"""

import difflib
from collections.abc import Iterable

_LONGEST_MESSAGE = 300
_MOST_LISTED = 20
"""Names that a message lists beside the nearest ones."""


class HastenError(Exception):
    """Any error that hasten raises on purpose; its message is one that a person can act on."""


class BadInput(HastenError):  # noqa: N818  (named for what it is, as the field says it)
    """The caller gave something that cannot be used: a file, a name, a shape, a value."""


class Refused(HastenError):  # noqa: N818
    """A technique was asked for where it cannot help.

    Args:
        message: the whole sentence.
        reason: why, without the words around it; the message itself where there are none.
    """

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = message if reason is None else reason


class Unstable(HastenError):  # noqa: N818
    """A measurement is too noisy to be told as a fact."""


class GuaranteeBroken(HastenError):  # noqa: N818
    """A technique changed more than its card allows."""


class TrainingFailed(HastenError):  # noqa: N818
    """Code of the task raised an error in the middle of a training."""


class OthersGone(HastenError):  # noqa: N818
    """A process cannot go on because another one of the training ended, or does not answer; that one knows why."""


class Interrupted(KeyboardInterrupt):
    """A second signal ended a run at once; the text says what is saved."""

    def __init__(self, signal_number: int, saved: str) -> None:
        super().__init__(f"interrupted at once. {saved}")
        self.signal_number = signal_number


class HastenWarning(UserWarning):
    """Something that was done otherwise than asked and is worth knowing; the command line prints it as a note."""


def error_text(error: Exception) -> str:
    """Return the kind of an error and the first line of its message; of hasten's own errors the message alone."""
    first = (str(error).strip() or "no message").splitlines()[0][:_LONGEST_MESSAGE].rstrip(".")
    return first if isinstance(error, HastenError) else f"{type(error).__name__}: {first}"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """Return the error for a name that is not known, with the nearest known ones, and all where they are few.

    Args:
        kind: what was named, as a noun ("task", "technique", "knob").
        name: what the caller wrote.
        known: every name that would have been right.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    said = [f"unknown {kind} {name!r}."]
    if near:
        said.append(f"Did you mean {' or '.join(near)}?")
    if not near or len(names) <= _MOST_LISTED:
        said.append(f"Known: {', '.join(names) or 'none'}.")
    return BadInput(" ".join(said))
