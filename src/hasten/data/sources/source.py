"""What a path holds, found out from its content: images, texts, a table, tokens or arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from hasten.data.sources.archive import list_members, suffix_counts
from hasten.data.sources.arrays import read_array, read_arrays
from hasten.data.sources.class_folders import ClassFolders, find_class_folders
from hasten.data.sources.content import read_bytes, read_text
from hasten.data.sources.on_error import OnBad
from hasten.data.sources.pictures import IMAGE_SUFFIXES
from hasten.data.sources.texts import Texts, read_text_folders, texts_of
from hasten.data.tables.delimited import MISSING, read_columns
from hasten.data.tables.parquet import read_parquet
from hasten.data.tables.table import Table, table_of
from hasten.data.tar_zip import is_archive

_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".data"})
_LONG_TEXT_CHARACTERS = 30
_MOSTLY = 0.5


@dataclass(frozen=True)
class Arrays:
    """Arrays of a file, by name."""

    source: Path
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Prose:
    """One text as a whole, to be cut into tokens."""

    source: Path
    text: str


Source: TypeAlias = ClassFolders | Texts | Table | Arrays | Prose


def read_source(path: Path, *, target: str | int | None = None, on_bad: OnBad = "raise") -> Source:
    """Read a source of any kind.

    A folder or archive holds images or texts, whichever are more. A file is known by its ending and its first bytes;
    a table whose columns beside the target are mostly long and different texts is one of texts.

    Args:
        path: a file, a folder, or an archive.
        target: for a table: the name or the place of the column to predict; the last one where None.
        on_bad: whether a sample that cannot be used is an error or left out.

    Raises:
        BadInput: as the reader of that kind, or if no kind fits.
    """
    if path.is_dir() or is_archive(path):
        return _read_folders(path, on_bad)
    suffixes = {suffix.lower() for suffix in path.suffixes}
    goal = -1 if target is None else target
    if ".parquet" in suffixes:
        return read_parquet(path, goal, on_bad=on_bad)
    if ".npz" in suffixes:
        return Arrays(path, read_arrays(path))
    if ".npy" in suffixes or read_bytes(path)[:2] == b"\0\0":
        return Arrays(path, {path.name.split(".")[0]: read_array(path)})
    if target is not None or suffixes & _TABLE_SUFFIXES:
        columns = read_columns(path, on_bad=on_bad)
        place = columns.find(goal)
        as_texts = any(_holds_texts(fields) for at, fields in enumerate(columns.fields) if at != place)
        read = texts_of if as_texts else table_of
        return read(columns, goal, missing=MISSING, on_bad=on_bad)
    return Prose(path, read_text(path))


def _read_folders(path: Path, on_bad: OnBad) -> ClassFolders | Texts:
    listing = list_members(path)
    counts = suffix_counts(listing.files)
    images = sum(counts.get(suffix, 0) for suffix in IMAGE_SUFFIXES)
    if counts.get(".txt", 0) > images:
        return read_text_folders(path, on_bad=on_bad, listing=listing)
    return find_class_folders(path, IMAGE_SUFFIXES, on_bad=on_bad, listing=listing)


def _holds_texts(fields: list[str]) -> bool:
    """Return whether a column holds texts to read rather than names to tell apart: long ones that seldom repeat."""
    length = sum(map(len, fields)) / len(fields)
    return length > _LONG_TEXT_CHARACTERS and len(set(fields)) > _MOSTLY * len(fields)
