"""Train in one cycle of the learning rate: up, then down to almost nothing, over fewer epochs.

What it does
    Replaces the schedule by one cycle whose peak is `peak` times the task's rate, over `share` of the task's epochs
    (or steps). Training still stops as soon as the target is reached.

Why it helps
    The high rate in the middle makes fast progress, and the fall at the end removes the noise that a constant rate
    leaves: the target is often reached in a fraction of the epochs.

When it hurts
    A cycle that is too short ends below the target; then a longer one is needed.

Numerics
    Another path to the same objective.

Known problems
    The length must be fixed beforehand. Only the learning rate moves, not the momentum.

Source
    Smith and Topin, 2018, arXiv:1708.07120.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe
from hasten.training.schedule import Schedule


@dataclass(frozen=True)
class OneCycle:
    """Train in one cycle of the learning rate."""

    peak: Annotated[float, Meta(gt=0, description="highest rate, as a multiple of the task's")] = 3.0
    share: Annotated[float, Meta(gt=0, le=1, description="share of the task's epochs or steps")] = 0.5

    card: ClassVar[Card] = Card(
        name="one_cycle",
        stage=Stage.UPDATE,
        guarantee=Guarantee.TRAJECTORY,
        idea="one-cycle learning-rate schedule over fewer epochs",
        source="Smith and Topin, 2018, arXiv:1708.07120",
        treats=("slow_convergence",),
        needs=("a task whose length is given in epochs or steps",),
        search=({"share": 0.25}, {"share": 0.5}, {"share": 1.0}),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse tasks with a schedule of their own or without a length."""
        if recipe.update.schedule != Schedule():
            return f"the task has a schedule of its own ({recipe.update.schedule.name})"
        if recipe.subject.planned_steps is None:
            return "needs a number of epochs or steps; the task ends only by time"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the cycle in place of the schedule and shorten the run to its length."""
        stop = recipe.task.stop
        shorter = recipe.with_stop(
            epochs=max(1, round(stop.epochs * self.share)) if stop.epochs else None,
            steps=max(1, round(stop.steps * self.share)) if stop.steps else None,
        )
        cycle = Schedule(name="one_cycle", options={"peak": self.peak})
        return shorter.with_update(schedule=cycle)

    def source(self, recipe: Recipe) -> Source:
        """Return no lines: the script has the schedule and the shorter run."""
        return Source(at="schedule")
