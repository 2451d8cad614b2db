"""In which of the steps that no collector needs the loss is read, so that it costs a small share of the time."""

from time import perf_counter

FIRST = 4096
"""Steps whose losses are all read: most faults show early, and a short training is seen as a whole."""
AGAIN = 512
"""Steps after which the time of a step is looked at again."""
SHARE, LEAST = 0.005, 0.002
"""Of the time, for steps that are not watched, as samples get 0.005; and for reading losses in any case."""
COUNTED_S, READ_S = 2.5e-6, 10e-6
"""What a step costs whose loss is not read, and reading one: most of it is code that is fetched into the cache."""
DISTANCES = (1, 3, 7, 13, 31, 61, 127, 251)
"""Steps from one loss that is read to the next: primes, so that all batches of an epoch take their turn."""


class Thinning:
    """How many steps it is from one loss that is read to the next: 1 at first, then as many as the time asks for.

    Args:
        first: steps whose losses are all read.
    """

    def __init__(self, first: int) -> None:
        self._distance = 1
        self._begun, self._begun_s = 0, perf_counter()
        self.again = first  # step after which it may change

    def after(self, step: int) -> int:
        """Return the distance after a step; read are the losses of steps that it divides."""
        if step >= self.again:
            now = perf_counter()
            self._distance = distance((now - self._begun_s) / max(1, step - self._begun))
            self._begun, self._begun_s, self.again = step, now, step + AGAIN
        return self._distance


def distance(step_s: float) -> int:
    """Return the distance that the time of a step asks for.

    Args:
        step_s: seconds that a step takes.
    """
    allowed_s = max(LEAST * step_s, SHARE * step_s - COUNTED_S, 1e-9)  # for reading, in each step
    return next((one for one in DISTANCES if one * allowed_s >= READ_S), DISTANCES[-1])
