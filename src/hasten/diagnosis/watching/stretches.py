"""Which of the steps that no collector needs are only counted, so that noting the others stays cheap."""

import math
from time import perf_counter

FIRST = 4096
"""Steps that are all looked at: most faults show early, and a short training is seen as a whole."""
RUN = 32
"""Steps in a row that are noted between two stretches; rules compare each loss with those right before it."""
SHARE, LEAST = 0.005, 0.001
"""Of the time, for steps that are not watched, as samples get 0.005; and for noting some of them in any case."""
COUNTED_S, NOTED_S = 2.5e-6, 15e-6
"""What counting a step costs, and noting it: most of it is code that is fetched into the cache (benchmarks/LOG.md)."""
TURN_S = 30e-6
"""What it costs to take the hooks out and to put them back, and what the first steps after either take longer."""


class Stretches:
    """Runs of noted steps, and stretches of steps that are only counted, by turns.

    Args:
        first: steps before the first stretch.
    """

    def __init__(self, first: int) -> None:
        self._counted = False
        self._until = first
        self._begun, self._begun_s = 0, perf_counter()

    def after(self, step: int) -> tuple[bool, int]:
        """Return whether the steps after one are only counted, and after which step to ask again.

        Args:
            step: that ended, counted from 1.
        """
        if step >= self._until:
            now = perf_counter()
            length = 0 if self._counted else pause((now - self._begun_s) / max(1, step - self._begun))
            self._counted = length > 0
            self._until = step + (length or RUN)
            self._begun, self._begun_s = step, now
        return self._counted, self._until


def pause(step_s: float) -> int:
    """Return how many steps are only counted after a run; none where noting all of them takes no more than its share.

    Args:
        step_s: seconds that a step takes.
    """
    allowed_s = max(LEAST * step_s, SHARE * step_s - COUNTED_S, 1e-12)  # for noting, in each step
    if allowed_s >= NOTED_S:
        return 0
    return math.ceil((RUN * NOTED_S + TURN_S) / allowed_s) - RUN
