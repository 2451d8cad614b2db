"""Give each process the part of every batch that its measured speed is worth.

What it does
    Measures in some steps how long each process computes, and after every `every` steps gives each as many samples of a
    batch as make all of them ready at the same time. The first shares are equal. Shares change only where the slowest
    process gains 5 %.

Why it helps
    With equal shares all wait for the slowest process in every step: one that is 3 times slower than the other makes
    both as slow as it is.

When it hurts
    Processes of equal speed gain nothing. A fast process needs the memory for its larger share. After a change the
    rest of the epoch is read anew, so that batches that were made ahead are lost. With `ddp` the steps that are
    measured (5 of `every`) reduce their gradients after the backward pass.

Numerics
    The batch stays whole and its mean is taken over all of its samples, so only the order of addition changes. Dropout
    draws other units where other samples are computed.

Known problems
    Times are those of forward and backward pass: a process whose data come late is not recognized. Times follow the
    machine, so two runs can have other shares, and then agree up to rounding. Sharded parameters (`fsdp`) let each
    process wait for the others in the middle of a pass, where speed cannot be measured: refused.

Source
    Chen et al., 2020, Semi-Dynamic Load Balancing (SoCC).
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.parallel.ddp import Overlapped, why_not_reduced
from hasten.training.balance import MEASURED, Balance
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class SharesBySpeed:
    """Give each process the part of every batch that its measured speed is worth."""

    every: Annotated[int, Meta(ge=MEASURED, description="steps between two looks at the shares")] = 50

    card: ClassVar[Card] = Card(
        name="shares_by_speed",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.ROUNDING,
        idea="give slow processes fewer samples of each batch, by measured speed",
        source="Chen et al., 2020, Semi-Dynamic Load Balancing (SoCC)",
        needs=("several processes",),
        conflicts=("fsdp", "fsdp_bf16", "optimizer_in_backward"),
        after=("ddp", "bf16_reduction"),
        saves_in=Stage.BACKWARD,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, reductions that need every step, and a batch without samples for each."""
        if (why := why_not_reduced(recipe)) is not None:
            return why
        reduction, processes = recipe.parallel.reduction, recipe.parallel.processes
        if isinstance(reduction, Overlapped) and reduction.static_graph:
            return "with ddp(static_graph=true) no step can be measured: each goes through DistributedDataParallel"
        assert processes is not None, "one process alone is refused"
        if min(processes.sizes(size := recipe.input.batch_size, size)) == 0:
            return f"a batch of {size} samples has none for one of {processes.size} processes"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Look at the shares every so many steps."""
        return replace(recipe, parallel=replace(recipe.parallel, balance=Balance(self.every)))
