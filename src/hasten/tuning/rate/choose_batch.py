"""The batch size of a task: speed and noise scale choose candidates, branches in equal time confirm them."""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice

import msgspec
import numpy as np
from torch import optim

from hasten.base.errors import BadInput
from hasten.base.records.batch_choice import BatchChoice, BatchTried, BatchVerdict
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Activity, Note
from hasten.base.records.record import Interval
from hasten.base.units import finite, percent, seconds
from hasten.data.loading.sample_randomness import restored
from hasten.measurement.statistics import few_ratios
from hasten.training.building import with_batch_size
from hasten.training.recipe import Recipe
from hasten.tuning.break_even import planned_s
from hasten.tuning.budget import now_s
from hasten.tuning.rate.noise import PARTS, Lengths, lengths, noise_scale
from hasten.tuning.rate.spending import budget_seconds, step_seconds
from hasten.tuning.rate.start import Start, cooled, score, set_rates, start_of, train_from
from hasten.tuning.rate.throughput import Size, measure, sizes_that_fit
from hasten.tuning.rate.words import batch_sentence
from hasten.tuning.reference_step import same_batches, state_of
from hasten.tuning.state import untouched

TUNED, PROVEN = 2, 3
"""Starts on which rates and candidates are compared, and others on which the best one is proven."""
CANDIDATES = 2
RATE_STEP = 2.0
RATES = (1 / RATE_STEP, 1.0, RATE_STEP)
"""Times the rescaled rate: what is tried at each size."""
MOST_WIDENED = 6
"""Further rates beyond a border."""
TIMES = (0.5, 1.0, 2.0)
"""Of a branch, that own branches take for the curve of loss against time."""
FEWEST_STEPS, MOST_STEPS = 50, 1000
LEAST_GAIN = 1.02
_MOST_RATIO = 8.0
_TRIED_STEPS = 150
"""About the steps that trying sizes, timing them and measuring the noise take, in steps of the own size."""
_OWN_BRANCHES = TUNED * (1 + len(RATES) * (1 + CANDIDATES)) + PROVEN * (2 + sum(TIMES))
_SLOWEST_SHARE = 0.02
"""Of the budget: a size of which one step takes longer is the last one that is tried."""

Show = Callable[[object], None]


def choose_batch_size(
    recipe: Recipe, machine: Machine, *, budget: Callable[[float], float | None], show: Show
) -> BatchChoice:
    """Return the batch size that reaches the held-out loss of the own one soonest, of those that were run.

    Models, optimizers and positions are the search's own; generators, settings and data are as before when it returns.

    Args:
        recipe: of the task as it is trained today.
        machine: whose memory limits the size.
        budget: see `choose_rate`.
        show: called with what to know before it starts.

    Raises:
        BadInput: if the budget is too small.
    """
    if (stream := recipe.subject.stream) is not None:
        size = recipe.input.batch_size
        why = f"{stream.reason}, so their size cannot be changed."
        return BatchChoice(
            task=recipe.task.name, verdict=BatchVerdict.FIXED, sentence=why, own_size=size, size=size, rate_factor=1.0
        )
    data = recipe.task.data
    with untouched(), restored(data.train, data.valid):
        begin = now_s()
        search = _Search(recipe, machine, budget, show)
        return msgspec.structs.replace(search.choice(), budget_s=search.budget_s, spent_s=now_s() - begin)


@dataclass
class _Arm:
    """One size with what its branches showed: factor of the rates -> loss by start."""

    size: Size
    predicted: float
    losses: dict[float, list[float]] = field(default_factory=dict[float, list[float]])

    def best(self) -> tuple[float, float]:
        """Return the factor of the rates with the lowest mean loss, and that loss."""
        means = {factor: sum(losses) / len(losses) for factor, losses in self.losses.items()}
        factor = min(means, key=lambda one: means[one])
        return factor, means[factor]


