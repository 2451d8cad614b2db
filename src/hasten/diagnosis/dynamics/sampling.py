"""Which steps are sampled: all of the first, then ever fewer, no more than a share of the time allows."""

import math
import time
from collections.abc import Generator
from contextlib import contextmanager

FEWEST = 8
"""Steps that are all sampled whatever it costs: rules abstain with fewer."""
FIRST = 16
"""Steps that are all sampled; after them as many from each step to twice that step."""
_DENSE = 256
"""Steps after which a quarter of that is sampled, and more where the share of the time allows it."""
_KEPT = 160
"""Samples beyond which every other one is dropped and the distance doubles."""
_ALLOWANCE_S = 2.0
"""Seconds that these samples may take beyond the share, so that a short training is seen, too."""
_SHARE = 0.005
"""Of the time since the first step. The rest of the 1 % is for evaluations and for the steps that are not sampled."""


class Sampling:
    """Decides by what the samples have cost so far."""

    def __init__(self) -> None:
        self.distance = 1
        self._samples = 0
        self._next = 1
        self._early_s, self._later_s = 0.0, 0.0  # of steps that are watched anyway, and of those watched for samples
        self._started: float | None = None

    def due(self, step: int) -> bool:
        """Return whether a step, counted from 1, is to be sampled, and decide on the next one."""
        if self._started is None:
            self._started = time.perf_counter()
        if step < self._next:
            return False
        self._samples += 1
        self._next = self._after(step)
        return True

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step to be sampled after one that ended.

        Args:
            step: that ended.
            spent_s: seconds that steps took which were watched for samples.
        """
        self._later_s = spent_s
        self._next = self._after(step)
        return self._next

    def _after(self, step: int) -> int:
        """Return the next step that is on the grid, or a multiple of the distance, and that the time allows."""
        if step < FEWEST:
            return step + 1
        cost_s = self.spent_s / max(1, self._samples)
        step_s = self.elapsed_s / step

        def allowed(beyond_s: float) -> int:
            missing_s = (self.spent_s + cost_s - beyond_s) / _SHARE - self.elapsed_s
            return step + max(1, math.ceil(missing_s / step_s))

        return min(_on_grid(allowed(_ALLOWANCE_S)), _multiple(allowed(0.0), self.distance))

    @property
    def spent_s(self) -> float:
        """Return the seconds that the samples took."""
        return self._early_s + self._later_s

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the first step."""
        return 1e-9 if self._started is None else max(1e-9, time.perf_counter() - self._started)

    def thinned(self, samples: list[int]) -> list[int]:
        """Return the samples to keep, the newest of them always; where they are too many, the distance doubles."""
        if len(samples) <= _KEPT:
            return samples
        self.distance *= 2
        return [step for step in samples if step <= FIRST or step % self.distance == 0 or step == samples[-1]]

    @contextmanager
    def paid(self) -> Generator[None]:
        """Count the time of the body, where it is not counted by who watches."""
        begin = time.thread_time()
        try:
            yield
        finally:
            if not self._later_s:
                self._early_s += time.thread_time() - begin


def _on_grid(step: int) -> int:
    """Return the first step from one on of which `FIRST` lie between a power of two and the next, or a quarter."""
    sparse = 4 if step > _DENSE else 1
    return _multiple(step, sparse << max(0, (step // FIRST).bit_length() - 1))


def _multiple(step: int, distance: int) -> int:
    return -(-step // distance) * distance
