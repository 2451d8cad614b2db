"""The learning rate of a task: a range test for the stability edge, then short branches below it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from hasten.base.records.notices import Activity, Note
from hasten.base.records.rate_choice import RateChoice, RateTried, RateVerdict
from hasten.base.records.record import Interval
from hasten.base.units import finite, percent, seconds
from hasten.data.loading.sample_randomness import restored
from hasten.measurement.statistics import few_ratios, mean_interval
from hasten.training.recipe import Recipe
from hasten.tuning.break_even import planned_s
from hasten.tuning.budget import now_s
from hasten.tuning.rate import horizon
from hasten.tuning.rate.branches import Branches, Ended
from hasten.tuning.rate.spending import budget_seconds, step_seconds
from hasten.tuning.rate.start import score, train_from
from hasten.tuning.rate.sweep import Sweep
from hasten.tuning.rate.words import rate_sentence
from hasten.tuning.state import untouched

REPEATS = 3
"""Initializations and data orders of the search: fewer have no useful interval."""
PROOFS, MOST_PROOFS = 5, 12
"""Other ones for the proof; further ones while the budget lasts, where the first show no difference."""
SCREENED = 9
"""Rates from the stability edge downwards, each a factor 10^0.5 apart, in one branch each: four decades, since just
below the edge a network may be dead and yet its loss finite, and there the best of some is chance."""
SCREEN_STEP, STEP = 10**0.5, 10**0.25
SHORTER = 4
"""Times: a branch that screens against one that decides."""
FEWEST_STEPS, MOST_STEPS = 160, 2000
"""Of a branch that decides; it is never longer than the training, whose length is the most where it is known."""
WHOLE_S = 60.0
"""Seconds that a search by whole trainings may take where no budget is asked for: it has nothing to extrapolate."""
MOST_WIDENED = 8
"""Further rates beyond a border, of each kind of branch."""
LEAST_WORTH = 1e-3
"""Of the held-out loss: a smaller gain counts as no difference."""
LOWER = 3
"""Steps down from the best rate of short branches that long ones begin with: the best falls with the length."""
_BRANCHES = (SCREENED + 3 * REPEATS) / SHORTER + (LOWER + 1) * REPEATS + 2 * PROOFS
"""Long branches that a search is about as expensive as: screening, deciding with one rate more, and the proof."""
_LEVEL = 0.975
_SWEEP_STEPS = 45

Show = Callable[[object], None]


@dataclass(frozen=True)
class Cost:
    """What a search takes: the steps of a branch that decides, of everything, and its seconds."""

    branch_steps: int
    steps: int
    step_s: float

    @property
    def seconds(self) -> float:
        """Seconds of everything."""
        return self.steps * self.step_s


def choose_rate(recipe: Recipe, *, budget: Callable[[float], float | None], show: Show) -> RateChoice:
    """Return the learning rate that short branches prefer, its interval, and what it is worth.

    Models, optimizers and positions are the search's own; generators, settings and data are as before when it returns.

    Args:
        recipe: of the task as it is trained today; a factor of its rates is searched.
        budget: seconds of the planned training (infinite where nothing bounds it) -> seconds to spend; None for
            `default_budget_s`, or what a search takes at least, or one by whole trainings if that is `WHOLE_S` at most.
        show: called with what to know before it starts.

    Raises:
        BadInput: if the budget is too small.
    """
    data = recipe.task.data
    with untouched(), restored(data.train, data.valid):
        begin, branches = now_s(), Branches(recipe)
        cost, budget_s = _planned(branches, budget)
        planned = recipe.subject.planned_steps
        share = f", {percent(cost.steps / planned)} of the planned training" if planned else ""
        kind = "short branches and whole trainings" if branches.is_training(cost.branch_steps) else "short branches"
        show(Note(text=f"about {cost.steps:,} updates in {kind}, {seconds(cost.seconds)}{share}."))
        show(Activity(text="searching the learning rate"))
        found = _Search(branches, cost, begin + budget_s).choice()
        return msgspec.structs.replace(found, budget_s=budget_s, spent_s=now_s() - begin)


def _planned(branches: Branches, budget: Callable[[float], float | None]) -> tuple[Cost, float]:
    """Time some steps, and return what the budget allows."""
    step_s = step_seconds(branches.start(0))
    planned, whole_s = branches.recipe.subject.planned_steps, planned_s(branches.recipe, step_s)
    fewest = min(FEWEST_STEPS, planned or FEWEST_STEPS)
    least, longest = _cost(fewest, step_s), _cost(planned or MOST_STEPS, step_s)
    usual = longest if planned and longest.seconds <= WHOLE_S else least
    asked_s = budget_seconds(
        budget,
        whole_s,
        least_s=least.seconds,
        usual_s=usual.seconds,
        fewest_steps=fewest,
        what="a learning rate",
    )
    if longest.seconds <= asked_s:
        return longest, asked_s
    spare = asked_s / step_s - REPEATS * _SWEEP_STEPS
    return _cost(max(fewest, int(spare / _BRANCHES)), step_s), asked_s


def _cost(branch_steps: int, step_s: float) -> Cost:
    return Cost(branch_steps, math.ceil(_BRANCHES * branch_steps + REPEATS * _SWEEP_STEPS), step_s)


class _Search:
    """One search: edges, screening, deciding, proof; `ends_s` is when the budget ends."""

    def __init__(self, branches: Branches, cost: Cost, ends_s: float) -> None:
        self.branches, self.recipe, self.ends_s = branches, branches.recipe, ends_s
        self.long, self.short = cost.branch_steps, max(1, cost.branch_steps // SHORTER)
        start = branches.start(0)
        self.rates, self.anneals = start.own_rates, horizon.anneals(start.run)
        planned = self.recipe.subject.planned_steps
        self.times = planned / self.long if planned else 1.0
        self.screened, self.decided = list[float](), list[float]()
        self.horizon = 1.0

    def choice(self) -> RateChoice:
        """Search and return what was found."""
        sweeps, untrained = list[Sweep](), list[float]()
        for repeat in range(REPEATS):
            sweeps.append(Sweep(self.branches.start(repeat)))
            self.branches.steps_made += sweeps[-1].steps
            untrained.append(self._untrained(repeat))
        edges = [sweep.edge for sweep in sweeps if sweep.edge is not None]
        edge = _typical(edges) if edges else sweeps[0].factors[-1]
        top = math.floor(math.log(edge) / math.log(SCREEN_STEP))
        wide = [SCREEN_STEP**place for place in range(top, top - SCREENED, -1)]
        wide = self._widened(wide, SCREEN_STEP, self.short, repeats=1)
        best = self._best(wide, self.short, repeats=1)
        self.screened = self._widened([best / STEP, best, best * STEP], STEP, self.short)
        best = self._best(self.screened, self.short)
        self.decided = self._widened([best / STEP**down for down in range(1, LOWER + 1)], STEP, self.long)
        if not self._mean(self._best(self.decided, self.long), self.long) < sum(untrained) / REPEATS:
            return self._record(RateVerdict.NONE_STABLE, edges, None, None)
        self.horizon = horizon.extrapolated(
            self.times,
            short=(self.short, self._lowest(self.screened, self.short)),
            long=(self.long, self._lowest(self.decided, self.long)),
        )
        rate = self._interval()
        verdict, worth = self._proven(rate.value)
        return self._record(verdict, edges, rate, worth)

    def _untrained(self, repeat: int) -> float:
        start = self.branches.start(repeat)
        for _ in train_from(start, lambda number: (0.0, 0.0), 0):
            pass
        return score(start)

    def _widened(self, factors: list[float], step: float, steps: int, repeats: int = REPEATS) -> list[float]:
        """Return the factors, rising, with further ones while the best lies on the border of what was tried."""
        found = sorted(factors)
        for _ in range(MOST_WIDENED):
            best = self._best(found, steps, repeats)
            if best == found[0]:
                found.insert(0, best / step)
            elif best == found[-1]:
                found.append(best * step)
            else:
                break
        return found

    def _best(self, factors: Sequence[float], steps: int, repeats: int = REPEATS) -> float:
        for repeat in range(repeats):  # repeat by repeat: each has a session of its own
            for factor in factors:
                self.branches.ended(repeat, factor, steps)
        return min(factors, key=lambda factor: self._mean(factor, steps, repeats))

    def _mean(self, factor: float, steps: int, repeats: int = REPEATS) -> float:
        return sum(self._judged(repeat, factor, steps) for repeat in range(repeats)) / repeats

    def _judged(self, repeat: int, factor: float, steps: int) -> float:
        return self._deciding(self.branches.ended(repeat, factor, steps), steps)

    def _deciding(self, ended: Ended, steps: int) -> float:
        """Return the held-out loss that decides: where the rate stays up to the end, its noise stays, too."""
        return ended.loss if self.anneals or self.branches.is_training(steps) else ended.hot

    def _lowest(self, factors: Sequence[float], steps: int) -> float:
        """Return the factor at which the mean over the repeats is lowest."""
        return horizon.lowest_point(factors, [self._mean(factor, steps) for factor in factors])

    def _interval(self) -> Interval:
        """Return the factor of the best rate of the whole training, with its interval over the repeats."""
        best = self._lowest(self.decided, self.long)
        single = [
            horizon.lowest_point(self.decided, [self._judged(repeat, one, self.long) for one in self.decided])
            for repeat in range(REPEATS)
        ]
        spread = few_ratios([one / best for one in single])
        value = best * self.horizon
        low, high = min(1.0, spread.low), max(1.0, spread.high)
        return Interval(value=value, low=value * low, high=value * high, n=REPEATS)

    def _proven(self, factor: float) -> tuple[RateVerdict, Interval | None]:
        """Compare with the task's own rate on other starts; each stands for the whole training at the same horizon.

        It is looked at twice at most, each time at half of the error that is allowed (Bonferroni).
        """
        own, mine = list[float](), list[float]()

        def compared() -> tuple[RateVerdict, Interval | None]:
            if not all(map(math.isfinite, mine)):
                return RateVerdict.NO_DIFFERENCE, None
            if not all(map(math.isfinite, own)):
                return RateVerdict.OWN_DIVERGES, None
            scale = abs(sum(own)) / len(own) or 1.0
            worth = mean_interval([(a - b) / scale for a, b in zip(mine, own, strict=True)], level=_LEVEL)
            better = worth.high < 0 and worth.value < -LEAST_WORTH
            return (RateVerdict.BETTER if better else RateVerdict.NO_DIFFERENCE), worth

        def add(repeat: int) -> None:
            own.append(self._judged(repeat, 1 / self.horizon, self.long))
            mine.append(self._judged(repeat, factor / self.horizon, self.long))

        for number in range(PROOFS):
            add(REPEATS + number)
        verdict, worth = compared()
        if worth is None or verdict is RateVerdict.BETTER or worth.low > 0:
            return verdict, worth
        for number in range(PROOFS, MOST_PROOFS):
            if now_s() >= self.ends_s:
                break
            add(REPEATS + number)
        return compared()

    def _record(
        self, verdict: RateVerdict, edges: Sequence[float], rate: Interval | None, worth: Interval | None
    ) -> RateChoice:
        first, changes = self.rates[0], verdict in (RateVerdict.BETTER, RateVerdict.OWN_DIVERGES)
        found = RateChoice(
            task=self.recipe.task.name,
            verdict=verdict,
            sentence="",
            own_rates=self.rates,
            factor=rate.value if rate is not None and changes else 1.0,
            rate=None if rate is None else _scaled(rate, first),
            worth=worth,
            horizon=self.horizon,
            edge=_scaled(few_ratios(edges), first) if len(edges) > 1 else None,
            tried=self._tried(),
            branch_steps=self.long,
            repeats=REPEATS,
            steps=self.branches.steps_made,
            planned_steps=self.recipe.subject.planned_steps,
            budget_s=0.0,
            spent_s=0.0,
        )
        return msgspec.structs.replace(found, sentence=rate_sentence(found))

    def _tried(self) -> tuple[RateTried, ...]:
        kinds = dict.fromkeys((steps, factor, repeat >= REPEATS) for repeat, steps, factor in self.branches.done)
        return tuple(
            RateTried(
                branch_rate=factor * self.rates[0],
                rate=factor * self.rates[0] * self.horizon,
                steps=steps,
                losses=tuple(
                    finite(self._deciding(ended, length))
                    for (repeat, length, one), ended in self.branches.done.items()
                    if (length, one, repeat >= REPEATS) == (steps, factor, proof)
                ),
                proof=proof,
            )
            for steps, factor, proof in sorted(kinds)
        )


def _typical(factors: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(sum(map(math.log, factors)) / len(factors))


def _scaled(interval: Interval, by: float) -> Interval:
    return msgspec.structs.replace(interval, value=interval.value * by, low=interval.low * by, high=interval.high * by)
