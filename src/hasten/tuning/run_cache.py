"""The whole trainings that techniques are judged by, each made once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hasten.base.seeds import derive
from hasten.base.units import percent
from hasten.machine.set_threads import threads_set
from hasten.techniques.applying import apply_all
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning.break_even import planned_s
from hasten.tuning.context import Laboratory, Plan, bench_of
from hasten.tuning.learning_curve import Course, run_course, shortened
from hasten.tuning.screening.forks import Forks
from hasten.tuning.screening.screen import Screen

SHORTEST_BRANCH_STEPS = 200
"""Shorter trainings say too little of long ones (Wu et al., 2018, arXiv:1803.02021)."""
FORKS_MEMORY = 0.1
"""Of the machine's memory, for states of a training."""
SHARE_OF_THE_LIMIT = 0.5
"""That a shortened training is planned to take, since evaluations come on top of its steps."""


@dataclass
class Trainings:
    """The trainings that were made so far, of one baseline.

    Args:
        lab: where they are made.
        recipe: the baseline, whole or shortened.
        base: what all trainings have; states of its first training are kept, from which branches begin.
        note: what is special about them, for the reasons.
    """

    lab: Laboratory
    recipe: Recipe
    base: Plan
    note: str = ""
    done: dict[tuple[frozenset[Technique], int], Course] = field(
        default_factory=dict[tuple[frozenset[Technique], int], Course]
    )

    def course(self, plan: Plan, number: int, *, limit_s: float = math.inf) -> Course:
        """Return the training of a plan on the seed of that number, made at the first call."""
        key = (frozenset(plan), number)
        if key not in self.done:
            recipe = apply_all(plan, self.recipe, self.lab.machine)
            forks = self.screen.forks if number == 0 and key[0] == frozenset(self.base) else None
            with threads_set(self.lab.free.best):
                self.done[key] = run_course(recipe, seed=self._seed(number), limit_s=limit_s, forks=forks)
        return self.done[key]

    @cached_property
    def screen(self) -> Screen:
        """What judges techniques by branches from the first training of `base`, which has to be made before."""
        forks = Forks(FORKS_MEMORY * self.lab.machine.memory_bytes)
        return Screen(self.lab, self.base, self.recipe, forks, seed=self._seed(0))

    def _seed(self, number: int) -> int:
        return derive(self.recipe.task.seed, "branch", number) % 10_000

    def target(self, base: Plan, numbers: Sequence[int]) -> float | None:
        """Return the metric that counts as equal quality: the task's target, else the worst that `base` ended with."""
        if self.recipe.task.stop.target is not None:
            return self.recipe.task.stop.target
        courses = [self.course(base, number) for number in numbers]
        ends = [course.points[-1][1] for course in courses if course.points]
        return (min if courses[0].higher_is_better else max)(ends, default=None)


def affordable(lab: Laboratory, base: Plan, *, limit_s: float) -> Trainings | None:
    """Return trainings of which one takes at most `limit_s`: whole ones, else shortened ones, else None.

    The first whole training is made to see how long it takes, since a target may end it long before its last step.
    """
    if limit_s <= 0:
        return None
    whole = Trainings(lab, lab.recipe, base)
    if whole.course(base, 0, limit_s=limit_s).ended:
        return whole
    share = SHARE_OF_THE_LIMIT * limit_s / planned_s(lab.recipe, bench_of(lab, base).step_s)
    steps = lab.recipe.subject.planned_steps
    if steps is not None and share * steps < SHORTEST_BRANCH_STEPS:
        return None
    share = min(share, 1.0)
    return Trainings(lab, shortened(lab.recipe, share), base, note=f" (on trainings of {percent(share)} of the steps)")
