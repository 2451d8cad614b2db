"""Which part of a data set a name says: that to train on, to validate on, or to test with."""

import re
from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

Part: TypeAlias = Literal["train", "valid", "test"]
_WORDS: Mapping[Part, frozenset[str]] = {
    "train": frozenset({"train", "training", "trainset"}),
    "valid": frozenset({"valid", "val", "validation", "valset", "dev", "devel", "eval", "evaluation"}),
    "test": frozenset({"test", "testing", "testset", "holdout"}),
}


def part_of(name: str) -> Part | None:
    """Return the part that one word of a name says ("train", "seg_train", "val2017"), or None."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    found: list[Part] = [part for part, known in _WORDS.items() if words & known]
    return found[0] if len(found) == 1 else None


def says_only_part(name: str) -> bool:
    """Return whether a name is one of the usual ones for a part and nothing else."""
    return any(name.lower() in known for known in _WORDS.values())


def are_parts(names: Collection[str]) -> bool:
    """Return whether names of sibling folders are those of the parts of a data set.

    Names that say more, such as "seg_train" and "seg_test", are only taken for parts if one of them is for training.
    """
    parts = {part_of(name) for name in names}
    if None in parts or not parts:
        return False
    return all(map(says_only_part, names)) or ("train" in parts and len(parts) > 1)
