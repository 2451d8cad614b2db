"""Which learning rate was chosen for a task, from what was tried, and what it is worth against the task's own."""

from enum import StrEnum

from hasten.base.records.record import Interval, Record


class RateVerdict(StrEnum):
    """What the branches say of the chosen rate against the task's own."""

    BETTER = "better"  # lower held-out loss beyond the noise
    NO_DIFFERENCE = "no difference"  # the interval of the difference holds 0: the task's own rate is kept
    OWN_DIVERGES = "own rate diverges"  # in every repeat; the chosen one in none
    NONE_STABLE = "no rate trains"  # every rate that was tried diverged, or none lowered the loss


class RateTried(Record, frozen=True):
    """One rate, and the held-out loss of each of its branches (None where one diverged).

    It is that after the cool-down; where the task's own rate stays up to the end, that at the full rate before it.
    """

    branch_rate: float  # of the first parameter group
    rate: float  # that the whole training would have: see `RateChoice.horizon`
    steps: int  # of the branch
    losses: tuple[float | None, ...]  # by repeat
    proof: bool = False  # branches from other starts, made when the rate was chosen


class RateChoice(Record, frozen=True):
    """The learning rate that was found. `factor` multiplies the rates of all parameter groups; 1 keeps the task's own.

    `rate` and `edge` are those of the first parameter group. Their intervals are Student's t over the repeats.
    """

    task: str
    verdict: RateVerdict
    sentence: str
    own_rates: tuple[float, ...]
    factor: float
    rate: Interval | None  # the best found, also where the task's own is kept; None where none trains
    worth: (
        Interval | None
    )  # relative change of the held-out loss against the own rate, on fresh seeds: -0.05 is 5 % less
    horizon: float  # best rate of the whole training over that of a branch, which is shorter
    edge: Interval | None  # rate above which the loss of a sweep rises; None where it never did
    tried: tuple[RateTried, ...]
    branch_steps: int
    repeats: int
    steps: int  # all updates made, sweeps included
    planned_steps: int | None
    budget_s: float
    spent_s: float

    @property
    def rates(self) -> tuple[float, ...]:
        """The chosen rate of each parameter group."""
        return tuple(self.factor * rate for rate in self.own_rates)
