"""From values to positions on an axis, and the round values of its ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hasten.base.units import digits3

_SMALLEST = 1e-30  # what is smaller is drawn as 0
_RESOLVED = 1e-9  # values that differ by a smaller share are drawn as equal
_FINE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, drawn from `start` to `end`; logarithmic where `log` is true."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value is drawn; values outside the axis are drawn at its ends."""
        value = min(max(value, self.low), self.high)
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low)
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)

    def ticks(self, most: int) -> list[float]:
        """Return at most about `most` round values on the axis, in order."""
        return log_ticks(self.low, self.high, most) if self.log else round_ticks(self.low, self.high, most)


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten between `low` and `high`, at most about `most` of them."""
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values for a logarithmic axis: as many of each decade as fit, or evenly spaced ones."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in (_FINE, (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) <= most:
            break
    return ticks[:: -(-len(ticks) // most)] if len(ticks) >= 2 else round_ticks(low, high, most)


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
    """Return an interval that holds all the values, with some room at both ends."""
    low, high = _ends(values)
    span, size = high - low, max(abs(low), abs(high))
    room = share * (span if span > _RESOLVED * size else size)
    return (low - room, high + room) if room > _SMALLEST else (low - 1.0, high + 1.0)


def log_padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
    """Return the same for a logarithmic axis; values too small for one are left out."""
    shown = [math.log(value) for value in values if value > _SMALLEST] or [0.0]
    low, high = padded(shown, share)
    return math.exp(max(low, -600.0)), math.exp(min(high, 600.0))


def spans_decades(values: Iterable[float], ratio: float = 30.0) -> bool:
    """Return whether the values are all above 0 and differ by more than `ratio`: better on a logarithmic axis."""
    low, high = _ends(values)
    return low > _SMALLEST and high / low > ratio


def tick_words(value: float) -> str:
    """Return a tick as short text: three digits, without zeros that say nothing."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-3):
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    words = digits3(value) if abs(value) < 1000 else f"{value:,.0f}"
    return words.rstrip("0").rstrip(".") if "." in words else words


def _ends(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)
