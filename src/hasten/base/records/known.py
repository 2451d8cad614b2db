"""What earlier tunings of one task on one machine have shown, kept between them."""

from hasten.base.records.record import Record
from hasten.base.records.trial import Gate, Trial

Keys = tuple[str, ...]
"""Techniques that are on together; each key has the technique's knobs and, of code that is not hasten's, its hash."""
AGAIN = ""
"""The key of the baseline, built a second time."""


class Proof(Record, frozen=True):
    """A plan that passed the gate of its guarantee."""

    plan: Keys
    gate: Gate


class Known(Record, frozen=True):
    """The evidence of a search.

    `blocks` has, for each block, which of `settings` was timed, the group of blocks it ran in, and the logarithm of the
    seconds that a sample took; in the order of the groups.
    """

    versions: dict[str, str] = {}
    threads: int | None = None  # that blocks were timed on; None for as many as torch uses
    spent_s: float = 0.0  # by all searches together
    settings: tuple[Keys, ...] = ()
    blocks: tuple[tuple[int, int, float], ...] = ()
    unusable: dict[str, Trial] = {}  # key -> why the technique cannot be used in this training
    proofs: tuple[Proof, ...] = ()
    setup_s: dict[str, float] = {}
    under_way: Keys | None = None  # the setting that was being set up when the process ended without a word
