"""Picking stable peaks of a machine, comparing two of them honestly, and saying them in words."""

import math

from hasten.base.records.machine import Machine, Peak
from hasten.base.units import count

_SHORT = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "float8": "fp8"}
_CLEAR = math.log(1.1)
_SPREADS = 2.0

BySize = dict[tuple[int, ...], Peak]
"""The fastest stable peak of each size, the smallest size first."""


def by_size(
    machine: Machine,
    kind: str,
    number_format: str,
    *,
    device: str = "cpu",
    backend: str | None = None,
    variant: str | None = None,
) -> BySize:
    """Return the stable peaks that match, the fastest of each size (any back end and variant where None)."""
    found: BySize = {}
    for peak in machine.peaks:
        wanted = (
            peak.stable
            and (peak.kind, peak.format, peak.device) == (kind, number_format, device)
            and backend in (None, peak.backend)
            and variant in (None, peak.variant)
        )
        if wanted and (peak.size not in found or peak.rate > found[peak.size].rate):
            found[peak.size] = peak
    return dict(sorted(found.items(), key=lambda item: math.prod(item[0])))


def pairs(first: BySize, second: BySize) -> list[tuple[Peak, Peak]]:
    """Return the peaks of the sizes that both have, the smallest size first."""
    return [(first[size], second[size]) for size in first if size in second]


def is_clear(first: Peak, second: Peak) -> bool:
    """Return whether two rates differ by more than chance, and enough for a sentence.

    Enough is a ratio of 1.1; more than chance is wider than two combined spreads. A spread is two thirds of a standard
    deviation of one reading, and a rate the median of seven: so that is about three standard errors.
    """
    needed = max(_CLEAR, _SPREADS * math.hypot(first.spread, second.spread))
    return abs(math.log(first.rate / second.rate)) > needed


def short(number_format: str) -> str:
    """Return the name of a number format as people say it: `short("bfloat16") == "bf16"`."""
    return _SHORT.get(number_format, number_format)


def rate_text(peak: Peak) -> str:
    """Return the rate with its unit."""
    if peak.kind in ("memory", "disk", "copy"):
        return count(peak.rate, "B/s")
    return count(peak.rate, "op/s" if peak.format == "int8" else "FLOP/s")


def size_text(peak: Peak) -> str:
    """Return the size as people write it: "1024x1024x1024"."""
    return "x".join(str(n) for n in peak.size)
