"""Labelled files: one folder per class, perhaps below one folder per split, in a folder or in archives."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.members import Listing, Member, list_members, suffix_counts
from hasten.data.policy import OnBad, leave_out

SPLIT_NAMES = frozenset({"train", "training", "valid", "val", "validation", "test", "testing"})
Parts = tuple[str, ...]


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
    """

    source: Path
    members: tuple[Member, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    splits: dict[str, NDArray[np.int64]]
    ignored: dict[str, int]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.members)


def find_class_folders(
    path: Path, suffixes: Collection[str], *, on_bad: OnBad = "raise", listing: Listing | None = None
) -> ClassFolders:
    """Find the labelled files of a source. Only names are read.

    The folders that all files share are passed over; the first that differs is the split if all its names are those
    of splits (train, val, test, ...) and another level follows; then comes the class. Deeper folders are part of it.

    Args:
        path: a folder, a tar archive, or a folder of tar archives.
        suffixes: the endings of the files that count, such as {".jpg"}.
        on_bad: whether a file outside of all classes and a class without files are errors or left out.
        listing: what the source holds, if that is known already.

    Raises:
        BadInput: as `list_members`; if there are no such files, fewer than two classes, or, under "raise", an empty
            class or a file outside of all classes.
    """
    listing = listing or list_members(path)
    files, others = _wanted(path, listing, suffixes)
    parents = [PurePosixPath(member.name).parts[:-1] for member in files]
    shared = _shared(parents)
    has_splits = all(len(parent) > shared + 1 and parent[shared].lower() in SPLIT_NAMES for parent in parents)
    level = shared + has_splits
    skipped: list[str] = []
    _check_outside(path, files, level, on_bad, skipped)
    _check_empty(path, listing, parents, level, on_bad, skipped)
    inside = [place for place, parent in enumerate(parents) if len(parent) > level]
    names = [parents[place][level] for place in inside]
    classes = sorted(set(names))
    if len(classes) < 2:
        raise BadInput(
            f"{path} must have at least two class folders with files; found {', '.join(classes) or 'none'}. "
            "Put the files of each class into a folder of its own."
        )
    code_of = {name: code for code, name in enumerate(classes)}
    split_of = np.array([parents[place][shared] for place in inside]) if has_splits else np.array([], str)
    return ClassFolders(
        source=path,
        members=tuple(files[place] for place in inside),
        labels=np.array([code_of[name] for name in names], np.int64),
        classes=tuple(classes),
        splits={str(name): np.flatnonzero(split_of == name) for name in np.unique(split_of)},
        ignored=suffix_counts(others),
        skipped=tuple(skipped),
    )


def _wanted(path: Path, listing: Listing, suffixes: Collection[str]) -> tuple[list[Member], list[Member]]:
    """Return the files with these endings, and the others."""
    files: list[Member] = []
    others: list[Member] = []
    for member in listing.files:
        (files if PurePosixPath(member.name).suffix.lower() in suffixes else others).append(member)
    if not files:
        raise BadInput(
            f"{path} must hold files ending in {', '.join(sorted(suffixes))}, one folder per class; found "
            f"{_shown(suffix_counts(others)) or 'no files'}. Check the path."
        )
    return files, others


def _shared(parents: Sequence[Parts]) -> int:
    """Return how many leading folders all files share, such that a folder is left for each."""
    depth = 0
    while all(len(parent) > depth + 1 for parent in parents) and len({parent[depth] for parent in parents}) == 1:
        depth += 1
    return depth


def _check_outside(path: Path, files: Sequence[Member], level: int, on_bad: OnBad, skipped: list[str]) -> None:
    outside = [member.name for member in files if len(PurePosixPath(member.name).parts) - 1 <= level]
    if outside:
        error = BadInput(
            f"{path} must have every file in a class folder; found {len(outside)} outside, the first {outside[0]}. "
            "Move or remove them, or leave them out with the policy skip."
        )
        leave_out(error, on_bad, skipped)


def _check_empty(
    path: Path, listing: Listing, parents: Sequence[Parts], level: int, on_bad: OnBad, skipped: list[str]
) -> None:
    used = {parent[: level + 1] for parent in parents}
    siblings = {folder[:level] for folder in used if len(folder) > level}
    for name in listing.folders:
        parts = PurePosixPath(name).parts
        if len(parts) == level + 1 and parts[:level] in siblings and parts not in used:
            error = BadInput(
                f"{path} must have a file in every class folder; found none in {name}. Add files, remove the folder, "
                "or leave the class out with the policy skip."
            )
            leave_out(error, on_bad, skipped)


def _shown(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} of {suffix or 'no ending'}" for suffix, count in list(counts.items())[:5])
