"""Libraries that only some sources need, imported when one is read."""

import importlib
from typing import Any

from hasten.base.errors import BadInput


def require(module: str, *, package: str, what: str) -> Any:
    """Return a module that may not be installed.

    Args:
        module: its full name.
        package: what to install to have it.
        what: what needs it, for the error message.

    Raises:
        BadInput: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BadInput(
            f"{what} need {package}, which is not installed. Install it: pip install 'hasten[data]'."
        ) from error


def arrow(part: str = "") -> Any:
    """Return pyarrow, or the part of it with this name.

    Raises:
        BadInput: if it is not installed.
    """
    return require(f"pyarrow.{part}" if part else "pyarrow", package="pyarrow", what="tables (CSV, Parquet)")
