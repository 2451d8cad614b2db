"""Branches: short trainings from one start with the task's schedule compressed, each with a cool-down of the rate.

One that is as long as the training is the training: it has no cool-down, since the training has none.
"""

import math
from dataclasses import dataclass, field

from hasten.training.recipe import Recipe
from hasten.tuning.rate.start import COOL_DOWN, Start, cooled, score, start_of, train_from

HOT_FROM, HOT_EVALUATIONS = 0.5, 4
"""Share of a branch after which it is judged at its full rate, and how often: one evaluation is one sample of a noisy
course."""


@dataclass(frozen=True)
class Ended:
    """Held-out losses of one branch; infinite where it diverged."""

    loss: float  # at the end: after the cool-down where there was one
    hot: float  # mean at the full rate, in the second half before the cool-down


@dataclass
class Branches:
    """Branches of one task by (repeat, steps, factor of the task's rates), each made once.

    The same repeat has the same initialization, data order and dropout for every factor. One session is kept, that of
    the newest repeat.
    """

    recipe: Recipe
    steps_made: int = 0
    done: dict[tuple[int, int, float], Ended] = field(default_factory=dict[tuple[int, int, float], Ended])
    _newest: tuple[int, Start] | None = None

    def is_training(self, steps: int) -> bool:
        """Return whether a branch of so many steps is the whole training."""
        return steps == self.recipe.subject.planned_steps

    def start(self, repeat: int) -> Start:
        """Return the start of a repeat, built where it is not the newest."""
        if self._newest is None or self._newest[0] != repeat:
            self._newest = None  # free the memory of the session first
            self._newest = repeat, start_of(self.recipe, repeat)
        return self._newest[1]

    def ended(self, repeat: int, factor: float, steps: int) -> Ended:
        """Return how a branch ends, made at the first call."""
        key = (repeat, steps, factor)
        if key not in self.done:
            self.done[key] = self._branch(self.start(repeat), factor, steps)
        return self.done[key]

    def _branch(self, start: Start, factor: float, steps: int) -> Ended:
        whole = self.is_training(steps)

        def rates(number: int) -> tuple[float, float]:
            return number / steps, factor if whole else factor * cooled(number, steps)

        hot, finite = list[float](), True
        for number, loss in enumerate(train_from(start, rates, steps)):
            self.steps_made += 1
            if number in _hot_steps(steps):
                hot.append(score(start))
                finite = math.isfinite(hot[-1]) and math.isfinite(float(loss.average()))
                if not finite:
                    break
        ended = score(start) if finite else math.inf
        return Ended(ended, sum(hot) / len(hot) if finite else math.inf)


def _hot_steps(steps: int) -> set[int]:
    """Return the numbers of the steps after which a branch is judged at its full rate."""
    first, last = HOT_FROM * steps, (1 - COOL_DOWN) * steps - 1
    return {round(first + (last - first) * place / (HOT_EVALUATIONS - 1)) for place in range(HOT_EVALUATIONS)}
