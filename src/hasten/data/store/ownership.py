"""Which files in a folder hasten wrote: only those are ever overwritten or deleted.

A store lists its files in its manifest, a folder that is being packed in its lock file. Both lists are read leniently,
so that a damaged store can still be replaced; a file that damage hides from the list counts as someone else's.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path

from hasten.base.errors import BadInput
from hasten.data.store.manifest import MANIFEST

LOCK = "lock"
PROGRESS = "progress.json"
_STORED_FILE = re.compile(rb'"file": "([^"/\\]+\.npy)"')
_TEMPORARY = re.compile(rf"\.({re.escape(MANIFEST)}|{re.escape(PROGRESS)})\..*\.tmp")


def store_files(folder: Path) -> frozenset[str]:
    """Return the names of the files that belong to a store; empty if the folder has no manifest of a store."""
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError:
        return frozenset()
    names = {name.decode(errors="replace") for name in _STORED_FILE.findall(content)}
    if not names or (b'"schema_version"' not in content and b'"block_bytes"' not in content):
        return frozenset()
    return frozenset({*names, MANIFEST, LOCK, PROGRESS})  # the last two stay if a process dies in its last step


def partial_files(folder: Path) -> frozenset[str]:
    """Return the names of the files that belong to an unfinished store; empty if the folder has no lock of one."""
    try:
        names = json.loads((folder / LOCK).read_bytes())["hasten_pack"]
    except (OSError, ValueError, TypeError, KeyError):
        return frozenset()
    return frozenset({*names, MANIFEST, LOCK, PROGRESS})


def lock_content(names: Collection[str]) -> str:
    """Return what the lock file says: the arrays that this folder is for."""
    return json.dumps({"hasten_pack": sorted(names)})


def refuse_foreign(folder: Path, own: Collection[str], destination: Path) -> None:
    """Raise if a folder holds anything that is not one of hasten's own files.

    Raises:
        BadInput: names the first such file.
    """
    foreign = sorted(entry.name for entry in folder.iterdir() if not _is_own(entry, own))
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise BadInput(
            f"{folder} contains {foreign[0]!r}{more}, not written by hasten pack; nothing was changed. "
            f"Move it away, or choose another folder than {destination}."
        )


def _is_own(entry: Path, own: Collection[str]) -> bool:
    if entry.is_symlink() or not entry.is_file():
        return False
    return entry.name in own or (bool(own) and _TEMPORARY.fullmatch(entry.name) is not None)


def remove_own(folder: Path, own: Collection[str]) -> None:
    """Delete hasten's own files in a folder."""
    for entry in list(folder.iterdir()):
        if _is_own(entry, own):
            entry.unlink()
