"""What tuning says about a comparison: plain sentences with numbers."""

from hasten.base.records.comparison import Comparison
from hasten.base.records.record import Interval
from hasten.base.units import percent, seconds

TOO_WIDE = 10
"""An interval whose ends differ by more than this factor is not reported."""


def ratio(interval: Interval) -> str:
    """Return `1.43x [1.40, 1.46]`, or say that the interval is too wide to report."""
    if interval.low * TOO_WIDE < interval.high:
        return f"{interval.value:.2f}x [interval too wide to report]"
    return f"{interval.value:.2f}x [{interval.low:.2f}, {interval.high:.2f}]"


def faster(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that it is faster."""
    return f"{ratio(found.ratio)} as fast{beside(base)}: {_steps(found)}"


def slower(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that it is slower."""
    return f"{ratio(found.ratio)} as fast{beside(base)}, slower: {_steps(found)}"


def no_difference(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that there is no gain beyond what counts as a difference."""
    return f"{ratio(found.ratio)}{beside(base)}: no gain above the {percent(found.delta)} detection threshold"


def unclear(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that the answer is not certain, and why no more was done."""
    return (
        f"{ratio(found.ratio)}{beside(base)}: inconclusive after {found.pairs} pairs: budget used up "
        f"(detection threshold {percent(found.delta)})"
    )


def beside(base: tuple[str, ...]) -> str:
    """Return ` beside bf16, compile`, or nothing where there is nothing beside it."""
    return f" beside {', '.join(base)}" if base else ""


def _steps(found: Comparison) -> str:
    times = f"{seconds(found.step_time_a_s)} -> {seconds(found.step_time_b_s)} a step"
    if found.samples_per_step_a == found.samples_per_step_b:
        return times
    return f"{times}, {found.samples_per_step_a:.0f} -> {found.samples_per_step_b:.0f} samples a step"
