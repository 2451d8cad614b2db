"""From what a report says to its figures, each drawn for a wide page and for a narrow one."""

from dataclasses import dataclass

from hasten.base.records.profile import Profile
from hasten.base.units import count, percent, seconds
from hasten.report.charts.bars import Bar, Part, stacked_bars
from hasten.report.charts.intervals import Ratio, forest_plot
from hasten.report.charts.memory import PartBytes, memory_bars
from hasten.report.charts.roofline import LayerPoint, roofline_plot
from hasten.report.charts.scatter import Prediction, scatter
from hasten.report.charts.waterfall import Fall, waterfall
from hasten.report.contents import Report, Tried
from hasten.report.past import Past
from hasten.report.wording import is_known, plural, ratio

WIDE, NARROW = 860.0, 340.0
HALF = 420.0
CURVE_HEIGHT = 250.0
_SCATTER_HEIGHT = 300.0
_PAST = 20
"""Tunings that are drawn, the newest."""
_TIME_UNITS = ((10_800.0, 3600.0, "h"), (180.0, 60.0, "min"), (0.5, 1.0, "s"), (0.5e-3, 1e-3, "ms"), (0.0, 1e-6, "µs"))


@dataclass(frozen=True)
class Figure:
    """One chart, as SVG for a wide page and for a narrow one."""

    wide: str
    narrow: str


def time_unit(longest_s: float) -> tuple[float, str]:
    """Return the unit of an axis that reaches so far: its seconds, and its name."""
    return next((size, unit) for least, size, unit in _TIME_UNITS if longest_s >= least)


def anatomy_figure(said: Report, profile: Profile) -> Figure | None:
    """Return the parts of a step with the baseline and with the plan on one axis; None where none took any time."""
    sides = {"baseline": [(part.name, part.baseline_s) for part in said.parts]}
    if any(part.plan_s is not None for part in said.parts):
        sides["plan"] = [(part.name, part.plan_s or 0.0) for part in said.parts]
    totals = {side: sum(size for _, size in parts) for side, parts in sides.items()}
    if not max(totals.values()):
        return None
    unit_s, unit = time_unit(max(totals.values()))
    bars = [
        Bar(
            f"{side}: {seconds(totals[side])}",
            [
                Part(name, size / unit_s, f"{seconds(size)}, {percent(size / totals[side])}")
                for name, size in parts
                if size > 0
            ],
        )
        for side, parts in sides.items()
        if totals[side]
    ]
    of = f"for {plural(profile.batch_size, 'sample')}" if profile.batch_size else "of a step"
    label = "parts of a training step by their time"

    def draw(width: float) -> str:
        return stacked_bars(bars, width=width, axis=f"wall time {of} ({unit})", label=label)

    return Figure(draw(WIDE), draw(NARROW))


def roofline_figure(profile: Profile) -> Figure | None:
    """Return the layers under the machine's limits; None where none of them was counted and timed."""
    roofline = profile.roofline
    if roofline is None:
        return None
    total_s = sum(layer.measured_s or 0.0 for layer in roofline.layers)
    points = [
        LayerPoint(
            name=layer.name,
            intensity=layer.intensity,
            flops_per_s=layer.flops_per_s,
            share=layer.measured_s / total_s,
            words=f"{layer.name}: {count(layer.flops_per_s, 'FLOP/s')} at {layer.intensity:.3g} FLOP per byte, "
            f"{seconds(layer.measured_s)}, {percent(layer.measured_s / total_s)} of the operators' time",
        )
        for layer in roofline.layers
        if layer.flops_per_s and layer.measured_s and layer.intensity
    ]
    if not points:
        return None

    def draw(width: float) -> str:
        peaks = {"peak_flops": roofline.peak_flops, "peak_bandwidth": roofline.peak_bandwidth}
        return roofline_plot(points, **peaks, width=width, height=CURVE_HEIGHT)

    return Figure(draw(HALF), draw(NARROW))


def memory_figure(profile: Profile) -> Figure | None:
    """Return the memory in use over the parts of a step; None where it was not watched."""
    account = profile.memory
    if account is None or not account.over_step:
        return None
    parts = [PartBytes(part.name, part.peak_bytes, part.end_bytes) for part in account.over_step]
    resident_bytes = account.parameters + account.optimizer_state

    def draw(width: float) -> str:
        return memory_bars(parts, resident_bytes=resident_bytes, width=width, height=CURVE_HEIGHT)

    return Figure(draw(HALF), draw(NARROW))


def waterfall_figure(said: Report) -> Figure | None:
    """Return what each technique adds, what is left over, and the whole plan; None where that is not known."""
    if not said.gains:
        return None
    rows = [Fall(one.name, one.kind, one.start, one.end, one.ratio, one.words) for one in said.gains]
    label = "from the speed of the baseline to that of the plan"

    def draw(width: float) -> str:
        return waterfall(rows, width=width, label=label, axis="speed, times the baseline")

    return Figure(draw(WIDE), draw(NARROW))


def techniques_figure(said: Report) -> Figure | None:
    """Return the measured gains as a forest plot, the noise at its end; None if nothing was measured."""
    rows = [
        Ratio(_tried_name(one), one.ratio, one.kind, f"{ratio(one.ratio, 'pair')}; {one.verdict}")
        for one in said.tried
        if one.ratio is not None
    ]
    if not rows:
        return None
    if said.noise is not None and is_known(said.noise):
        words = f"the same code timed against itself: {ratio(said.noise, 'pair')}"
        rows.append(Ratio("baseline again", said.noise, "noise", words))

    def draw(width: float) -> str:
        label = "gain of each technique that was tried"
        return forest_plot(rows, width=width, same=said.smallest_difference, label=label, axis="times faster")

    return Figure(draw(WIDE), draw(NARROW))


def past_figure(said: Report) -> Figure | None:
    """Return what was expected against what was measured in all tunings of this task; None where neither is known."""
    dots = [dot for one in said.past[:_PAST] for dot in _predictions(one)]
    if not dots:
        return None
    label = "speed-ups of plans, expected and measured"

    def draw(width: float) -> str:
        axes = {"x_name": "expected speed, times the baseline", "y_name": "measured"}
        return scatter(dots, width=width, height=_SCATTER_HEIGHT, label=label, **axes)

    return Figure(draw(HALF), draw(NARROW))


def _tried_name(one: Tried) -> str:
    return f"+ {one.technique}" if one.beside else one.technique


def _predictions(one: Past) -> list[Prediction]:
    """Return a tuning's dots: its search against the new measurement, and that against whole trainings."""
    expected, measured, trained = one.words
    pairs = [
        (one.expected, one.measured, "kept", f"expected {expected}, measured afresh {measured}"),
        (one.measured, one.trained, "plan", f"measured afresh {measured}, in trainings {trained}"),
    ]
    return [
        Prediction(before, after, kind, f"{one.made_at[:10]}, {one.plan}: {words}")
        for before, after, kind, words in pairs
        if before is not None and after is not None and is_known(before) and is_known(after)
    ]
