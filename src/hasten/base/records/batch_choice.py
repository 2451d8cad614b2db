"""Which batch size reaches the same held-out loss soonest, of those that were tried."""

from enum import StrEnum

from hasten.base.records.record import Interval, Record


class BatchVerdict(StrEnum):
    """What the branches say of another size against the task's own."""

    BETTER = "better"  # reaches the loss sooner, beyond the noise
    KEEP = "keep"  # nothing was better beyond the noise
    FIXED = "fixed"  # the size cannot be changed: the sentence says why


class BatchTried(Record, frozen=True):
    """One batch size: its speed, what the noise scale predicts, and the branches that tried it."""

    size: int
    fits: bool
    samples_per_s: Interval | None = None  # None where it does not fit
    predicted: float | None = None  # times as soon at the same loss as the own size, from speed and noise scale
    rate_factor: float | None = None  # of the task's rates, the best of three; None without branches
    loss: float | None = None  # after branches of equal time; None without branches, or where they diverged


class BatchChoice(Record, frozen=True):
    """The batch size to use; it was run. `speedup` is in time to equal held-out loss, against the own size.

    Both sizes have the best of three learning rates. `rate_factor` multiplies the task's rates, `steps_factor` its
    planned updates.
    """

    task: str
    verdict: BatchVerdict
    sentence: str
    own_size: int
    size: int
    rate_factor: float
    speedup: Interval | None = None  # of the best other size; from proof branches on other starts
    proven_size: int | None = None  # that `speedup` is about
    own_rate_factor: float | None = None  # best of three rates at the own size
    noise_scale: float | None = None  # samples; None where it could not be measured
    preconditioned: bool = False  # the noise scale is that of an adaptive optimizer's steps
    tried: tuple[BatchTried, ...] = ()
    branch_steps: int = 0  # at the own size
    repeats: int = 0
    budget_s: float = 0.0
    spent_s: float = 0.0

    @property
    def steps_factor(self) -> float:
        """What the planned updates are multiplied by, to see as many samples."""
        return self.own_size / self.size
