"""What a path holds, found out from its content: images, texts, a table, tokens or arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, Unpack

from numpy.typing import NDArray

from hasten.data.sources.archive import list_members, suffix_counts
from hasten.data.sources.arrays import read_array, read_arrays
from hasten.data.sources.class_folders import ClassFolders, find_class_folders
from hasten.data.sources.content import read_bytes, read_text
from hasten.data.sources.on_error import OnBad
from hasten.data.sources.pictures import IMAGE_SUFFIXES
from hasten.data.sources.texts import Texts, read_text_folders, texts_of
from hasten.data.tables.table import Reading, Table, columns_of, read_table, table_of, table_options
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


def read_source(path: Path, *, column: str | int | None = None, **reading: Unpack[Reading]) -> Source:
    """Read a source of any kind.

    A folder or archive holds images or texts, whichever are more. A file is known by its ending and its first bytes;
    a table whose columns beside the target are mostly long and different texts is one of texts.

    Args:
        path: a file, a folder, or an archive.
        column: of a table: the name or the index of the column to predict; the last one if None.
        reading: `on_bad`, whether a sample that cannot be used is an error or skipped, and the options of a table, see
            `table_options`.

    Raises:
        BadInput: as the reader of that kind, or if no kind fits.
    """
    options = table_options(**reading)
    on_bad = options.on_bad
    if path.is_dir() or is_archive(path):
        return _read_folders(path, on_bad)
    suffixes = {suffix.lower() for suffix in path.suffixes}
    goal = -1 if column is None else column
    if ".parquet" in suffixes:
        return read_table(path, goal, options)
    if ".npz" in suffixes:
        return Arrays(path, read_arrays(path))
    if ".npy" in suffixes or read_bytes(path)[:2] == b"\0\0":
        return Arrays(path, {path.name.split(".")[0]: read_array(path)})
    if column is not None or suffixes & _TABLE_SUFFIXES:
        columns = columns_of(path, options)
        others = [name for name in columns.names if name != columns.find(goal)]
        if any(_holds_texts(columns.texts(name)) for name in others):
            return texts_of(columns, goal, missing=options.dialect.missing, on_bad=on_bad)
        return table_of(columns, goal, options)
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
