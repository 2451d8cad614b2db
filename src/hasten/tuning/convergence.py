"""Techniques that change the path or the model: judged by whole trainings, in time to equal quality."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from hasten.base.records.record import Interval
from hasten.base.records.trial import Gate, Trial, Verdict
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

FEWEST_SEEDS, MOST_SEEDS, MOST_CONFIRMED = 3, 10, 5
"""Seeds of the proof of one technique, and of the measurement of the whole plan afresh."""
FIRST_CONFIRMED = 101
"""Number of its first seed: none that the proofs have seen."""
GIVE_UP = 1.1
"""Times the baseline's time to the quality after which a candidate is given up on the first seed."""
GIVE_UP_LATER = 3.0
"""The same on the other seeds, which must tell by how much it is slower."""
TRAININGS = 16
"""About how many trainings the proof of one technique takes, measuring it afresh and what does not succeed included."""
FIRST_SEED_SHARE = 0.5
"""Of the time for trainings, at most, for looking at everybody on the first seed."""


@dataclass(frozen=True)
class _Look:
    """A technique with its best knobs on the first seed.

    Args:
        one: with those knobs.
        ratio: how many times sooner it arrived; 0 where it never did, or was not trained whole.
        why: nothing more is tried, if it was not sooner.
        gate: what short branches showed; None where they say nothing of it.
    """

    one: Technique
    ratio: float
    why: str
    gate: Gate | None = None

    def trial(self, base: Plan) -> Trial:
        """Return the trial that ends here."""
        lags = self.gate is not None and not self.gate.passed
        trial = blank(self.one, Verdict.SLOWER if lags else Verdict.INCONCLUSIVE, self.why, base)
        return msgspec.structs.replace(trial, gate=self.gate)


@dataclass(frozen=True)
class _Outcome:
    """What trainings with and without have shown: the verdict, the sentence, and how many times sooner it arrives."""

    verdict: Verdict
    text: str
    ratio: Interval | None = None


class Followed:
    """Techniques that change the path or the model, tried on top of a plan; those that arrive sooner join it.

    What clearly lags behind in short branches is refused. The others are each tried on one seed, which is cheap, since
    what is slower is given up at the baseline's time. What was faster is compared on further seeds, the fastest first,
    each beside those that were kept before. Then all of them together are measured afresh on seeds of their own: only
    that number is reported, and where it shows no gain, none is kept.

    Args:
        lab: where the trainings are made; the rest of its budget is used.
        chosen: what is tried.
        plan: what is kept already; those that help are added.

    Attributes:
        speedup: of what was added, measured afresh.
        remark: about that.
    """

    def __init__(self, lab: Laboratory, chosen: Sequence[Technique], plan: Kept) -> None:
        self.lab, self.chosen, self.plan = lab, chosen, plan
        self.speedup: Interval | None = None
        self.remark = ""

    def trials(self) -> Iterator[Trial]:
        """Yield what came of each technique, as soon as it is known: of what is kept, when it was measured afresh."""
        plan, free = self.plan, tuple(self.plan)
        trainings = _affordable(self.lab, free)
        if trainings is None:
            for one in self.chosen:
                yield blank(one, Verdict.INCONCLUSIVE, "budget: trainings with and without it would take longer", free)
            return
        promising: list[_Look] = []
        yield from _first_looks(trainings, self.chosen, free, promising)
        for look in sorted(promising, key=lambda look: look.ratio, reverse=True):
            base = tuple(plan)
            trial = _stopped_in_time(
                self.lab, look.one, base, lambda look=look, base=base: _over_seeds(trainings, look, base)
            )
            if trial.verdict is Verdict.KEPT:
                plan[look.one] = trial  # told when it is measured afresh
            else:
                yield trial
        added = [one for one in plan if one not in free]
        if added:
            self._measure_afresh(trainings, free)
        for one in added:
            trial = plan[one]
            if self.speedup is None:
                del plan[one]
                trial = blank(one, Verdict.INCONCLUSIVE, self.remark, free)
            yield trial

    def _measure_afresh(self, trainings: Trainings, free: Plan) -> None:
        """Compare with and without all that was added, on seeds that none of the proofs has seen."""
        plan, lab = tuple(self.plan), trainings.lab
        what = ", ".join(names(tuple(one for one in plan if one not in free)))
        pair_s = trainings.course(free, 0).elapsed_s * (1 + 1 / _gain(self.plan, free))
        count = min(MOST_CONFIRMED, int(lab.budget.left_s() / pair_s))
        try:
            if count < FEWEST_SEEDS:
                raise OutOfTime
            with ends_by(lab.budget.hard_stop_s):
                found = _compared(trainings, free, plan, range(FIRST_CONFIRMED, FIRST_CONFIRMED + count))
        except OutOfTime:
            self.remark = f"{what}: dropped, since the budget ended before it could be measured afresh."
            return
        if found.verdict is Verdict.KEPT:
            self.speedup = found.ratio
            self.remark = f"Measured afresh, {what} is {found.text}."
        else:
            self.remark = f"{what}: dropped; measured afresh: {found.text}."


