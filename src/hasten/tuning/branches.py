"""Techniques that change the path or the model: judged by whole trainings, in time to equal quality."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from hasten.base.records.interval import Interval
from hasten.base.records.plan import Knob
from hasten.base.records.trial import Trial, Verdict
from hasten.base.seeds import derive
from hasten.base.units import percent, seconds
from hasten.measurement.statistics import ratio_interval
from hasten.techniques.applying import apply_all, conflict, knobs_of
from hasten.training.recipe import Recipe
from hasten.training.session import total_steps
from hasten.training.technique import Technique
from hasten.tuning import words
from hasten.tuning.course import Course, run_course, shortened
from hasten.tuning.experiment import blank, names, told
from hasten.tuning.laboratory import Laboratory, Plan, bench_of
from hasten.tuning.payback import planned_s
from hasten.tuning.selection import Kept

LADDERS: dict[str, tuple[dict[str, Knob], ...]] = {
    "one_cycle": ({"share": 0.25}, {"share": 0.5}, {"share": 1.0}),
}
"""Technique -> knobs that are tried on one seed, of which the best goes on to the others."""
FEWEST_SEEDS, MOST_SEEDS = 3, 5
SHORTEST_BRANCH_STEPS = 200
"""Shorter trainings say too little of long ones (Wu et al., 2018, arXiv:1803.02021)."""
PATIENCE = 2.0
"""Times the baseline's time after which a candidate is given up."""
SHARE_OF_THE_FIRST = 0.6
"""Of the time left, for the technique whose turn it is: half a proof is none."""
TRAININGS = 8
"""About how many trainings one technique takes: 1 to begin with, and 3 seeds with and without, and one to spare."""


@dataclass
class Trainings:
    """The whole trainings that were made so far, of one baseline (shortened or not)."""

    lab: Laboratory
    recipe: Recipe
    note: str = ""  # what is special about them, for the reasons
    done: dict[tuple[frozenset[Technique], int], Course] = field(
        default_factory=dict[tuple[frozenset[Technique], int], Course]
    )

    def course(self, plan: Plan, number: int, *, limit_s: float = math.inf) -> Course:
        """Return the training of a plan on the seed of that number, made at the first call."""
        key = (frozenset(plan), number)
        if key not in self.done:
            recipe = apply_all(plan, self.recipe, self.lab.machine)
            seed = derive(self.recipe.task.seed, "branch", number) % 10_000
            self.done[key] = run_course(recipe, seed=seed, limit_s=limit_s)
        return self.done[key]

    def target(self, base: Plan, numbers: Sequence[int]) -> float | None:
        """Return the metric that counts as equal quality: the task's target, else the worst that `base` ended with."""
        if self.recipe.task.stop.target is not None:
            return self.recipe.task.stop.target
        courses = [self.course(base, number) for number in numbers]
        ends = [course.points[-1][1] for course in courses if course.points]
        return (min if courses[0].higher_is_better else max)(ends, default=None)


