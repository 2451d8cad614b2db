"""Which steps are sampled: all of the first, then ever fewer, and as many more as a share of the time allows."""

import time
from collections.abc import Generator
from contextlib import contextmanager

FIRST = 16
"""Steps that are all sampled; after them as many from each step to twice that step, whatever they cost."""
_DENSE = 256
"""Steps after which a quarter of that is sampled whatever it costs, and more where the share of the time allows it."""
_KEPT = 160
"""Samples beyond which every other one is dropped and the distance doubles."""
_SHARE = 0.007
"""Of the time since the first step. The rest of the 1 % is for what each step costs."""


class Sampling:
    """Decides by what sampling has cost so far."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self.distance = 1
        self._started: float | None = None

    def due(self, step: int) -> bool:
        """Return whether a step, counted from 1, is to be sampled."""
        if self._started is None:
            self._started = time.perf_counter()
        sparse = 4 if step > _DENSE else 1
        if step % (sparse << max(0, (step // FIRST).bit_length() - 1)) == 0:
            return True
        return step % self.distance == 0 and self.spent_s < _SHARE * self.elapsed_s

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the first step."""
        return 0.0 if self._started is None else time.perf_counter() - self._started

    def thinned(self, samples: list[int]) -> list[int]:
        """Return the samples to keep, the newest of them always; where they are too many, the distance doubles."""
        if len(samples) <= _KEPT:
            return samples
        self.distance *= 2
        return [step for step in samples if step <= FIRST or step % self.distance == 0 or step == samples[-1]]

    @contextmanager
    def paid(self) -> Generator[None]:
        """Count the time of the body."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.spent_s += time.perf_counter() - begin
