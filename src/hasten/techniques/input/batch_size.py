"""Train with larger batches and fewer updates.

What it does
    Multiplies the batch by `factor` and the learning rate by a power of it: 0.5 for adaptive optimizers, 1 for
    gradient descent. A run given in updates makes so many times fewer, so that it sees the same samples.

Why it helps
    Small batches leave the hardware waiting for Python and memory; larger ones keep it busy. `factor` is for tuning to
    find: the fastest batch is not the largest that fits.

When it hurts
    Beyond the critical batch size more samples an update buy hardly fewer updates, and the run as a whole gets slower.

Numerics
    Fewer, better averaged updates.

Known problems
    Batch normalization sees other statistics. Schedules and stop rules that count updates see fewer of them.

Source
    Goyal et al., 2017, arXiv:1706.02677 (linear); Malladi et al., 2022, arXiv:2205.10287 (square root); McCandlish et
    al., 2018, arXiv:1812.06162 (critical batch size).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class BatchSize:
    """Train with larger batches and fewer updates."""

    factor: Annotated[int, Meta(ge=2, description="times the task's batch size")] = 2
    lr_power: Annotated[float, Meta(ge=0, le=1, description="the rate is multiplied by factor to this power")] = 0.5

    card: ClassVar[Card] = Card(
        name="batch_size",
        stage=Stage.INPUT,
        guarantee=Guarantee.TRAJECTORY,
        idea="larger batches, fewer updates",
        source="Goyal et al., 2017, arXiv:1706.02677; McCandlish et al., 2018, arXiv:1812.06162",
        treats=("small_kernels", "host_bound", "memory_headroom", "noise_dominated"),
        search=({"factor": 2}, {"factor": 4}),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse batches that somebody else makes, and those that would hold the whole training set."""
        if (stream := recipe.subject.stream) is not None:
            return f"{stream.reason}, so their size cannot be changed"
        size, samples = recipe.input.batch_size, recipe.subject.train_samples
        if samples is not None and size * self.factor > samples:
            return f"{self.factor} times {size} samples are more than the {samples} that there are"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Enlarge the batch and adapt rate and length."""
        stop, lr = recipe.task.stop, recipe.update.lr
        fewer = recipe.with_stop(
            steps=-(-stop.steps // self.factor) if stop.steps else None,
            evaluate_every=-(-stop.evaluate_every // self.factor) if stop.evaluate_every else None,
        )
        larger = fewer.with_input(batch_size=recipe.input.batch_size * self.factor)
        return larger.with_update(lr=lr * self.factor**self.lr_power if lr is not None else None)

    def source(self, recipe: Recipe) -> Source:
        """Return no lines: the script has the larger batch."""
        return Source(at="batch")