def _gain(plan: Kept, free: Plan) -> float:
    """Return how many times sooner a plan is expected to arrive than without what was added."""
    return math.prod(trial.speedup.value for one, trial in plan.items() if one not in free and trial.speedup)


def _affordable(lab: Laboratory, base: Plan) -> Trainings | None:
    try:
        with ends_by(lab.budget.hard_stop_s):
            return affordable(lab, base, limit_s=lab.budget.left_s() / TRAININGS)
    except OutOfTime:
        return None


def _stopped_in_time(lab: Laboratory, one: Technique, base: Plan, make: Callable[[], Trial]) -> Trial:
    return told(one, base, make, until_s=lab.budget.hard_stop_s)


def _first_looks(
    trainings: Trainings, chosen: Sequence[Technique], base: Plan, promising: list[_Look]
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


def _first_look(trainings: Trainings, one: Technique, base: Plan, promising: list[_Look]) -> Trial | None:
    """Try the knobs of `card.search` on the first seed; return the trial if it ends there, else note its promise."""
    looks: list[_Look] = []

    def make() -> Trial:
        machine, recipe = trainings.lab.machine, trainings.recipe
        why = why_judged_wrongly(apply_all((*base, one), recipe, machine), apply_all(base, recipe, machine))
        if why is not None:
            return blank(one, Verdict.FAILED, why, base)
        looks.append(_best_variant(trainings, one, base))
        return looks[0].trial(base)

    trial = _stopped_in_time(trainings.lab, one, base, make)
    if looks and looks[0].ratio > 1:
        promising.append(looks[0])
        return None
    return trial


def _best_variant(trainings: Trainings, one: Technique, base: Plan) -> _Look:
    """Return the technique with its best knobs on the first seed; knobs that clearly lag behind are not trained."""
    plain, target = trainings.course(base, 0), trainings.target(base, [0])
    if target is None:
        return _Look(one, 0.0, "the plain training has no finite metric to compare with")
    plain_s = plain.time_to(target) or plain.elapsed_s
    times, gates = dict[Technique, float](), dict[Technique, Gate | None]()
    for knobs in one.card.search:
        variant = replace(one, **knobs)  # type: ignore[type-var]  (every technique is a dataclass)
        gate = gates[variant] = trainings.screen.judged(variant)
        if gate is None or gate.passed:
            course = trainings.course((*base, variant), 0, limit_s=GIVE_UP * plain_s)
            times[variant] = course.time_to(target) or math.inf
    if not times:
        worst = next(iter(gates))
        gate = gates[worst]
        assert gate is not None, "what has no gate is trained"
        return _Look(worst, 0.0, f"{gate.detail}{trainings.note}, so no whole training was made", gate)
    best = min(times, key=lambda variant: times[variant])
    text = f"the quality of the plain training ({target:.4g}, {seconds(plain_s)}){trainings.note}"
    if math.isinf(times[best]):
        why = f"in {seconds(GIVE_UP * plain_s)} it did not reach {text} on the first seed, so no more was tried"
        return _Look(best, 0.0, why, gates[best])
    why = f"no sooner at {text} on the first seed: {seconds(times[best])}, so no more was tried"
    return _Look(best, plain_s / times[best], why, gates[best])


def _over_seeds(trainings: Trainings, look: _Look, base: Plan) -> Trial:
    """Compare with and without on as many seeds as the budget holds; a seed that chose the knobs does not count."""
    one, promise = look.one, look.ratio
    why = why_refused(one, trainings.recipe, trainings.lab.machine) or conflict([other.card for other in (*base, one)])
    if why is not None:
        why = f"{promise:.2f}x on the first seed, but {why}, which gains more"
        return blank(one, Verdict.NOT_APPLICABLE, why, base)
    pair_s = trainings.course(base, 0).elapsed_s * (1 + 1 / promise)
    count = _affordable_seeds(trainings.lab.budget, pair_s)
    if count < FEWEST_SEEDS:
        need = (
            f"{FEWEST_SEEDS} seeds, and as many to measure it afresh, need about {seconds(2 * FEWEST_SEEDS * pair_s)}"
        )
        why = f"budget: {promise:.2f}x on the first seed{trainings.note}, but {need}"
        trial = blank(one, Verdict.INCONCLUSIVE, why, base)
    else:
        numbers = range(1, 1 + count)
        trial = _judged(one, base, _compared(trainings, base, (*base, one), numbers, kept_back=FEWEST_SEEDS))
    return msgspec.structs.replace(trial, gate=look.gate)


def _affordable_seeds(budget: Budget, pair_s: float) -> int:
    """Return on how many seeds half of the time left allows to compare; the other half measures the plan afresh."""
    return min(MOST_SEEDS, int(0.5 * budget.left_s() / pair_s))


def _compared(trainings: Trainings, base: Plan, plan: Plan, numbers: Sequence[int], kept_back: int = 0) -> _Outcome:
    """Return whether and how many times sooner a plan arrives on the seeds of those numbers; a miss is never faster.

    Of more seeds than `FEWEST_SEEDS`, those are compared that leave time for so many further pairs.
    """
    numbers = _trained(trainings, base, plan, numbers, kept_back)
    target = trainings.target(base, numbers)
    if target is None:
        return _Outcome(Verdict.INCONCLUSIVE, "the plain trainings have no finite metric to compare with")
    times = [trainings.course(plan, number).time_to(target) for number in numbers]
    reached = [time_s for time_s in times if time_s is not None]
    if len(reached) < len(times):
        missed = f"{len(times) - len(reached)} of {len(times)} trainings"
        why = f"{missed} missed the quality of the plain ones ({target:.4g}){trainings.note}"
        return _Outcome(Verdict.SLOWER, why)
    courses = [trainings.course(base, number) for number in numbers]
    plain_times = [course.time_to(target) or course.elapsed_s for course in courses]
    ratio = few_ratios([plain_s / time_s for plain_s, time_s in zip(plain_times, reached, strict=True)])
    return _outcome_of(ratio, f"to {target:.4g} on {len(numbers)} seeds{trainings.note}")


def _outcome_of(ratio: Interval, what: str) -> _Outcome:
    text = f"{messages.ratio(ratio)} as fast {what}"
    if ratio.low > 1:
        return _Outcome(Verdict.KEPT, text, ratio)
    if ratio.high < 1:
        return _Outcome(Verdict.SLOWER, text, ratio)
    return _Outcome(Verdict.INCONCLUSIVE, f"{text}: within the spread between seeds", ratio)


def _trained(trainings: Trainings, base: Plan, plan: Plan, numbers: Sequence[int], kept_back: int = 0) -> list[int]:
    """Train with and without on the seeds of those numbers; end early where a training misses the target.

    Which goes first is a fair coin, so that a drift of the machine favors nobody.
    """
    coin, goal, made = np.random.default_rng(0), trainings.recipe.task.stop.target, list[int]()
    give_up_s = GIVE_UP_LATER * trainings.course(base, 0).elapsed_s
    for number in numbers:
        pairs_s = sum(trainings.course(side, one).elapsed_s for side in (base, plan) for one in made)
        if len(made) >= FEWEST_SEEDS and trainings.lab.budget.left_s() < (1 + kept_back) * pairs_s / len(made):
            break  # they took longer than the first seed told
        for side in (base, plan) if coin.random() < 0.5 else (plan, base):
            trainings.course(side, number, limit_s=math.inf if side == base else give_up_s)
        made.append(number)
        if goal is not None and trainings.course(plan, number).time_to(goal) is None:
            break
    return made


def _judged(one: Technique, base: Plan, found: _Outcome) -> Trial:
    """Return the trial of what trainings with and without have shown."""
    tried = sorted({name for knobs in one.card.search for name in knobs})
    setting = ", ".join(f"{name} {getattr(one, name)}" for name in tried)
    text = f"{found.text}{messages.beside(names(base))}{f', with {setting}' if setting else ''}"
    return msgspec.structs.replace(blank(one, found.verdict, text, base), speedup=found.ratio)
