"""Pick stable peaks of a machine, compare two of them, and put them into words."""

import math

from hasten.base.records.machine import Machine, Peak
from hasten.base.units import count

_SHORT = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "float8": "fp8"}
_CLEAR = math.log(1.1)
_SPREADS = 2.0

_LAUNCH_S = 5e-6  # of a kernel, where it was not measured
_LAUNCHES = 10.0  # a run of fewer is launch-bound

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
    """Return the stable peaks that match, the fastest of each size (any back end and variant where None).

    Launch-bound sizes on a GPU are left out: they measure the launch of a kernel, so nothing follows for real layers.
    """
    found: BySize = {}
    for peak in machine.peaks:
        wanted = (
            peak.stable
            and (peak.kind, peak.format, peak.device) == (kind, number_format, device)
            and backend in (None, peak.backend)
            and variant in (None, peak.variant)
            and not is_launch_bound(machine, peak)
        )
        if wanted and (peak.size not in found or peak.rate > found[peak.size].rate):
            found[peak.size] = peak
    return dict(sorted(found.items(), key=lambda item: math.prod(item[0])))


def is_launch_bound(machine: Machine, peak: Peak) -> bool:
    """Return whether a product on a GPU runs for less than ten launches of a kernel."""
    if peak.device != "cuda" or peak.kind not in ("gemm", "conv"):
        return False
    launch = machine.peak("launch", device="cuda")
    return _operations(peak) / peak.rate < _LAUNCHES * (launch.rate if launch is not None else _LAUNCH_S)


def _operations(peak: Peak) -> float:
    if peak.kind == "gemm":
        return 2.0 * math.prod(peak.size)
    *sizes, kernel = peak.size  # batch, channels in, height, width, channels out, kernel
    return 2.0 * math.prod(sizes) * kernel**2


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
