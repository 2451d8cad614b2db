"""An error in a person's own code as one message."""

from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.user_code import user_location


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
    """Return a tensor's shape and dtype in words, those of several tensors, or the name of another value's type."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, (tuple, list)) and all(isinstance(part, Tensor) for part in value):
        return " and ".join(map(described, value)) or "nothing"
    return type(value).__name__
