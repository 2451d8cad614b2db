"""Labeled texts: one file per text in class folders, or one row per text in a table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput, unknown_name
from hasten.data.sources.archive import Listing, read_members
from hasten.data.sources.class_folders import find_class_folders
from hasten.data.sources.content import decode_text
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.tables.columns import Columns
from hasten.data.tables.delimited import INFERRED, Dialect, read_columns
from hasten.data.tables.fields import categorize, text_column


@dataclass(frozen=True)
class Texts:
    """Texts with a label each.

    Args:
        source: the file or folder they come from.
        texts: the n texts.
        labels: (n,) int64 places in `classes`.
        classes: the names of the classes, sorted.
        splits: the ids of each split that the source has folders for; empty if it has none.
        skipped: what was left out, one message each.
        remarks: what to know about how the folders were understood, one sentence each.
    """

    source: Path
    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    splits: dict[str, NDArray[np.int64]]
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)


def read_text_folders(
    path: Path,
    suffixes: Collection[str] | None = frozenset({".txt"}),
    *,
    on_bad: OnBad = "raise",
    listing: Listing | None = None,
) -> Texts:
    """Read one text per file, one folder per class, from a folder or from archives.

    Args:
        path: a folder, an archive, or a folder of archives.
        suffixes: the endings of the files that count; every file where None.
        on_bad: whether a file that cannot be used and a class without files are errors or left out.
        listing: what the source holds, if that is known already.

    Raises:
        BadInput: as `find_class_folders`, and if a file is not UTF-8 (names the file and the byte offset).
    """
    folders = find_class_folders(path, suffixes, on_bad=on_bad, listing=listing)
    texts: list[str | None] = [None] * len(folders)
    skipped = list(folders.skipped)
    for place, content in read_members(folders.members):
        try:
            texts[place] = decode_text(content, str(folders.members[place]))
        except BadInput as error:
            leave_out(error, on_bad, skipped)
    good = np.array([text is not None for text in texts])
    new_place = np.cumsum(good) - 1
    return Texts(
        source=path,
        texts=tuple(text for text in texts if text is not None),
        labels=folders.labels[good],
        classes=folders.classes,
        splits={name: new_place[ids[good[ids]]] for name, ids in folders.splits.items()},
        skipped=tuple(skipped),
        remarks=folders.remarks,
    )


def read_text_table(
    path: Path,
    target: str | int,
    *,
    columns: Sequence[str] = (),
    dialect: Dialect = INFERRED,
    on_bad: OnBad = "raise",
) -> Texts:
    """Read one text per row of a CSV or TSV file.

    Args:
        path: the file, compressed or not.
        target: the name or the place of the column that holds the class.
        columns: those that hold the text, joined by a line end; all but the target where none are named.
        dialect: how the file is written.
        on_bad: whether a row of another width or without a class is an error or left out.

    Raises:
        BadInput: as `read_columns`; if a column does not exist or, under "raise", a class is missing (names the row).
    """
    table = read_columns(path, dialect, on_bad=on_bad)
    return texts_of(table, target, missing=dialect.missing, columns=columns, on_bad=on_bad)


def texts_of(
    table: Columns,
    target: str | int,
    *,
    missing: frozenset[str],
    columns: Sequence[str] = (),
    on_bad: OnBad = "raise",
) -> Texts:
    """Return the texts that the rows of a table hold; see `read_text_table`."""
    goal = table.find(target)
    for name in columns:
        if name not in table.names:
            raise unknown_name("column", name, table.names)
    chosen = [name for name in table.names if name != goal and (not columns or name in columns)]
    if not chosen:
        raise BadInput(f"{table.path} must have a column of text beside the target; found {', '.join(table.names)}.")
    marks = {mark.lower() for mark in missing}
    labels = categorize(text_column(table.data[goal].cast("string"), marks))
    lacking = [
        (row, f"{table.location(row, goal)}: a class must be present. Remove the row, or pass --skip-bad.")
        for row in np.flatnonzero(labels.codes < 0).tolist()
    ]
    if lacking:
        table = table.without(lacking, on_bad)
        labels = categorize(text_column(table.data[goal].cast("string"), marks))
    return Texts(
        source=table.path,
        texts=tuple("\n".join(parts) for parts in zip(*(table.texts(name) for name in chosen), strict=True)),
        labels=labels.codes.astype(np.int64),
        classes=labels.names,
        splits={},
        skipped=table.skipped,
    )
