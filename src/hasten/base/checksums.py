"""A file with its SHA-256 beside it, in the format of `sha256sum`: a change since it was written is noticed."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically, write_text

SUFFIX = ".sha256"


def write_with_checksum(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file atomically, and its checksum to `path.sha256`.

    While a file that is there is replaced, the checksum of the old content stays beside that of the new one, so that
    whichever a kill leaves there is whole.

    Raises:
        BadInput: if it cannot be written; the existing file is unchanged.
    """
    beside, written = checksum_path(path), ""

    def hashed(file: BinaryIO) -> None:
        nonlocal written
        write(file)
        file.flush()
        written = f"{digest_of(Path(file.name))}  {path.name}\n"  # by name: `write` may have replaced the file

    def note() -> None:
        old = beside.read_text(encoding="utf-8", errors="replace") if path.exists() and beside.exists() else ""
        write_text(beside, written + old)

    write_atomically(path, hashed, before_rename=note)
    write_text(beside, written)


def check_checksum(path: Path) -> None:
    """Compare a file with the checksum beside it; one that has none, as of an earlier version, passes.

    Raises:
        BadInput: if the file is not the one that was written.
    """
    beside = checksum_path(path)
    if not path.exists() or not beside.exists():
        return
    known = {line.split("  ")[0] for line in beside.read_text(encoding="utf-8", errors="replace").splitlines()}
    if digest_of(path) not in known:
        raise BadInput(f"{path} is damaged: its content does not match {beside.name}. Restore it from a copy.")


def checksum_path(path: Path) -> Path:
    """Return where the checksum of a file is."""
    return path.with_name(path.name + SUFFIX)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
