"""Unequal processes: how many samples of a batch each computes, so that all are ready at the same time.

The batch stays whole and the sum over its samples is divided once by their count, so shares decide only who computes
which sample. Seconds are those of a process's own forward and backward pass, without waiting for others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from statistics import median

MEASURED = 5
"""Steps that are measured between two looks at the shares."""
_FEWEST = 3  # measured steps without which shares stay: a resumed run begins in the middle of a window
_CLEAR_GAIN = 1.05  # of the time of the slowest process, below which shares stay


@dataclass(frozen=True)
class Balance:
    """Look at the shares after every so many steps (at least `MEASURED`), of which some are measured."""

    every: int

    def measures(self, step: int) -> bool:
        """Return whether a step is measured, by the number of steps before it; the first one of many is not."""
        between = self.every // MEASURED
        return step % between == between - 1

    def looks(self, step: int) -> bool:
        """Return whether shares may change after so many steps."""
        return step % self.every == 0


@dataclass
class Pace:
    """What processes know of each other's speed since the last look at their shares.

    Args:
        own_s: seconds of this process in the step under way, if that is measured.
        seconds: of each process, in each step that was measured.
    """

    own_s: float | None = None
    seconds: list[Sequence[float]] = field(default_factory=list[Sequence[float]])

    def per_step(self) -> list[float] | None:
        """Return the median seconds of each process; None where too few steps were measured."""
        return [median(one) for one in zip(*self.seconds, strict=True)] if len(self.seconds) >= _FEWEST else None


def balanced(samples: Sequence[int], seconds: Sequence[float]) -> list[int]:
    """Return how many samples of a batch each process should have; the numbers that they have if little is gained.

    Seconds are taken to grow in proportion to samples. The result makes the slowest process as fast as it can be with
    whole samples, at least one each. Where a part of the time does not depend on the samples, repeated calls get there.
    Cost: O(batch log processes).

    Args:
        samples: of each process, at least 1.
        seconds: that each takes for them, more than 0.
    """
    of_one = [second / number for second, number in zip(seconds, samples, strict=True)]
    ready = [(2 * second, process) for process, second in enumerate(of_one)]  # when each would be, with one more
    heapify(ready)
    found = [1] * len(samples)
    for _ in range(sum(samples) - len(samples)):
        _, process = ready[0]
        found[process] += 1
        heapreplace(ready, ((found[process] + 1) * of_one[process], process))
    slowest = max(number * second for number, second in zip(found, of_one, strict=True))
    return found if max(seconds) > _CLEAR_GAIN * slowest else list(samples)
