"""How the entries of parameters and of their gradients were distributed in some steps."""

from hasten.base.records.record import Record


class Histogram(Record, frozen=True):
    """Entries of a tensor in bins of equal width; what is not finite is left out."""

    step: int
    low: float  # smallest entry, where the first bin begins
    high: float
    counts: tuple[int, ...]
    sum: float
    sum_of_squares: float


class ParameterHistograms(Record, frozen=True):
    """One trainable tensor over the steps that were looked at."""

    name: str  # in the model; "" where no module has it
    gradient: tuple[Histogram, ...] = ()  # as the optimizer got it, after clipping
    weight: tuple[Histogram, ...] = ()  # before the update
