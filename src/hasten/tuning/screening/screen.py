"""Whether a technique clearly lags behind: paired branches with and without it from several points of a training."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from hasten.base.records.trial import Gate
from hasten.base.seeds import derive
from hasten.base.units import percent, plural
from hasten.machine.set_threads import threads_set
from hasten.techniques.applying import apply_all
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.training.task import quality_of
from hasten.training.technique import Technique
from hasten.training.transforms import Averaging
from hasten.training.validation import Validation
from hasten.tuning.branch import gradient_noise
from hasten.tuning.context import Laboratory, Plan, bench_of, compared, steps_per_block
from hasten.tuning.rate.start import HELD_OUT_SAMPLES, Start, cooled, train_from
from hasten.tuning.reference_step import State, reads_optimizer, state_of, without_optimizer
from hasten.tuning.screening.forks import Forks
from hasten.tuning.screening.held_out_losses import Ended, ended
from hasten.tuning.screening.lag import Lag, Point, lag_of
from hasten.tuning.tolerances import LAG, bounded

SHARES = (0.1, 0.3, 0.6)
"""Of the training, after which branches begin."""
TWINS = (2, 1, 1)
"""Branches of the baseline that differ from it by chance, by point: the first look needs a spread, too."""
TWIN_NOISE = 0.5
"""Of each gradient, in twins on the baseline's batches; where the candidate has others, so have the twins."""
BRANCH_SHARE, FEWEST_STEPS, MOST_STEPS = 0.05, 40, 1000
"""Of the training's steps, and the bounds of that."""
FROM_START = 2
"""Times as long: branches of another model, which cannot take over the baseline's weights and begin at the start."""
LEAST_TRAINING = 6
"""Branches that a training is as long as, at least: a shorter one is told as soon by itself."""
PAIRS = 16
"""Of blocks, that tell by how much the steps of what lags behind are faster."""
SAME_LENGTH = 0.02
"""Share by which the lengths of two trainings, in samples, may differ."""


@dataclass(frozen=True)
class Fork:
    """Where branches begin: the share of the training that is done, its seed, and its state; None for the start."""

    where: float
    seed: int
    state: State | None


