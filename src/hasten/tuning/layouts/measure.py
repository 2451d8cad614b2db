"""Run the layouts that are predicted to be the fastest against one process, and keep what is proven."""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.records.layout import LayoutCost, LayoutMeasured, LayoutPlan, LayoutTrial, LayoutTuning
from hasten.base.records.notices import Activity
from hasten.base.records.plan import Plan
from hasten.base.records.record import Interval, load
from hasten.base.records.signals import MachineLoad
from hasten.base.units import percent
from hasten.measurement.paired import LEAST_DELTA
from hasten.measurement.statistics import few_ratios
from hasten.profiling.machine_load import load_observed
from hasten.techniques.plan_file import write_plan
from hasten.tuning.layouts.trial import GRADIENT, TIMES
from hasten.tuning.tolerances import LEAST_LAYER, SHARES_ERROR

Launch = Callable[[Sequence[str], int], int]
"""(words after `hasten`, processes) -> exit code, when all have ended; a signal to this process reaches them."""

MOST = 3
"""Layouts that run against one process."""
ROUNDS, FEWEST_ROUNDS = 5, 3
TRIAL_S = 1.5
BUSY = 0.1
"""Share of the cores in use by other work above which a warning is shown."""
ERROR = 0.05
"""Probability that a layout without gain is chosen: each of the three has its part of it."""
_STEPS = (10, 200)
"""Timed in a trial: at least and at most."""
_INTERRUPTED = (130, 143)


@dataclass
class _Candidate:
    """A layout with the medians of its trials; `why_not` once it is out."""

    cost: LayoutCost
    step_s: list[float] = field(default_factory=list[float])
    gradient: Mapping[str, Tensor] | None = None
    peak_bytes: int | None = None
    why_not: str = ""


def measure_layouts(
    found: LayoutPlan,
    words: Sequence[str],
    launch: Launch,
    *,
    only: Sequence[str] = (),
    budget_s: float | None = None,
    seed: int = 0,
    show: Callable[[object], None],
) -> LayoutTuning:
    """Return the layout to use: the fastest of those that are surely faster than one process, or one process.

    Every round runs each candidate once, in random order, in new processes. A candidate that fails, or whose first
    gradient is not that of one process, is out. Times are medians over the steps of a trial, so that a disturbance does
    not weigh, and are compared within a round.

    Args:
        found: the layouts as predicted.
        words: the task as it is typed.
        launch: starts processes.
        only: names of techniques: layouts that are made by one of them; none for all.
        budget_s: ends the rounds when the next one would exceed it, after three; None for five rounds.
        seed: of the order.
        show: called with what is under way.

    Raises:
        BadInput: if one process cannot train, or no layout of `only` can be used.
        KeyboardInterrupt: if a trial was interrupted.
    """
    begin, draws = perf_counter(), np.random.default_rng(seed)
    candidates = [_Candidate(one) for one in chosen_candidates(found, only)]
    alone = candidates[0]
    steps = min(_STEPS[1], max(_STEPS[0], round(TRIAL_S / alone.cost.step_s.value)))
    rounds = 0
    with load_observed() as observed:
        while True:
            usable = [one for one in candidates if not one.why_not]
            for number in draws.permutation(len(usable)):
                one = usable[number]
                show(Activity(text=f"round {rounds + 1}: {one.cost.layout.label}"))
                _run(one, found.task, words, launch, steps)
            if alone.why_not:
                raise BadInput(f"one process cannot train {found.task!r}: {alone.why_not}.")
            for one in usable:
                _compare_gradients(one, alone)
            rounds += 1
            spent_s = perf_counter() - begin
            over = rounds >= ROUNDS if budget_s is None else spent_s * (1 + 1 / rounds) > budget_s
            if rounds >= FEWEST_ROUNDS and over:
                break
    measured = [_measured(one, alone) for one in candidates]
    return LayoutTuning(
        task=found.task,
        processes=found.devices,
        rounds=rounds,
        steps=steps,
        measured=tuple(measured),
        chosen=fastest(measured),
        spent_s=perf_counter() - begin,
        remark=_remark(observed.load),
    )


def _remark(load: MachineLoad | None) -> str:
    """Return that other work had a part of the cores, which changes the ratios; nothing where it had little."""
    if load is None or load.foreign_share < BUSY:
        return ""
    return (
        f"other work had {percent(load.foreign_share)} of the cores: threads of one process wait for the slowest of "
        "them, so one process looks slower than on an idle machine. Measure again there"
    )


