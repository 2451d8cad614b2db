"""Techniques that change the path or the model: judged by whole trainings, in time to equal quality."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from hasten.base.records.record import Interval
from hasten.base.records.trial import Trial, Verdict
from hasten.base.units import seconds
from hasten.measurement.statistics import few_ratios
from hasten.techniques.applying import apply_all, conflict, why_refused
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.budget import Budget, OutOfTime, ends_by
from hasten.tuning.context import Laboratory, Plan
from hasten.tuning.held_out import why_judged_wrongly
from hasten.tuning.run_cache import Trainings, affordable
from hasten.tuning.selection import Kept
from hasten.tuning.trials import blank, names, told

FEWEST_SEEDS, MOST_SEEDS = 3, 10
GIVE_UP = 1.1
"""Times the baseline's time to the quality after which a candidate is given up on the first seed."""
GIVE_UP_LATER = 3.0
"""The same on the other seeds, which must tell by how much it is slower."""
TRAININGS = 10
"""About how many trainings the proof of one technique takes, with what does not succeed on the way."""
FIRST_SEED_SHARE = 0.5
"""Of the time for trainings, at most, for looking at everybody on the first seed."""

Promising = dict[Technique, float]
"""Techniques with the knobs that were best -> how many times faster they arrived on the first seed."""


def follow(lab: Laboratory, chosen: Sequence[Technique], plan: Kept) -> Iterator[Trial]:
    """Try techniques that change the path or the model on top of `plan`; keep those that arrive sooner.

    Each is first tried on one seed, which is cheap, since what is slower is given up at the baseline's time. What was
    faster is compared on further seeds, the fastest first, each beside those that were kept before.

    Args:
        lab: where the trainings are made; the rest of its budget is used.
        chosen: what is tried.
        plan: what is kept already; those that help are added.
    """
    base = tuple(plan)
    trainings = _affordable(lab, base)
    if trainings is None:
        for one in chosen:
            yield blank(one, Verdict.INCONCLUSIVE, "budget: trainings with and without it would take longer", base)
        return
    promising: Promising = {}
    yield from _first_looks(trainings, chosen, base, promising)
    for one in sorted(promising, key=lambda one: promising[one], reverse=True):
        base = tuple(plan)
        trial = _stopped_in_time(
            lab, one, base, lambda one=one, base=base: _over_seeds(trainings, one, base, promising[one])
        )
        if trial.verdict is Verdict.KEPT:
            plan[one] = trial
        yield trial


def _affordable(lab: Laboratory, base: Plan) -> Trainings | None:
    try:
        with ends_by(lab.budget.hard_stop_s):
            return affordable(lab, base, limit_s=lab.budget.left_s() / TRAININGS)
    except OutOfTime:
        return None


def _stopped_in_time(lab: Laboratory, one: Technique, base: Plan, make: Callable[[], Trial]) -> Trial:
    return told(one, base, make, until_s=lab.budget.hard_stop_s)


def _first_looks(
    trainings: Trainings, chosen: Sequence[Technique], base: Plan, promising: Promising
) -> Iterator[Trial]:
    """Try each technique on the first seed, the likeliest first; note those that arrived sooner in `promising`."""
    lab = trainings.lab
    until_s = lab.budget.spent_s + FIRST_SEED_SHARE * lab.budget.left_s()
    likeliest_first = sorted(chosen, key=lambda one: (-lab.hints.gain(one), "slow_convergence" not in one.card.treats))
    for one in likeliest_first:
        why = conflict([other.card for other in (*base, one)])
        if why is not None:
            yield blank(one, Verdict.NOT_APPLICABLE, f"{why}, which is kept", base)
        elif lab.budget.spent_s > until_s:
            yield blank(one, Verdict.INCONCLUSIVE, "not measured: budget used up by likelier ones", base)
        elif (trial := _first_look(trainings, one, base, promising)) is not None:
            yield trial


def _first_look(trainings: Trainings, one: Technique, base: Plan, promising: Promising) -> Trial | None:
    """Try the knobs of `card.search` on the first seed; return the trial if it ends there, else note its promise."""
    best, ratio = one, 0.0

    def make() -> Trial:
        nonlocal best, ratio
        machine, recipe = trainings.lab.machine, trainings.recipe
        why = why_judged_wrongly(apply_all((*base, one), recipe, machine), apply_all(base, recipe, machine))
        if why is not None:
            return blank(one, Verdict.FAILED, why, base)
        best, ratio, why = _best_variant(trainings, one, base)
        return blank(best, Verdict.INCONCLUSIVE, why, base)

    trial = _stopped_in_time(trainings.lab, one, base, make)
    if ratio > 1:
        promising[best] = ratio
        return None
    return trial


