"""Results of long computations, each in a file of its own, so that a benchmark can run in parts."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hasten.base.files import write_text

Kept = TypeVar("Kept")


def keep(found: Any, path: Path) -> None:
    """Write a result as JSON, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, msgspec.json.encode(found).decode())


def kept_at(path: Path, kind: type[Kept]) -> Kept | None:
    """Return the result that a file keeps; None where there is none."""
    return msgspec.json.decode(path.read_bytes(), type=kind) if path.exists() else None
