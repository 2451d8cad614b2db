"""Ablation: the step without one of its parts, an upper bound on what optimizing that part can gain."""

from hasten.base.records.interval import Interval
from hasten.base.records.record import Record


class Ablation(Record, frozen=True):
    """The step timed against itself with one part removed.

    `ratio` is how many times faster the step without the part is, an upper bound on what any fix can gain; its interval
    holds at whatever moment the measurement stopped. None where the ablation failed; `failed` then says why.
    """

    name: str
    removes: str  # the part, as text: "the wait for data"
    ratio: Interval | None
    step_s: float = 0.0  # a usual step, as this ablation timed it
    spent_s: float = 0.0
    detail: str = ""  # what else was found: the best number of threads
    failed: str = ""

    @property
    def sentence(self) -> str:
        """Return the bound as a sentence."""
        if self.ratio is None:
            return f"{self.name} could not be measured: {self.failed}"
        if self.ratio.high <= 1.005:
            return f"Removing {self.removes} gains nothing."
        return f"Removing {self.removes} gives at most {self.ratio.high:.2f}x."
