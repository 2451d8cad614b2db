"""Packages that hasten uses only where they are installed."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from hasten.base.errors import BadInput


def attribute_of(modules: Sequence[str], name: str, *, missing: str) -> Any:
    """Return an attribute of the first of these modules that is installed.

    Raises:
        BadInput: with the message `missing`, if none is.
    """
    for module in modules:
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError:
            continue
    raise BadInput(missing)
