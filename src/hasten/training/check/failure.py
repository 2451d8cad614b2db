"""What is wrong with a task as one message: an error in a person's own code, and the batch that it was found with."""

from collections.abc import Generator
from contextlib import contextmanager

from hasten.base.errors import BadInput
from hasten.base.user_code import message_of, user_location
from hasten.data.batch import Batch
from hasten.data.batch_text import in_line
from hasten.data.batch_tree import tree_text
from hasten.data.loading.streams import samples_in


def failure(must: str, error: Exception, advice: str = "") -> BadInput:
    """Return the error that says what must hold, what was raised instead, and in which line of the person's code.

    Args:
        must: what must hold; a sentence without its full stop.
        error: what was raised.
        advice: what to do; a sentence.
    """
    location = user_location(error)
    position = f" ({location})" if location else ""
    return BadInput(f"{must}; found {message_of(error)}{position}. {advice}".rstrip())


@contextmanager
def with_batch(batch: Batch, part: str) -> Generator[None]:
    """Add what the batch looks like to the message of a `BadInput` that is raised inside.

    Args:
        batch: that the body works with.
        part: "training" or "validation".
    """
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{error}\n{batch_text(batch, part)}") from error


def batch_text(batch: Batch, part: str) -> str:
    """Return a batch as lines: how many samples it has, and its leaves."""
    size = samples_in(batch)
    return tree_text(batch, f"The {part} batch, {size} sample{'s' * (size != 1)}")


def described(value: object) -> str:
    """Return a tensor's shape and dtype, a structure with those of its tensors, or the name of another type."""
    return "nothing" if isinstance(value, (tuple, list)) and not value else in_line(value)
