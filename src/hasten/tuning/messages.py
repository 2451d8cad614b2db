"""What tuning says about a comparison: plain sentences with numbers."""

from hasten.base.records.comparison import Comparison
from hasten.base.records.interval import Interval
from hasten.base.units import percent, seconds

WORTHLESS = 10


def ratio(interval: Interval) -> str:
    """Return `1.43x [1.40, 1.46]`, or without the interval where it is too wide to be worth its digits."""
    if interval.low * WORTHLESS < interval.high:
        return f"{interval.value:.2f}x [not known to a factor of {WORTHLESS}]"
    return f"{interval.value:.2f}x [{interval.low:.2f}, {interval.high:.2f}]"


def together(company: tuple[str, ...]) -> str:
    """Say what came with the technique, at the beginning of a sentence; nothing if nothing did."""
    return f"together with {', '.join(company)}: " if company else ""


def faster(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that it is faster."""
    return f"{ratio(found.ratio)} as fast{beside(base)}: {_steps(found)}"


def slower(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that it is slower."""
    return f"{ratio(found.ratio)} as fast{beside(base)}, which is slower: {_steps(found)}"


def no_difference(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that there is no gain beyond what counts as a difference."""
    return f"{ratio(found.ratio)}{beside(base)}: no gain of {percent(found.delta)}, the least that counts here"


def unclear(found: Comparison, base: tuple[str, ...]) -> str:
    """Say that the answer is not certain, and why no more was done."""
    if found.ratio.value < 1:
        return (
            f"{ratio(found.ratio)}{beside(base)}: not clear of the noise after {found.pairs} pairs, and looks no faster"
        )
    return (
        f"{ratio(found.ratio)}{beside(base)}: the budget ended after {found.pairs} pairs, before it was clear of the "
        f"noise (least difference {percent(found.delta)})"
    )


def beside(base: tuple[str, ...]) -> str:
    """Return ` beside bf16, compile`, or nothing where there is nothing beside it."""
    return f" beside {', '.join(base)}" if base else ""


def _steps(found: Comparison) -> str:
    times = f"{seconds(found.step_time_a_s)} -> {seconds(found.step_time_b_s)} a step"
    if found.samples_per_step_a == found.samples_per_step_b:
        return times
    return f"{times}, of {found.samples_per_step_a:.0f} -> {found.samples_per_step_b:.0f} samples"
