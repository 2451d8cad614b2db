"""Let the learning rate fall to zero over the run, after a short rise.

What it does
    Puts a schedule in place of the constant rate: a linear rise over the share `warmup` of the updates, then a fall
    along a straight line or a cosine to the share `final` of the rate.

Why it helps
    A constant rate leaves a floor of noise; the fall removes it. Against a constant rate this alone is worth more than
    most techniques, and what is measured without it is often gone with it.

When it hurts
    The length must be known, and a run that stops early never sees the fall.

Numerics
    Another path to the same objective.

Known problems
    It replaces only a constant rate: a task that has a schedule of its own knows better.

Source
    Loshchilov and Hutter, 2017, arXiv:1608.03983 (cosine); Bergsma et al., 2025, arXiv:2502.15938 (linear to zero).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe
from hasten.training.schedule import Schedule

CONSTANT = Schedule()


@dataclass(frozen=True)
class FallingRate:
    """Let the learning rate fall to zero over the run, after a short rise."""

    shape: Literal["linear", "cosine"] = "linear"
    warmup: Annotated[float, Meta(ge=0, lt=1, description="share of the updates in which the rate rises")] = 0.02
    final: Annotated[float, Meta(ge=0, le=1, description="rate at the end, as a share of the task's")] = 0.0

    card: ClassVar[Card] = Card(
        name="schedule",
        stage=Stage.UPDATE,
        guarantee=Guarantee.TRAJECTORY,
        idea="learning-rate warm-up, then decay to zero over the run",
        source="Loshchilov and Hutter, 2017, arXiv:1608.03983; Bergsma et al., 2025, arXiv:2502.15938",
        treats=("noise_dominated", "slow_convergence"),
        needs=("a task whose length is given in epochs or steps",),
        conflicts=("one_cycle", "schedule_free"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse tasks with a schedule of their own or without a length."""
        if recipe.update.schedule != CONSTANT:
            return f"the task has a schedule of its own ({recipe.update.schedule.name})"
        if recipe.subject.planned_steps is None:
            return "needs a number of epochs or steps; the task ends only by time"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the schedule in place of the constant rate."""
        rise = round(self.warmup * (recipe.subject.planned_steps or 0))
        falling = Schedule(name=self.shape, warmup=rise, options={"final": self.final})
        return recipe.with_update(schedule=falling)

    def source(self, recipe: Recipe) -> Source:
        """Return no lines: the script has the schedule."""
        return Source(at="schedule")
