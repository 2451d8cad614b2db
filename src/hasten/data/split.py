"""Cutting samples into parts: at random, by class, by group; each a pure function of its seed.

The random order sorts the raw output of PCG64, which numpy keeps the same between versions (NEP 19), so that a split
made today is the split of tomorrow.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.seeds import derive

Ids = NDArray[np.int64]


def by_fraction(num_samples: int, fractions: Sequence[float], *, seed: int) -> tuple[Ids, ...]:
    """Cut 0 ... num_samples - 1 at random into one part per fraction.

    Args:
        num_samples: how many samples there are.
        fractions: the share of each part; they sum to 1.
        seed: of the random order.

    Returns:
        one ascending array of ids per fraction; together they hold each id once.

    Raises:
        BadInput: if the fractions do not sum to 1 or there are fewer samples than parts.
    """
    _check_fractions(fractions)
    sizes = _sizes(num_samples, fractions, "the data set")
    return _cut(_shuffled(num_samples, derive(seed, "split")), sizes)


def stratified(labels: NDArray[Any], fractions: Sequence[float], *, seed: int) -> tuple[Ids, ...]:
    """Cut samples into parts that each hold the same share of every class, to a sample.

    Args:
        labels: (num_samples,) the class of each sample, of any type that can be sorted.
        fractions: the share of each part; they sum to 1.
        seed: of the random order.

    Raises:
        BadInput: as `by_fraction`, and if a class has fewer samples than there are parts.
    """
    _check_fractions(fractions)
    names, codes = np.unique(labels, return_inverse=True)
    per_class: list[tuple[Ids, ...]] = []
    for code, name in enumerate(names):
        members = np.flatnonzero(codes == code)
        sizes = _sizes(len(members), fractions, f"class {name!s}")
        order = members[_shuffled(len(members), derive(seed, "stratified", code))]
        per_class.append(_cut(order, sizes))
    return tuple(np.sort(np.concatenate(parts)) for parts in zip(*per_class, strict=True))


def by_group(groups: NDArray[Any], fractions: Sequence[float], *, seed: int) -> tuple[Ids, ...]:
    """Cut samples into parts such that no group is in two of them; sizes come as near as whole groups allow.

    Groups go, in random order, to the part that lacks most of its share.

    Args:
        groups: (num_samples,) the group of each sample (a person, a document), of any type that can be sorted.
        fractions: the share of each part; they sum to 1.
        seed: of the random order.

    Raises:
        BadInput: as `by_fraction`, and if there are fewer groups than parts.
    """
    _check_fractions(fractions)
    names, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < len(fractions):
        raise BadInput(f"{len(fractions)} parts need at least as many groups; found {len(names)}. Make fewer parts.")
    lacking = [fraction * len(groups) for fraction in fractions]
    part_of = np.empty(len(names), np.int64)
    for turn, group in enumerate(_shuffled(len(names), derive(seed, "groups"))):
        # The first groups open one part each, so that none stays empty.
        part = turn if turn < len(fractions) else max(range(len(fractions)), key=lacking.__getitem__)
        part_of[group] = part
        lacking[part] -= int(counts[group])
    return tuple(np.flatnonzero(part_of[codes] == part) for part in range(len(fractions)))


def _check_fractions(fractions: Sequence[float]) -> None:
    if not fractions or min(fractions) <= 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-9):
        raise BadInput(f"the fractions of a split must be above 0 and sum to 1; found {tuple(fractions)}.")


def _sizes(total: int, fractions: Sequence[float], what: str) -> list[int]:
    """Return whole sizes that sum to `total`, none 0, as near to the fractions as that allows."""
    if total < len(fractions):
        raise BadInput(
            f"{len(fractions)} parts need at least {len(fractions)} samples in {what}; found {total}. "
            "Make fewer parts, or leave this class out."
        )
    exact = [fraction * total for fraction in fractions]
    sizes = [math.floor(size) for size in exact]
    by_remainder = sorted(range(len(exact)), key=lambda part: sizes[part] - exact[part])
    for part in by_remainder[: total - sum(sizes)]:
        sizes[part] += 1
    while 0 in sizes:
        sizes[sizes.index(max(sizes))] -= 1
        sizes[sizes.index(0)] += 1
    return sizes


def _shuffled(count: int, seed: int) -> Ids:
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def _cut(order: Ids, sizes: Sequence[int]) -> tuple[Ids, ...]:
    return tuple(np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1]))
