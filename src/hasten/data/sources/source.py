"""What a path holds, found out from its content: images, texts, a table, tokens, arrays, or a packed store of those."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, Unpack

from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.data.sources.archive import Listing, list_members
from hasten.data.sources.arrays import read_array, read_arrays
from hasten.data.sources.class_folders import ClassFolders, find_class_folders
from hasten.data.sources.content import read_text
from hasten.data.sources.decompression import DAMAGE, decompressed
from hasten.data.sources.file_kinds import kind_of, wanted_suffixes
from hasten.data.sources.idx import is_idx
from hasten.data.sources.on_error import OnBad
from hasten.data.sources.pictures import ImageSource
from hasten.data.sources.stored import (
    StoredImages,
    is_store,
    read_stored_arrays,
    read_stored_images,
    read_stored_table,
    read_stored_text,
    read_stored_texts,
)
from hasten.data.sources.tar_zip import is_archive
from hasten.data.sources.texts import Texts, read_text_folders, texts_of
from hasten.data.store.manifest import read_manifest
from hasten.data.tables.table import DETECTED, Reading, Table, columns_of, read_table, table_of, table_options

_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".data"})
_ARRAY_SUFFIXES = frozenset({".npy", ".npz"})
_LONG_TEXT_CHARACTERS = 30
_MOSTLY = 0.5


@dataclass(frozen=True)
class Arrays:
    """Arrays of a file, of the files in a folder, or of a store, by name."""

    source: Path
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Prose:
    """One text as a whole, to be cut into tokens."""

    source: Path
    text: str


Source: TypeAlias = ClassFolders | StoredImages | Texts | Table | Arrays | Prose


def read_source(path: Path, *, column: str | int | None = None, **reading: Unpack[Reading]) -> Source:
    """Read a source of any kind.

    A folder or archive holds images or texts, whichever are more, or arrays in .npy, .npz and IDX files. A file is
    known by its ending and its first bytes; a table whose columns beside the target are mostly long and different texts
    is one of texts. A packed store is what it was packed from.

    Args:
        path: a file, a folder, an archive, or a packed store.
        column: of a table: the name or the index of the column to predict; the last one if None.
        reading: `on_bad`, whether a sample that cannot be used is an error or skipped, and the options of a table, see
            `table_options`.

    Raises:
        BadInput: as the reader of that kind, or if no kind fits.
    """
    options = table_options(**reading)
    on_bad = options.on_bad
    if is_store(path):
        if column is not None or options != DETECTED:
            raise BadInput(f"{path} is a packed store; options of its source take effect when it is packed. Omit them.")
        return _read_store(path)
    if path.is_dir() or is_archive(path):
        return _read_folders(path, on_bad)
    if path.exists() and not path.is_file():
        raise BadInput(f"{printable_name(path)} is not a regular file, folder or archive. Pass one.")
    suffixes = {suffix.lower() for suffix in path.suffixes}
    goal = -1 if column is None else column
    if ".parquet" in suffixes:
        return read_table(path, goal, options)
    if suffixes & _ARRAY_SUFFIXES or _is_idx(path):
        return Arrays(path, _read_arrays(path))
    if column is not None or suffixes & _TABLE_SUFFIXES:
        columns = columns_of(path, options)
        others = [name for name in columns.names if name != columns.find(goal)]
        if any(_holds_texts(columns.texts(name)) for name in others):
            return texts_of(columns, goal, missing=options.dialect.missing, on_bad=on_bad)
        return table_of(columns, goal, options)
    return Prose(path, read_text(path))


def find_images(path: Path, *, on_bad: OnBad = "raise") -> ImageSource:
    """Find the labeled images of class folders or of a packed store.

    Raises:
        BadInput: as `find_class_folders` and `read_stored_images`.
    """
    if is_store(path):
        return read_stored_images(path)
    listing = list_members(path)
    return find_class_folders(path, wanted_suffixes(listing, "images"), on_bad=on_bad, listing=listing)


def read_texts(path: Path, *, on_bad: OnBad = "raise") -> Texts:
    """Read the labeled texts of class folders or of a packed store.

    Raises:
        BadInput: as `read_text_folders` and `read_stored_texts`.
    """
    if is_store(path):
        return read_stored_texts(path)
    listing = list_members(path)
    return read_text_folders(path, wanted_suffixes(listing, "texts"), on_bad=on_bad, listing=listing)


def read_prose(path: Path) -> str:
    """Return the text of a file, or of a packed store of its characters.

    Raises:
        BadInput: as `read_text` and `read_stored_text`.
    """
    return read_stored_text(path) if is_store(path) else read_text(path)


def _read_store(path: Path) -> Source:
    manifest = read_manifest(path)
    if manifest.kind == "images":
        return read_stored_images(path)
    if manifest.kind == "texts":
        return read_stored_texts(path)
    if manifest.kind == "table" and "preprocessing" not in manifest.details:
        return read_stored_table(path)
    if manifest.kind == "tokens" and "vocabulary" in manifest.details:
        return Prose(path, read_stored_text(path))
    return Arrays(path, read_stored_arrays(path))


def _read_folders(path: Path, on_bad: OnBad) -> ClassFolders | Texts | Arrays:
    listing = list_members(path)
    if path.is_dir() and not listing.folders and (arrays := _arrays_in(path, listing)):
        return Arrays(path, arrays)
    suffixes = wanted_suffixes(listing, kind := kind_of(listing))
    if kind == "texts":
        return read_text_folders(path, suffixes, on_bad=on_bad, listing=listing)
    return find_class_folders(path, suffixes, on_bad=on_bad, listing=listing)


def _arrays_in(folder: Path, listing: Listing) -> dict[str, NDArray[Any]]:
    """Return the arrays of the files in a folder without subfolders, if it holds some or else tables.

    Raises:
        BadInput: if there are tables and no arrays: names them.
    """
    files = [folder / member.name for member in listing.files if member.root == folder]
    arrays: dict[str, NDArray[Any]] = {}
    for file in files:
        if _ARRAY_SUFFIXES & {suffix.lower() for suffix in file.suffixes} or _is_idx(file):
            own = _read_arrays(file)
            arrays |= own if len(own) == 1 else {f"{file.name.split('.')[0]}.{name}": own[name] for name in own}
    tables = [file.name for file in files if _is_table(file)]
    if tables and not arrays:
        raise BadInput(
            f"{printable_name(folder)} is a folder of tables: {', '.join(map(printable_name, tables[:5]))}. Pass one."
        )
    return arrays


def _is_table(file: Path) -> bool:
    return bool((_TABLE_SUFFIXES | {".parquet"}) & {suffix.lower() for suffix in file.suffixes})


def _is_idx(file: Path) -> bool:
    try:
        with decompressed(file) as stream:
            return is_idx(stream.read(4))
    except (*DAMAGE, OSError):
        return False  # the reader of the file reports what is wrong


def _read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, each with samples along its first dimension.

    Raises:
        BadInput: as `read_arrays` and `read_array`, and if an array has no samples.
    """
    npz = file.suffix.lower() == ".npz"
    arrays = read_arrays(file) if npz else {file.name.split(".")[0]: read_array(file)}
    for name, array in arrays.items():
        if not array.size:
            where = f", entry {printable_name(Path(name))}" if npz else ""
            raise BadInput(
                f"{printable_name(file)}{where}: the array has no values, shape {array.shape}. Pass a file with "
                "samples along the first dimension."
            )
    return {name: array.reshape(1) if array.ndim == 0 else array for name, array in arrays.items()}


def _holds_texts(fields: list[str]) -> bool:
    """Return whether a column holds texts to read rather than names to tell apart: long ones that seldom repeat."""
    length = sum(map(len, fields)) / len(fields)
    return length > _LONG_TEXT_CHARACTERS and len(set(fields)) > _MOSTLY * len(fields)