class _Search:
    def __init__(self, recipe: Recipe, machine: Machine, budget: Callable[[float], float | None], show: Show) -> None:
        self.recipe, self.machine, self.show = recipe, machine, show
        self.own_size = recipe.input.batch_size
        self.start = start_of(recipe, 0)
        self.step_s = step_seconds(self.start)
        whole_s = planned_s(recipe, self.step_s)
        least_s = self.step_s * (_OWN_BRANCHES * FEWEST_STEPS + _TRIED_STEPS)
        self.budget_s = budget_seconds(
            budget, whole_s, least_s=least_s, usual_s=least_s, fewest_steps=FEWEST_STEPS, what="a batch size"
        )
        self.steps = int((self.budget_s / self.step_s - _TRIED_STEPS) / _OWN_BRANCHES)
        self.steps = min(MOST_STEPS, max(FEWEST_STEPS, self.steps))
        cost_s = self.step_s * (_OWN_BRANCHES * self.steps + _TRIED_STEPS)
        share = f", {percent(cost_s / whole_s)} of the planned training" if math.isfinite(whole_s) else ""
        show(Note(text=f"branches of {self.steps} steps and of equal time at other sizes, {seconds(cost_s)}{share}."))

    def choice(self) -> BatchChoice:
        """Search and return what was found."""
        self.show(Activity(text="timing batch sizes"))
        sizes, too_large = sizes_that_fit(self.start.run, self.machine, longest_step_s=_SLOWEST_SHARE * self.budget_s)
        if not any(one.size == self.own_size for one in sizes):
            raise BadInput(f"the task's own batch size of {self.own_size} does not fit into memory. Make it smaller.")
        measure(sizes, seed=self.recipe.task.seed)
        self.own = next(one for one in sizes if one.size == self.own_size)
        self.show(Activity(text="comparing batch sizes by short trainings"))
        forks, found = [self._fork(number) for number in range(TUNED)], list[Lengths]()
        if self.recipe.task_step is None:
            found = [self._lengths(fork) for fork in forks]
        scale = noise_scale(found)
        arms = self._arms(sizes, scale)
        own, others = arms[0], arms[1 : 1 + CANDIDATES]
        power = rate_power(self.start.run.optimizer)
        for arm in (own, *others):
            self._tune(arm, forks, (arm.size.size / self.own_size) ** power)
        best = min(others, key=lambda arm: arm.best()[1], default=None)
        speedup = None if best is None or math.isinf(best.best()[1]) else self._proven(own, best)
        better = speedup is not None and speedup.low > 1 and speedup.value >= LEAST_GAIN
        chosen = BatchChoice(
            task=self.recipe.task.name,
            verdict=BatchVerdict.BETTER if better else BatchVerdict.KEEP,
            sentence="",
            own_size=self.own_size,
            size=best.size.size if better and best is not None else self.own_size,
            rate_factor=best.best()[0] if better and best is not None else 1.0,
            speedup=speedup,
            proven_size=None if best is None or speedup is None else best.size.size,
            own_rate_factor=own.best()[0],
            noise_scale=scale,
            preconditioned=any(one.preconditioned for one in found),
            tried=(*_tried(arms), *(BatchTried(size=size, fits=False) for size in too_large)),
            branch_steps=self.steps,
            repeats=PROVEN,
        )
        return msgspec.structs.replace(chosen, sentence=batch_sentence(chosen))

    def _tune(self, arm: _Arm, forks: Sequence[Start], rescaled: float) -> None:
        """Try rates around the rescaled one, and further ones while the best lies on the border of what was tried.

        Without that, a size whose rescaled rate is larger would win where the task's own rate is too small.
        """

        def add(factor: float) -> None:
            arm.losses[factor] = [self._branch(fork, arm.size, factor) for fork in forks]

        for factor in RATES:
            add(rescaled * factor)
        for _ in range(MOST_WIDENED):
            best, _ = arm.best()
            if best == min(arm.losses):
                add(best / RATE_STEP)
            elif best == max(arm.losses):
                add(best * RATE_STEP)
            else:
                break

    def _fork(self, number: int) -> Start:
        """Return a start after one branch's steps with the own size: at initialization small batches look best."""
        start = start_of(self.recipe, 100 + number)
        for _ in train_from(start, lambda step: (0.0, 1.0), self.steps):
            pass
        return replace(start, state=state_of(start.run), batches=[])

    def _lengths(self, fork: Start) -> Lengths:
        """Return the squared lengths of gradients at a fork; its weights stay."""
        set_rates(fork.run, 0.0, 0.0)
        with closing(same_batches(fork.run)) as batches:
            return lengths(fork.run, islice(batches, PARTS))

    def _arms(self, sizes: Sequence[Size], scale: float | None) -> list[_Arm]:
        """Return the own size, then the others by predicted time to equal loss, the soonest first.

        S updates of B samples are needed, S proportional to 1 + scale / B. Without a scale it is taken to be the own
        size.
        """
        noise = self.own_size if scale is None else scale

        def time_s(one: Size) -> float:
            return (one.size + noise) / one.speed.value

        others = sorted((one for one in sizes if one is not self.own), key=time_s)
        return [_Arm(one, time_s(self.own) / time_s(one)) for one in (self.own, *others)]

    def _branch(self, fork: Start, size: Size, factor: float, *, time: float = 1.0) -> float:
        """Return the held-out loss after a branch that takes as long as one of the own size, times `time`."""
        steps = max(2, round(time * self.steps * self.own.step_s / size.step_s))
        start = fork
        if size.size != self.own_size:
            run = with_batch_size(fork.run, size.size)
            start = Start(run, fork.state, fork.held_out)

        def rates(number: int) -> tuple[float, float]:
            return number / steps, factor * cooled(number, steps)

        for _ in train_from(start, rates, steps):
            pass
        return score(start)

    def _proven(self, own: _Arm, best: _Arm) -> Interval | None:
        """Return how many times sooner a size reaches the held-out loss of the own one, on other starts.

        The own size's loss at half, all and twice the time tells what a difference in loss is worth in time.
        """
        own_factor, factor = own.best()[0], best.best()[0]
        curves, reached = list[list[float]](), list[float]()
        for number in range(TUNED, TUNED + PROVEN):
            fork = self._fork(number)
            curves.append([self._branch(fork, own.size, own_factor, time=time) for time in TIMES])
            reached.append(self._branch(fork, best.size, factor))
        return speedup_from(curves, reached)


