"""A measured number with what makes it believable: its interval and its n."""

from hasten.base.records.record import Record


class Interval(Record, frozen=True):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"
