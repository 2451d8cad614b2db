"""Another function in the place of an attribute, for a while."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Generator[None]:
    """Replace a function of a class or a module by `change(function)` until the body ends.

    An inherited function is inherited again afterwards. One that somebody put in its place in the meantime stays.
    """
    plain, own = getattr(owner, name), name in vars(owner)
    made = change(plain)
    setattr(owner, name, made)
    try:
        yield
    finally:
        if getattr(owner, name) is made:
            if own:
                setattr(owner, name, plain)
            else:
                delattr(owner, name)
