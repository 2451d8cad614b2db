"""`hasten` alone: which command fits what is in this folder."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hasten.scripts.files import defines_task, parsed, trains

_MOST_FILES = 200
_IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
_TABLES = {".csv", ".tsv", ".parquet"}


def suggestions(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield a command for each thing in the folder that hasten can work with, and what that thing is.

    Looks at the first 200 entries, by name, and one folder deep for images.
    """
    for path in islice(sorted(folder.iterdir()), _MOST_FILES):
        name = path.name
        if (tree := parsed(path)) is not None:
            if defines_task(tree):
                yield f"hasten check {name}", "a task: what is understood of it"
                yield f"hasten run {name}", "the same task: profile, tune, train, compare"
            elif trains(tree):
                yield f"hasten profile {name}", "a training script"
        elif path.suffix.lower() in _TABLES:
            yield f"hasten inspect {name}", "a table"
        elif path.is_dir() and (path / "manifest.json").is_file():
            yield f"hasten verify {name}", "a packed store"
        elif path.is_dir() and not name.startswith("."):
            if any(path.glob("*/plan.toml")):
                newest = max(path.glob("*/plan.toml"), key=lambda found: found.stat().st_mtime).parent
                yield f"hasten report {newest.relative_to(folder)}", "the newest run"
            elif any(one.suffix.lower() in _IMAGES for one in islice(path.glob("*/*"), _MOST_FILES)):
                yield f"hasten run images --data {name}", "a folder of images, one folder a class"
