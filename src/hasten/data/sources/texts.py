"""Labeled texts: one file per text in class folders, or one row per text in a table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput, unknown_name
from hasten.data.sources.archive import Listing, read_members
from hasten.data.sources.class_folders import find_class_folders
from hasten.data.sources.content import decode_utf8
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.tables.delimited import INFERRED, Columns, Dialect, read_columns


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
            texts[place] = decode_utf8(content, str(folders.members[place]))
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
    chosen = [place for place, name in enumerate(table.names) if place != goal and (not columns or name in columns)]
    if not chosen:
        raise BadInput(f"{table.path} must have a column of text beside the target; found {', '.join(table.names)}.")
    table = table.without(table.lacking(goal, missing), on_bad)
    classes = sorted(set(table.fields[goal]))
    code_of = {name: code for code, name in enumerate(classes)}
    return Texts(
        source=table.path,
        texts=tuple("\n".join(parts) for parts in zip(*(table.fields[place] for place in chosen), strict=True)),
        labels=np.array([code_of[name] for name in table.fields[goal]], np.int64),
        classes=tuple(classes),
        splits={},
        skipped=table.skipped,
    )
