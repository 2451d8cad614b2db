"""Labeled files: one folder per class, perhaps below or above one folder per split, in a folder or in archives."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.base.units import plural
from hasten.data.sources.archive import Listing, Member, list_members, suffix_counts
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.sources.parts import are_parts, part_of, says_only_part

Parents = tuple[str, ...]
"""The folders that a file is in, outermost first."""


@dataclass(frozen=True)
class ClassFolders:
    """Files with a label each.

    Args:
        source: the folder or archive.
        members: the n files.
        labels: (n,) int64 places in `classes`.
        classes: the names of the class folders, sorted.
        splits: the ids of each split that the source has folders for; empty if it has none.
        ignored: how many files of each other ending were left out.
        skipped: what else was left out, one message each.
        remarks: what to know about how the folders were understood, one sentence each.
    """

    source: Path
    members: tuple[Member, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    splits: dict[str, NDArray[np.int64]]
    ignored: dict[str, int]
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def name_of(self, place: int) -> str:
        """Return what to call one file in a message."""
        return str(self.members[place])


def find_class_folders(
    path: Path, suffixes: Collection[str] | None, *, on_bad: OnBad = "raise", listing: Listing | None = None
) -> ClassFolders:
    """Find the labeled files of a source. Only names are read.

    The folders that all files share are passed over; the first that differs is the split if all its names are those
    of splits (train, val, test, ...) and another level follows; then comes the class. Deeper folders are part of it,
    unless they are splits in every class.

    Args:
        path: a folder, an archive, or a folder of archives.
        suffixes: the endings of the files that count, such as {".jpg"}; every file where None.
        on_bad: whether a file that cannot be read or is outside of all classes, and a class without files, are errors
            or left out.
        listing: what the source holds, if that is known already.

    Raises:
        BadInput: as `list_members`; if there are no such files, fewer than two classes, or, under "raise", an empty
            class, or a file that cannot be read or is outside of all classes.
    """
    listing = listing or list_members(path)
    skipped: list[str] = []
    _check_obstacles(listing, suffixes, on_bad, skipped)
    files, others = _wanted(path, listing, suffixes)
    parents = [PurePosixPath(member.name).parts[:-1] for member in files]
    shared = _shared(parents)
    level = shared + _starts_with_splits(parents, shared)
    _check_outside(path, files, level, on_bad, skipped)
    _check_empty(path, listing, parents, level, on_bad, skipped)
    inside = [place for place, parent in enumerate(parents) if len(parent) > level]
    split_at = shared if level > shared else _split_below([parents[place] for place in inside], level)
    names = [parents[place][level] for place in inside]
    classes = sorted(set(names))
    if len(classes) < 2:
        found = ", ".join(map(printable_name, classes)) or "none"
        raise BadInput(
            f"{printable_name(path)} must have at least two class folders with files; found {found}. Put the files of "
            "each class into a folder of its own."
        )
    code_of = {name: code for code, name in enumerate(classes)}
    splits: dict[str, list[int]] = {}
    if split_at is not None:
        for new, place in enumerate(inside):
            splits.setdefault(printable_name(parents[place][split_at]), []).append(new)
    return ClassFolders(
        source=path,
        members=tuple(files[place] for place in inside),
        labels=np.array([code_of[name] for name in names], np.int64),
        classes=tuple(map(printable_name, classes)),
        splits={name: np.array(splits[name], np.int64) for name in sorted(splits)},
        ignored=suffix_counts(others),
        skipped=tuple(skipped),
        remarks=_remarks(classes, parents, level, split_at),
    )


def _check_obstacles(listing: Listing, suffixes: Collection[str] | None, on_bad: OnBad, skipped: list[str]) -> None:
    for root, obstacle in listing.obstacles:
        name = printable_name(root / obstacle.name)
        ending = PurePosixPath(obstacle.name).suffix.lower()
        is_wanted = obstacle.name.endswith("/") or suffixes is None or ending in suffixes
        if obstacle.is_bad and is_wanted:
            error = BadInput(f"{name} is {obstacle.reason}. Restore or remove it, or leave it out with --skip-bad.")
            leave_out(error, on_bad, skipped)
        elif is_wanted or not obstacle.is_bad:
            skipped.append(f"{name} is {obstacle.reason}, so it is not read.")


def _wanted(
    path: Path, listing: Listing, suffixes: Collection[str] | None
) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
    """Return the files with these endings, and the others."""
    if suffixes is None:
        return listing.files, ()
    files: list[Member] = []
    others: list[Member] = []
    for member in listing.files:
        (files if PurePosixPath(member.name).suffix.lower() in suffixes else others).append(member)
    if not files:
        raise BadInput(
            f"{printable_name(path)} must hold files ending in {', '.join(sorted(suffixes))}, one folder per class; "
            f"found {_shown(suffix_counts(others)) or 'no files'}. Check the path."
        )
    return tuple(files), tuple(others)


def _shared(parents: Sequence[Parents]) -> int:
    """Return how many leading folders all files share, such that a folder is left for each."""
    depth = 0
    while all(len(parent) > depth + 1 for parent in parents) and len({parent[depth] for parent in parents}) == 1:
        depth += 1
    return depth


def _starts_with_splits(parents: Sequence[Parents], level: int) -> bool:
    """Return whether the folders at a level are splits: by their names, and by class folders in what trains.

    A test part often has no classes.
    """
    names = {parent[level] for parent in parents if len(parent) > level}
    with_classes = [parent for parent in parents if len(parent) > level and part_of(parent[level]) != "test"]
    with_classes = with_classes or [parent for parent in parents if len(parent) > level]
    return are_parts(names) and all(len(parent) > level + 1 for parent in with_classes)


def _split_below(parents: Sequence[Parents], level: int) -> int | None:
    """Return the level below the classes if every class is divided into splits there, or None."""
    below = {parent[level + 1] if len(parent) > level + 1 else "" for parent in parents}
    return level + 1 if len(below) > 1 and all(map(says_only_part, below)) else None


def _remarks(classes: Sequence[str], parents: Sequence[Parents], level: int, split_at: int | None) -> tuple[str, ...]:
    alike = [name for name in classes if says_only_part(name)]
    deeper = any(len(parent) > level + 1 for parent in parents if len(parent) > level and parent[level] in alike)
    if split_at is not None or not alike or (len(alike) < len(classes) and not deeper):
        return ()
    return (
        f"The folders {', '.join(alike)} are taken as classes, although they are named as splits. If they are splits, "
        "keep only splits in that folder, each with one folder per class.",
    )


def _check_outside(path: Path, files: Sequence[Member], level: int, on_bad: OnBad, skipped: list[str]) -> None:
    outside = [member.name for member in files if len(PurePosixPath(member.name).parts) - 1 <= level]
    test = [name for name in outside if level and part_of(PurePosixPath(name).parts[level - 1]) == "test"]
    if test:
        skipped.append(
            f"test part without class folders: {plural(len(test), 'file')}, the first {printable_name(test[0])}."
        )
    if len(outside) > len(test):
        first = next(name for name in outside if name not in test)
        error = BadInput(
            f"{printable_name(path)} must have every file in a class folder; found {len(outside) - len(test)} outside, "
            f"the first {printable_name(first)}. Move or remove them, or leave them out with --skip-bad."
        )
        leave_out(error, on_bad, skipped)


def _check_empty(
    path: Path, listing: Listing, parents: Sequence[Parents], level: int, on_bad: OnBad, skipped: list[str]
) -> None:
    used = {parent[: level + 1] for parent in parents}
    siblings = {folder[:level] for folder in used if len(folder) > level}
    for name in listing.folders:
        parts = PurePosixPath(name).parts
        if len(parts) == level + 1 and parts[:level] in siblings and parts not in used:
            error = BadInput(
                f"{printable_name(path)} must have a file in every class folder; found none in {printable_name(name)}. "
                "Add files, remove the folder, or leave the class out with --skip-bad."
            )
            leave_out(error, on_bad, skipped)


def _shown(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} of {suffix or 'no ending'}" for suffix, count in list(counts.items())[:5])
