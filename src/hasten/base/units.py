"""Numbers as a person reads them: seconds, bytes, rates and ratios with their intervals."""

import math
import re

from hasten.base.errors import BadInput

_TIME_STEPS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)\s*$")
_DURATION_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([MGT]i?B)\s*$", re.IGNORECASE)
_SIZE_BYTES = {"mb": 10**6, "gb": 10**9, "tb": 10**12, "mib": 2**20, "gib": 2**30, "tib": 2**40}


def digits3(value: float) -> str:
    """Return `value` with three significant digits and no exponent where it is of everyday size."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}" if 1e-4 <= abs(value) < 1e7 else f"{value:.2e}"


def seconds(value: float) -> str:
    """Return a duration in its natural unit: `seconds(0.0123) == "12.3 ms"`."""
    for size, unit in _TIME_STEPS:
        if abs(value) >= size:
            return f"{digits3(value / size)} {unit}"
    return "0 s"


def count(value: float, unit: str = "") -> str:
    """Return a large count with a decimal prefix: `count(2.5e9, "FLOP/s") == "2.50 GFLOP/s"`."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{digits3(value / size)} {prefix}{unit}"
    return f"{digits3(value) if value != int(value) else int(value)} {unit}".rstrip()


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: "1 row", "3,000 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def nbytes(value: float) -> str:
    """Return a size in binary units: `nbytes(3 << 20) == "3.00 MiB"`."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{digits3(value / 1024**power)} {unit}"
    return f"{int(value)} B"


def percent_at_most(share: float) -> str:
    """Return a limit of a share, rounded up to 0.1 %, so that what is said to be within it is."""
    return percent(math.ceil(1000 * share) / 1000)


def percent(share: float) -> str:
    """Return a share of one as a percentage: `percent(0.314) == "31 %"`."""
    value = 100 * share
    return f"{value:.0f} %" if abs(value) >= 10 else f"{value:.1f} %"


def parse_duration(text: str) -> float:
    """Return the seconds that a text such as "90s", "2m" or "1.5h" names.

    Raises:
        BadInput: if the text is not a number followed by ms, s, m, min or h.
    """
    match = _DURATION.match(text)
    if match is None:
        raise BadInput(f"a duration must look like 90s, 2m or 1.5h; found {text!r}.")
    return float(match[1]) * _DURATION_SECONDS[match[2]]


def parse_bytes(text: str) -> int:
    """Return the bytes that a text such as "80GB" (10**9 each), "16GiB" (2**30 each) or "512MB" names.

    Raises:
        BadInput: if the text is not a positive number followed by MB, GB, TB, MiB, GiB or TiB.
    """
    match = _SIZE.match(text)
    size = 0 if match is None else round(float(match[1]) * _SIZE_BYTES[match[2].lower()])
    if size <= 0:
        raise BadInput(f"a size of memory must look like 80GB, 16GiB or 512MB; found {text!r}.")
    return size


def as_good_as(value: float, target: float, *, higher_is_better: bool) -> bool:
    """Return whether a metric is at the target or beyond; a NaN is not.

    Metrics are float32, in which 0.9 may be stored as 0.8999999: a difference of 1e-6 of the target counts as none.
    """
    return math.isclose(value, target, rel_tol=1e-6) or (value > target if higher_is_better else value < target)


def finite(value: float) -> float | None:
    """Return the number, or None where it is NaN or infinite: records go to JSON, which has no such numbers."""
    return value if math.isfinite(value) else None
