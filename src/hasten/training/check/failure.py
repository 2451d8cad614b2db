"""An error in a person's own code as one message."""

from hasten.base.errors import BadInput
from hasten.base.user_code import user_location
from hasten.data.batch_text import in_line


def failure(must: str, error: Exception, advice: str = "") -> BadInput:
    """Return the error that says what must hold, what was raised instead, and in which line of the person's code.

    Args:
        must: what must hold; a sentence without its full stop.
        error: what was raised.
        advice: what to do; a sentence.
    """
    location = user_location(error)
    position = f" ({location})" if location else ""
    found = str(error).strip().split("\n")[0].rstrip(".")
    return BadInput(f"{must}; found {type(error).__name__}: {found}{position}. {advice}".rstrip())


def described(value: object) -> str:
    """Return a tensor's shape and dtype, a structure with those of its tensors, or the name of another type."""
    return "nothing" if isinstance(value, (tuple, list)) and not value else in_line(value)