def _best_variant(trainings: Trainings, one: Technique, base: Plan) -> tuple[Technique, float, str]:
    """Return the technique with its best knobs, its speed-up on the first seed (0 if it never arrived), and why."""
    plain, target = trainings.course(base, 0), trainings.target(base, [0])
    if target is None:
        return one, 0.0, "the plain training has no finite metric to compare with"
    plain_s = plain.time_to(target) or plain.elapsed_s
    times: dict[Technique, float] = {}
    for knobs in one.card.search:
        variant = replace(one, **knobs)  # type: ignore[type-var]  (every technique is a dataclass)
        course = trainings.course((*base, variant), 0, limit_s=GIVE_UP * plain_s)
        times[variant] = course.time_to(target) or math.inf
    best = min(times, key=lambda variant: times[variant])
    text = f"the quality of the plain training ({target:.4g}, {seconds(plain_s)}){trainings.note}"
    if math.isinf(times[best]):
        return (
            best,
            0.0,
            f"in {seconds(GIVE_UP * plain_s)} it did not reach {text} on the first seed, so no more was tried",
        )
    return (
        best,
        plain_s / times[best],
        f"no sooner at {text} on the first seed: {seconds(times[best])}, so no more was tried",
    )


def _over_seeds(trainings: Trainings, one: Technique, base: Plan, promise: float) -> Trial:
    """Compare with and without on as many seeds as the budget holds; a seed that chose the knobs does not count."""
    why = why_refused(one, trainings.recipe, trainings.lab.machine) or conflict([other.card for other in (*base, one)])
    if why is not None:
        why = f"{promise:.2f}x on the first seed, but {why}, which gains more"
        return blank(one, Verdict.NOT_APPLICABLE, why, base)
    plain = trainings.course(base, 0)
    pair_s = plain.elapsed_s * (1 + 1 / promise)
    count = _affordable_seeds(trainings.lab.budget, pair_s)
    if count < FEWEST_SEEDS:
        need = f"{FEWEST_SEEDS} seeds need about {seconds(FEWEST_SEEDS * pair_s)}"
        why = f"budget: {promise:.2f}x on the first seed{trainings.note}, but {need}"
        return blank(one, Verdict.INCONCLUSIVE, why, base)
    numbers = _trained(trainings, base, (*base, one), count, give_up_s=GIVE_UP_LATER * plain.elapsed_s)
    return _judged(trainings, one, base, numbers)


def _judged(trainings: Trainings, one: Technique, base: Plan, numbers: Sequence[int]) -> Trial:
    """Return the verdict of the trainings with and without on the seeds of those numbers; a miss is never faster."""
    target = trainings.target(base, numbers)
    if target is None:
        return blank(one, Verdict.INCONCLUSIVE, "the plain trainings have no finite metric to compare with", base)
    times = [trainings.course((*base, one), number).time_to(target) for number in numbers]
    reached = [time_s for time_s in times if time_s is not None]
    if len(reached) < len(times):
        missed = f"{len(times) - len(reached)} of {len(times)} trainings"
        why = f"{missed} missed the quality of the plain ones ({target:.4g}){trainings.note}"
        return blank(one, Verdict.SLOWER, why, base)
    courses = [trainings.course(base, number) for number in numbers]
    plain_times = [course.time_to(target) or course.elapsed_s for course in courses]
    ratio = few_ratios([plain_s / time_s for plain_s, time_s in zip(plain_times, reached, strict=True)])
    return _verdict(one, base, ratio, f"to {target:.4g} on {len(numbers)} seeds{trainings.note}")


def _affordable_seeds(budget: Budget, pair_s: float) -> int:
    """Return how many seeds to compare on: what half of the time left holds, for half a proof would be none."""
    half = int(0.5 * budget.left_s() / pair_s)
    least = FEWEST_SEEDS if budget.left_s() >= FEWEST_SEEDS * pair_s else 0
    return min(MOST_SEEDS, max(half, least))


def _trained(trainings: Trainings, base: Plan, plan: Plan, count: int, *, give_up_s: float) -> list[int]:
    """Train with and without on so many seeds and return their numbers; end early where a training misses the target.

    Which goes first is a fair coin, so that a drift of the machine favors nobody.
    """
    coin, goal, numbers = np.random.default_rng(0), trainings.recipe.task.stop.target, list[int]()
    for number in range(1, 1 + count):
        for side in (base, plan) if coin.random() < 0.5 else (plan, base):
            trainings.course(side, number, limit_s=math.inf if side == base else give_up_s)
        numbers.append(number)
        if goal is not None and trainings.course(plan, number).time_to(goal) is None:
            break
    return numbers


def _verdict(one: Technique, base: Plan, ratio: Interval, what: str) -> Trial:
    tried = sorted({name for knobs in one.card.search for name in knobs})
    setting = ", ".join(f"{name} {getattr(one, name)}" for name in tried)
    text = (
        f"{messages.ratio(ratio)} as fast {what}{messages.beside(names(base))}{f', with {setting}' if setting else ''}"
    )
    if ratio.low > 1:
        trial = blank(one, Verdict.KEPT, text, base)
    elif ratio.high < 1:
        trial = blank(one, Verdict.SLOWER, text, base)
    else:
        trial = blank(one, Verdict.INCONCLUSIVE, f"{text}: within the spread between seeds", base)
    return msgspec.structs.replace(trial, speedup=ratio)
