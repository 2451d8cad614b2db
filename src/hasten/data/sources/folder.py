"""The files of a folder. Links are followed; what is no regular file is named and never opened."""

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name

_JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_SPECIAL = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_MOST_VISITS = 100  # of one folder, through different links

_Id = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An entry of a folder that is not read.

    Args:
        name: its path in the folder, with forward slashes; a folder's ends with one.
        reason: what it is: "a FIFO", "a broken link".
        is_bad: whether a file was to be expected there, as for a broken link; a FIFO is none by design.
    """

    name: str
    reason: str
    is_bad: bool


@dataclass(frozen=True)
class Contents:
    """What a folder holds, hidden entries left out, by paths with forward slashes; each folder's files come first."""

    files: tuple[str, ...]
    folders: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]


def contents_of(root: Path) -> Contents:
    """Return every file and folder below `root`, in the order of their names.

    A link to a folder that contains it is an obstacle, so that the walk ends.

    Raises:
        BadInput: if links lead to one folder more than 100 times.
    """
    base = os.fspath(root)
    files: list[str] = []
    folders: list[str] = []
    obstacles: list[Obstacle] = []
    visits: Counter[_Id] = Counter()
    stack: list[tuple[str, tuple[_Id, ...]]] = [("", (_identity(os.stat(root)),))]
    while stack:
        folder, above = stack.pop()
        if folder:
            folders.append(folder)
        try:
            names = sorted(os.listdir(f"{base}/{folder}"))
        except OSError as error:
            obstacles.append(Obstacle(f"{folder}/", f"not readable ({error.strerror})", is_bad=True))
            continue
        inner: list[tuple[str, tuple[_Id, ...]]] = []
        for name in names:
            if hidden(name):
                continue
            path = f"{folder}/{name}" if folder else name
            whole = f"{base}/{path}"
            try:
                found = os.stat(whole)
            except OSError as error:
                reason = "a broken link" if os.path.islink(whole) else f"not readable ({error.strerror})"
                obstacles.append(Obstacle(path, reason, is_bad=True))
                continue
            if stat.S_ISDIR(found.st_mode):
                identity = _identity(found)
                if identity in above:
                    obstacles.append(Obstacle(f"{path}/", "a link to a folder that contains it", is_bad=False))
                    continue
                visits[identity] += 1
                if visits[identity] > _MOST_VISITS:
                    raise BadInput(
                        f"{printable_name(whole)} is reached through more than {_MOST_VISITS} links. Remove some."
                    )
                inner.append((path, (*above, identity)))
            elif not stat.S_ISREG(found.st_mode):
                obstacles.append(Obstacle(path, _SPECIAL.get(stat.S_IFMT(found.st_mode), "no file"), is_bad=False))
            elif not os.access(whole, os.R_OK):
                obstacles.append(Obstacle(path, "not readable (Permission denied)", is_bad=True))
            else:
                files.append(path)
        stack += reversed(inner)
    return Contents(tuple(files), tuple(folders), tuple(obstacles))


def _identity(found: os.stat_result) -> _Id:
    return found.st_dev, found.st_ino


def hidden(name: str) -> bool:
    """Return whether an entry is passed over: hidden, or kept by a file manager for itself."""
    return name.startswith(".") or name in _JUNK
