"""What would be gained at most if one part of the step were free."""

from hasten.base.records.interval import Interval
from hasten.base.records.record import Record


class Probe(Record, frozen=True):
    """The step timed against itself with one suspect removed.

    `ratio` is how many times faster the step without the suspect is, an upper bound on what any remedy can give; its
    interval holds at whatever moment the measurement stopped. None where the probe failed; `failed` then says why.
    """

    name: str
    removes: str  # the suspect, in plain words: "the wait for data"
    ratio: Interval | None
    step_s: float = 0.0  # a usual step, as this probe timed it
    spent_s: float = 0.0
    detail: str = ""  # what else was found: the best number of threads
    failed: str = ""

    @property
    def sentence(self) -> str:
        """Return the bound in plain words."""
        if self.ratio is None:
            return f"{self.name} could not be measured: {self.failed}"
        if self.ratio.high <= 1.005:
            return f"Nothing to gain without {self.removes}."
        return f"At most {self.ratio.high:.2f}x as fast without {self.removes}."