def chosen_candidates(found: LayoutPlan, only: Sequence[str] = ()) -> list[LayoutCost]:
    """Return one process, whatever is predicted of it, and the layouts that are predicted to be the fastest.

    Args:
        found: the layouts as predicted.
        only: names of techniques, one of which makes a layout; none for all layouts.

    Raises:
        BadInput: if there is no such layout that can be used.
    """
    alone = next(one for one in found.costs if one.layout.processes == 1)
    asked = [one for one in found.costs if not only or any(choice.technique in only for choice in one.layout.choices)]
    usable = [one for one in asked if one in found.usable and one is not alone]
    if only and not usable:
        others = "; ".join(f"{one.layout.label}: {one.why_not or 'not the same training'}" for one in asked)
        raise BadInput(
            f"no layout of {found.devices} processes with {' or '.join(only)} can be run against one process: "
            f"{others or 'hasten plan lists none'}."
        )
    return [alone, *usable][: 1 + MOST]


def fastest(measured: Sequence[LayoutMeasured]) -> int:
    """Return the place of the fastest layout that is surely faster than the first one; 0 if there is none."""
    speeds = [one.speedup.value if _is_faster(one) and one.speedup is not None else 0.0 for one in measured]
    return max(range(len(speeds)), key=lambda place: (speeds[place], -place))


def _is_faster(one: LayoutMeasured) -> bool:
    return not one.why_not and one.speedup is not None and one.speedup.low > 1 and one.speedup.value > 1 + LEAST_DELTA


def gradient_error(mine: Mapping[str, Tensor], alone: Mapping[str, Tensor]) -> float:
    """Return the largest error of a tensor as a share of its size; infinite where a tensor is missing.

    The size of a tensor counts as 1 % of the whole gradient at least, since some are zero but for rounding.
    """
    if mine.keys() != alone.keys():
        return math.inf
    whole = math.sqrt(sum(float(one.double().square().sum()) for one in alone.values()))
    shares = [
        float((mine[name].double() - one.double()).norm()) / max(float(one.double().norm()), LEAST_LAYER * whole, 1e-30)
        for name, one in alone.items()
    ]
    return max((math.inf if math.isnan(share) else share for share in shares), default=0.0)


def _run(one: _Candidate, task: str, words: Sequence[str], launch: Launch, steps: int) -> None:
    """Run a trial and note its median step, its gradient and its memory."""
    with tempfile.TemporaryDirectory(prefix="hasten-") as name:
        folder = Path(name)
        write_plan(Plan(task=task, choices=one.cost.layout.choices), folder / "plan.toml")
        command = ["layout-trial", *words, "--plan", str(folder / "plan.toml"), "--steps", str(steps), "--out", name]
        code = launch(command, one.cost.layout.processes)
        if code in _INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            one.why_not = f"its processes ended with exit code {code}"
            return
        trial = load(LayoutTrial, folder / TIMES)
        one.step_s.append(median(trial.step_s))
        one.peak_bytes = trial.peak_bytes
        one.gradient = load_file(folder / GRADIENT)


def _compare_gradients(one: _Candidate, alone: _Candidate) -> None:
    if one.why_not:
        return
    assert one.gradient is not None, "a trial that did not fail wrote it"
    assert alone.gradient is not None, "a trial that did not fail wrote it"
    error = gradient_error(one.gradient, alone.gradient)
    if error > SHARES_ERROR:
        one.why_not = (
            f"its first gradient is off by {percent(error)} of one process's, more than rounding, as where a "
            "layer sees a share of the batch"
        )


def _speedup(pairs: Sequence[tuple[float, float]]) -> Interval:
    return few_ratios([first / own for first, own in pairs], level=1 - ERROR / MOST)


def _measured(one: _Candidate, alone: _Candidate) -> LayoutMeasured:
    pairs = list(zip(alone.step_s, one.step_s, strict=False)) if len(one.step_s) > 1 else []
    has_gradients = one.gradient is not None and alone.gradient is not None
    return LayoutMeasured(
        predicted=one.cost,
        step_s=few_ratios(one.step_s) if pairs else None,
        speedup=_speedup(pairs) if pairs and one is not alone else None,
        gradient_error=gradient_error(one.gradient or {}, alone.gradient or {}) if has_gradients else None,
        peak_bytes=one.peak_bytes,
        why_not=one.why_not,
    )
