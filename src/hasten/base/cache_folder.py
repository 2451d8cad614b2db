"""The one folder in which hasten keeps what it can make again: packed data, compiled kernels, measured machines."""

import logging
import os
import tempfile
from functools import cache
from pathlib import Path

from hasten.base.errors import BadInput

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return hasten's cache folder: in `$XDG_CACHE_HOME`, or else in `~/.cache`.

    Where that cannot be written, a temporary folder serves until the process ends; this is logged once.

    Raises:
        BadInput: if no temporary folder can be made either.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(base) if base else Path.home() / ".cache") / "hasten"
    except RuntimeError:
        return _temporary("the user has no home folder")
    return folder if _can_be_written(folder) else _temporary(f"{folder} cannot be written")


def _can_be_written(folder: Path) -> bool:
    """Return whether files can be made in a folder, or the folder itself; makes nothing."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError:
        return False  # a folder above it cannot be entered
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@cache
def _temporary(reason: str) -> Path:
    try:
        folder = tempfile.TemporaryDirectory(prefix="hasten-", ignore_cleanup_errors=True)
    except OSError as error:
        raise BadInput(
            f"there is no folder for the cache: {reason}, and neither can a temporary one ({error.strerror}). "
            "Set XDG_CACHE_HOME to a folder that can be written."
        ) from error
    _kept.append(folder)
    _log.warning(
        "no cache: %s, so packed data, kernels and measurements are kept for this run only. "
        "Set XDG_CACHE_HOME to a folder that can be written.",
        reason,
    )
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []  # deleted when the process ends