def speedup_from(curves: Sequence[Sequence[float]], reached: Sequence[float]) -> Interval | None:
    """Return the ratio of times to equal loss; None where the loss does not fall with time, or is not finite.

    Args:
        curves: for each start the losses of the own size at `TIMES`.
        reached: for each start the loss of another size at the time 1.
    """
    losses = np.asarray(curves, dtype=np.float64)
    if not (np.isfinite(losses).all() and np.isfinite(reached).all()):
        return None
    slope = -float(np.polyfit(np.log(TIMES), losses.mean(0), 1)[0])
    if slope <= 0:
        return None
    gains = (losses[:, TIMES.index(1.0)] - np.asarray(reached)) / slope
    bound = math.log(_MOST_RATIO)
    return few_ratios(np.exp(np.clip(gains, -bound, bound)).tolist())


def rate_power(optimizer: optim.Optimizer) -> float:
    """Return the power of the batch size by which the rate is rescaled: 1 for gradient descent, 0.5 for adaptive ones.

    Source: Goyal et al., 2017, arXiv:1706.02677; Malladi et al., 2022, arXiv:2205.10287.
    """
    return 1.0 if isinstance(optimizer, optim.SGD) else 0.5


def _tried(arms: Sequence[_Arm]) -> list[BatchTried]:
    found = [
        BatchTried(
            size=arm.size.size,
            fits=True,
            samples_per_s=arm.size.speed,
            predicted=arm.predicted,
            rate_factor=arm.best()[0] if arm.losses else None,
            loss=finite(arm.best()[1]) if arm.losses else None,
        )
        for arm in arms
    ]
    return sorted(found, key=lambda one: one.size)