def follow(lab: Laboratory, chosen: Sequence[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Try techniques that change the path or the model on top of `plan`, one after the other; keep those that help.

    Args:
        lab: where the trainings are made.
        chosen: what is tried.
        plan: what is kept already; those that help are added.
        share: of the budget, counted from its start.
    """
    trainings = _trainings(lab, tuple(plan), limit_s=lab.budget.left_s(share) / TRAININGS)
    ordered = sorted(chosen, key=lambda one: "slow_convergence" not in one.card.treats)
    for number, one in enumerate(ordered):
        base = tuple(plan)
        if trainings is None:
            yield blank(one, Verdict.NOT_PROVEN, "budget: whole trainings with and without it take longer", base)
            continue
        last = number + 1 == len(ordered)
        budget_s = lab.budget.left_s(share) * (1.0 if last else SHARE_OF_THE_FIRST)
        trial, made = _tried(trainings, one, base, budget_s)
        if trial.verdict is Verdict.KEPT:
            plan[made] = trial
        yield trial


def _trainings(lab: Laboratory, base: Plan, *, limit_s: float) -> Trainings | None:
    """Return the trainings that the budget holds: whole ones, else shortened ones, or None if those say too little."""
    if limit_s <= 0:
        return None
    whole = Trainings(lab, lab.recipe)
    if whole.course(base, 0, limit_s=limit_s).ended:
        return whole
    share = 0.5 * limit_s / planned_s(lab.recipe, bench_of(lab, base).step_s)
    steps = total_steps(lab.recipe)
    if steps is not None and share * steps < SHORTEST_BRANCH_STEPS:
        return None
    return Trainings(
        lab, shortened(lab.recipe, min(share, 1.0)), note=f" (on trainings of {percent(share)} of the steps)"
    )


def _tried(trainings: Trainings, one: Technique, base: Plan, budget_s: float) -> tuple[Trial, Technique]:
    """Return the trial of a technique and the technique with the knobs that were best."""
    best = one

    def make() -> Trial:
        nonlocal best
        best, trial = _best_variant(trainings, one, base)
        return trial if trial is not None else _over_seeds(trainings, best, base, budget_s)

    trial = told(one, base, make)
    return msgspec.structs.replace(trial, knobs=knobs_of(best)), best


def _best_variant(trainings: Trainings, one: Technique, base: Plan) -> tuple[Technique, Trial | None]:
    """Try every knob of the ladder on the first seed; return the best, and the trial if that is the end of it."""
    why = one.refuse(trainings.recipe, trainings.lab.machine) or conflict([other.card for other in (*base, one)])
    if why is not None:
        return one, blank(one, Verdict.REFUSED, why, base)
    plain = trainings.course(base, 0)
    target = trainings.target(base, [0])
    if target is None:
        return one, blank(one, Verdict.NOT_PROVEN, "the plain training has no finite metric to compare with", base)
    times: dict[Technique, float] = {}
    for knobs in LADDERS.get(one.card.name, ({},)):
        variant = replace(one, **knobs)  # type: ignore[type-var]  (every technique is a dataclass)
        course = trainings.course((*base, variant), 0, limit_s=PATIENCE * plain.elapsed_s)
        times[variant] = course.time_to(target) or math.inf
    best = min(times, key=lambda variant: times[variant])
    plain_s = plain.time_to(target) or plain.elapsed_s
    if math.isinf(times[best]):
        tried = f"none of {len(times)} settings" if len(times) > 1 else "it never"
        why = f"{tried} reached the quality of the plain training ({target:.4g}){trainings.note}"
        return best, blank(best, Verdict.HURTS, why, base)
    if times[best] >= plain_s:
        against = f"{seconds(times[best])} to {target:.4g} against {seconds(plain_s)}{trainings.note}"
        why = f"{against}: no gain on the first seed"
        return best, blank(best, Verdict.NO_DIFFERENCE, why, base)
    return best, None


def _over_seeds(trainings: Trainings, one: Technique, base: Plan, budget_s: float) -> Trial:
    """Compare with and without on as many seeds as the budget holds; a seed that chose the knobs does not count."""
    first = 1 if one.card.name in LADDERS else 0
    plan = (*base, one)
    pair_s = trainings.course(base, 0).elapsed_s + trainings.course(plan, 0).elapsed_s
    count = min(MOST_SEEDS, int(budget_s / pair_s))
    if count < FEWEST_SEEDS:
        why = f"budget: faster on the first seed, but {FEWEST_SEEDS} seeds need about {seconds(FEWEST_SEEDS * pair_s)}"
        return blank(one, Verdict.NOT_PROVEN, f"{why}{trainings.note}", base)
    numbers = list(range(first, first + count))
    coin = np.random.default_rng(first)
    for number in numbers:
        for side in (base, plan) if coin.random() < 0.5 else (plan, base):
            trainings.course(side, number, limit_s=math.inf if side == base else PATIENCE * pair_s)
    target = trainings.target(base, numbers)
    assert target is not None, "the first seed had one"
    times = [trainings.course(plan, number).time_to(target) for number in numbers]
    missed = times.count(None)
    if missed:
        why = f"{missed} of {count} trainings missed the quality of the plain ones ({target:.4g}){trainings.note}"
        return blank(one, Verdict.HURTS, why, base)
    plain = [trainings.course(base, number) for number in numbers]
    plain_times = [course.time_to(target) or course.elapsed_s for course in plain]
    ratio = ratio_interval([math.log(a / b) for a, b in zip(plain_times, times, strict=True) if b is not None])
    return _verdict(one, base, ratio, f"to {target:.4g} on {count} seeds{trainings.note}")


def _verdict(one: Technique, base: Plan, ratio: Interval, what: str) -> Trial:
    tried = sorted({name for knobs in LADDERS.get(one.card.name, ()) for name in knobs})
    setting = ", ".join(f"{name} {getattr(one, name)}" for name in tried)
    text = f"{words.ratio(ratio)} as fast {what}{words.beside(names(base))}{f', with {setting}' if setting else ''}"
    if ratio.low > 1:
        trial = blank(one, Verdict.KEPT, text, base)
    elif ratio.high < 1:
        trial = blank(one, Verdict.HURTS, text, base)
    else:
        trial = blank(one, Verdict.NOT_PROVEN, f"{text}: not clear of the spread between seeds", base)
    return msgspec.structs.replace(trial, speedup=ratio)
