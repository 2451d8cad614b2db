"""Another function in the place of one of `torch.nn.functional`."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch.nn import functional as F


@contextmanager
def in_functional(**functions: Callable[..., Any]) -> Generator[None]:
    """Let functions of `torch.nn.functional` be others for the body, for all code that looks them up there."""
    before = {name: getattr(F, name) for name in functions}
    try:
        for name, function in functions.items():
            setattr(F, name, function)
        yield
    finally:
        for name, function in before.items():
            setattr(F, name, function)
