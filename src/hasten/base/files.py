"""Files that are either whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from hasten.base.errors import BadInput


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it into place.

    Whoever reads `path` sees the old content or the new one, never a part; a failure leaves the old file.

    Args:
        path: the file to make or replace; its folder is made if missing.
        write: called once with the open temporary file, whose `name` is its path.

    Raises:
        BadInput: if the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115  (closed below, before it is renamed)
            prefix=f".{path.name}.", suffix=".tmp", dir=path.parent, delete=False
        )
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(file.name)
    try:
        with file:
            os.fchmod(file.fileno(), 0o666 & ~_umask())  # a temporary file is made for its owner alone
            write(file)  # type: ignore[arg-type]  (a named temporary file is a binary file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; see `write_atomically`."""
    write_atomically(path, lambda file: file.write(text.encode()))


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, so that a rename in it outlives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"{path} must be writable; found: {error.strerror or error}. "
        "Nothing that existed was changed. Free some space or choose another folder."
    )
