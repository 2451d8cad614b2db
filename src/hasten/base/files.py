"""Files that are either whole or absent, also after a crash or a loss of power."""

import errno
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from hasten.base.errors import BadInput


def write_atomically(
    path: Path, write: Callable[[BinaryIO], object], *, before_rename: Callable[[], object] | None = None
) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it into place.

    A reader of `path` sees the old content or the new one, never a part of it; on failure the old file stays. Its mode
    follows the umask.

    Args:
        path: the file to create or replace; its folder is created if missing.
        write: called once with the open temporary file, whose `name` is its path. It may also replace the file of that
            name, as safetensors does.
        before_rename: called when the new content is on disk and the old file is still in place.

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
            write(file)  # type: ignore[arg-type]  (a named temporary file is a binary file)
        _sync_file(temporary, mode=0o666 & ~_umask())  # by name: `write` may have replaced the file that was opened
        if before_rename is not None:
            before_rename()
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _remove(temporary)
        raise _unwritable(path, error) from error
    except BaseException:
        _remove(temporary)
        raise


def _remove(temporary: Path) -> None:
    """Delete a file that failed; in a folder that became read-only it stays for `remove_leftovers`."""
    with suppress(OSError):  # the error that is raised is the first one
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; see `write_atomically`."""
    write_atomically(path, lambda file: file.write(text.encode()))


def check_writable(path: Path) -> None:
    """Raise unless a file can be written there: before something that takes long, not after it.

    Raises:
        BadInput: if it is a folder, or its folder cannot be written.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _unwritable(path, error) from error


def remove_leftovers(path: Path) -> None:
    """Delete the temporary files of `path` that killed processes left; nothing may be writing `path` meanwhile.

    Those of safetensors, which writes beside the file that it is to write, are among them.
    """
    leftover = re.compile(
        rf"\.{re.escape(path.name)}\.\w+\.tmp" + (r"|\.tmp\w{6}" if path.suffix == ".safetensors" else "")
    )
    for file in path.parent.iterdir() if path.parent.is_dir() else ():
        if leftover.fullmatch(file.name) and file.is_file() and not file.is_symlink():
            file.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, so that a rename in it survives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: Path, *, mode: int) -> None:
    """Set the mode of a file and flush its content to disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"cannot write {path}: {error.strerror or error}. Existing files are unchanged. "
        "Free some space or choose another folder."
    )