@dataclass
class Screen:
    """Branches from one training of a baseline; those of the baseline itself are made once.

    Args:
        lab: where they are made.
        base: what both sides have.
        recipe: the training without `base`.
        forks: states of that training with `base`.
        seed: of it.
    """

    lab: Laboratory
    base: Plan
    recipe: Recipe
    forks: Forks
    seed: int
    _made: dict[tuple[float, int, bool, int, int | None], Ended] = field(
        default_factory=dict[tuple[float, int, bool, int, int | None], Ended]
    )

    def judged(self, one: Technique) -> Gate | None:
        """Return whether a technique may go on to whole trainings, or None where branches say nothing of it.

        It is looked at after each point, and fails where it surely lags behind by more steps than the speed of its
        steps makes up for, and the task's metric is not better either.
        """
        plain, candidate = self._with(self.recipe, ()), self._with(self.recipe, (one,))
        steps = self._steps()
        if steps is None or why_not_by_branches(candidate, plain) is not None:
            return None
        length = steps * (FROM_START if _another_model(candidate, plain) else 1)
        own_batches = candidate.input != plain.input or _another_model(candidate, plain)
        own_gradients = len(candidate.gradient) != len(plain.gradient)
        found, metrics, lag, forks = list[Point](), list[tuple[float, float]](), None, self._forks(candidate, plain)
        for twins, fork in zip(TWINS, forks, strict=False):
            seen = self._seen(one, fork, length, twins, own_batches=own_batches, own_gradients=own_gradients)
            if seen is None:
                return None
            found.append(seen[0])
            metrics.append(seen[1])
            lag = lag_of(found, allowed=LAG)
            if lag.change is not None and lag.worse:
                if _better(metrics, higher_is_better=quality_of(plain.task).higher_is_better):
                    continue
                lag = lag_of(found, allowed=LAG + self._made_up(one))
            if lag.worse:
                return self._gate(one, lag, [fork.where for fork in forks[: len(found)]], length, passed=False)
        return None if lag is None else self._gate(one, lag, [fork.where for fork in forks], length, passed=True)

    def _seen(
        self, one: Technique, fork: Fork, length: int, twins: int, *, own_batches: bool, own_gradients: bool
    ) -> tuple[Point, tuple[float, float]] | None:
        """Return what branches from one point show, with the metrics of baseline and candidate.

        None where they say nothing: the baseline diverges, or the optimizer ends with averages of its own weights.

        Both optimizers start without a state where the candidate's cannot take over the baseline's, or has other
        gradients: Adam divides by their root mean square over some 1,000 steps, so that a branch with the moments from
        before would make smaller steps than the candidate's training does, and lag for that alone.
        """
        run = build(self._with(self._of_length(fork, length), (one,)), seed=fork.seed)
        if hasattr(run.optimizer, "eval"):
            return None
        anew = fork.state is not None and (own_gradients or not reads_optimizer(run, fork.state))
        base, halfway = self._plain(fork, length, anew=anew), self._plain(fork, length // 2, anew=anew).loss
        others = self._twins(fork, length, twins, anew=anew, own_batches=own_batches)
        if not np.isfinite((base.loss, halfway, *others)).all():
            return None
        mine, terms = self._branch(run, fork, length, anew=anew), base.counts.sum()
        point = Point(base.loss, halfway, others, (mine.sums - base.sums) / terms, base.counts / terms)
        return point, (base.metric, mine.metric)

    def _gate(self, one: Technique, lag: Lag, shares: list[float], steps: int, *, passed: bool) -> Gate:
        places = ", ".join(map(percent, shares)) if any(shares) else f"its start ({plural(len(shares), 'seed')})"
        low = None if lag.change is None else lag.steps(lag.change.low)
        return Gate(
            guarantee=one.card.guarantee,
            passed=passed,
            measured=bounded(math.inf if low is None else low),
            bound=lag.allowed,
            detail=f"in branches of {steps} steps after {places} of the training: {lag.text()}",
        )

    def _with(self, recipe: Recipe, more: Plan) -> Recipe:
        return apply_all((*self.base, *more), recipe, self.lab.machine)

    def _steps(self) -> int | None:
        """Return the steps of a branch, or None where the training is too short for any."""
        whole = self.forks.last_step
        steps = min(MOST_STEPS, max(FEWEST_STEPS, round(BRANCH_SHARE * whole)))
        return steps if whole >= LEAST_TRAINING * steps else None

    def _forks(self, candidate: Recipe, plain: Recipe) -> list[Fork]:
        if _another_model(candidate, plain):
            return [Fork(0.0, derive(self.seed, "start", number) % 10_000, None) for number in range(len(SHARES))]
        return [Fork(where, self.seed, state) for where, state in self.forks.nearest(SHARES)]

    def _made_up(self, one: Technique) -> float:
        """Return the share of steps that a technique may need more, since each takes less time."""
        step_s = bench_of(self.lab, self.base).step_s
        budget_s = PAIRS * 2 * step_s * (steps_per_block(step_s) + 1)
        faster = compared(self.lab, self.base, (*self.base, one), budget_s=budget_s).ratio.value
        return max(0.0, 1 - 1 / faster)

    def _twins(self, fork: Fork, steps: int, count: int, *, anew: bool, own_batches: bool) -> tuple[float, ...]:
        """Return the losses of branches that differ from the baseline's by chance alone.

        A candidate that has its own batches is compared with other data orders, any other with noise on the gradients
        of the same batches, unless steps do not use those (an optimizer in backward, a step of the task's own).
        """
        if not own_batches:
            noisy = tuple(self._plain(fork, steps, anew=anew, noise=number).loss for number in range(count))
            if self._plain(fork, steps, anew=anew).loss not in noisy:
                return noisy
        seeds = [derive(fork.seed, "twin", number) % 10_000 for number in range(count)]
        return tuple(self._plain(fork, steps, anew=anew, seed=seed).loss for seed in seeds)

    def _plain(self, fork: Fork, steps: int, *, anew: bool, seed: int | None = None, noise: int | None = None) -> Ended:
        """Return how a branch of the baseline ends, made once.

        Args:
            fork: where it begins.
            steps: that it makes.
            anew: let the optimizer start without a state.
            seed: of another data order than the fork's.
            noise: seed of noise on its gradients; None for none.
        """
        seed = fork.seed if seed is None else seed
        key = (fork.where, seed, anew, steps, noise)
        if key not in self._made:
            run = build(self._with(self._of_length(fork, steps), ()), seed=seed)
            if noise is not None:
                run.gradient = [*run.gradient, gradient_noise(run, TWIN_NOISE, seed=noise)]
            self._made[key] = self._branch(run, fork, steps, anew=anew)
        return self._made[key]

    @cached_property
    def _validation(self) -> Validation | None:
        """How the baseline reads the validation data: all branches are judged by the same samples in the same parts."""
        return build(self._with(self.recipe, ())).validation

    def _of_length(self, fork: Fork, steps: int) -> Recipe:
        """Return the training; as long as a branch where that begins at the start, so that schedules see its end."""
        if fork.state is not None:
            return self.recipe
        return self.recipe.with_stop(epochs=None, seconds=None, target=None, steps=steps)

    def _branch(self, run: Session, fork: Fork, steps: int, *, anew: bool) -> Ended:
        """Train a session from a fork on, with a cool-down, for as many samples as so many steps of the baseline."""
        state = state_of(run) if fork.state is None else self._placed(fork.state, run)
        held_out = list(replace(run, validation=self._validation).held_out(HELD_OUT_SAMPLES))
        start = Start(run, without_optimizer(state) if anew else state, held_out)
        made = max(1, round(steps * self.recipe.input.batch_size / run.recipe.input.batch_size))
        first = 0.0 if fork.state is None else _progress(run, state)
        span = 1.0 if fork.state is None else first * made / state.position.step

        def rates(number: int) -> tuple[float, float]:
            return min(first + span * number / made, 1.0), cooled(number, made)

        with threads_set(self.lab.free.best):
            for _ in train_from(start, rates, made):
                pass
            return ended(start)

    def _placed(self, state: State, run: Session) -> State:
        """Return the state at the step that a session has made after as many samples."""
        ratio = self.recipe.input.batch_size / run.recipe.input.batch_size
        return replace(state, position=replace(state.position, step=round(state.position.step * ratio)))


def _another_model(candidate: Recipe, plain: Recipe) -> bool:
    return len(candidate.model) != len(plain.model)


def _progress(run: Session, state: State) -> float:
    """Return the share of a session's training that is done at a state."""
    before, run.position = run.position, state.position
    share = run.progress()
    run.position = before
    return share


def _better(metrics: list[tuple[float, float]], *, higher_is_better: bool) -> bool:
    """Return whether the candidate's metric is better on average; it decides whether a task is solved, no loss does."""
    gain = float(np.mean([mine - base for base, mine in metrics]))
    return gain > 0 if higher_is_better else gain < 0


def why_not_by_branches(candidate: Recipe, plain: Recipe) -> str | None:
    """Return why short branches say nothing of how a whole training with a candidate ends, or None."""
    if plain.parallel.processes is not None:
        return "several processes train together"
    if plain.input.sampling is not candidate.input.sampling:
        return "which samples it uses follows from whole epochs"
    if any(isinstance(one, Averaging) for one in candidate.update.post_step):
        return "it ends with averages over more steps than a branch has"
    if candidate.forward.loss != plain.forward.loss:
        return "it is trained and judged by another loss"
    if candidate.input.batch_transforms != plain.input.batch_transforms:
        return "it prepares the held-out samples in another way"
    mine, planned = candidate.subject.planned_steps, plain.subject.planned_steps
    if mine is not None and planned is not None:
        length = mine * candidate.input.batch_size / (planned * plain.input.batch_size)
        if abs(length - 1) > SAME_LENGTH:
            return "its training has another length, which is the point of it"
    return None
