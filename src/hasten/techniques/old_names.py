"""Techniques by the names that they had before."""

import tomllib
import warnings
from functools import cache
from importlib.resources import files

from hasten.base.errors import HastenWarning


@cache
def old_names() -> dict[str, str]:
    """Return old name -> current name."""
    return tomllib.loads((files("hasten.techniques") / "old_names.toml").read_text(encoding="utf-8"))


def current_name(name: str) -> str:
    """Return the current name of a technique, with a warning where the given one is old."""
    if name not in old_names():
        return name
    new = old_names()[name]
    warnings.warn(f"the technique {name!r} is now called {new!r}", HastenWarning, stacklevel=2)
    return new
