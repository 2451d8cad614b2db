"""Send gradients between processes as products of two thin matrices (PowerSGD).

What it does
    torch's `powerSGD_hook` on the buckets of `DistributedDataParallel`: each gradient that is a matrix is approximated
    by one of rank `rank`, found by a step of power iteration from the last step's factors (`warm_start`). What the
    approximation leaves out is kept and added to the next gradient (`error_feedback`). Vectors, and matrices that this
    would not make half as small, are sent as they are.

Why it helps
    A matrix of n x m costs (n + m) x rank numbers instead of n x m, over links that are slower than two products.

When it hurts
    On fast links, and between processes of one machine. Early in a training and at a rank that is too low it costs
    quality; the first `start` steps send whole gradients, a tenth of the run by the advice of torch.

Numerics
    Another trajectory: each update lacks what the next ones make good. The mean is that of the whole batch, for the
    approximation is one of the sum over the processes.

Known problems
    Errors and copies of the gradients take twice their memory in each process; checkpoints hold the error of every
    process. In another number of processes a run resumes from the mean of the errors. By gloo each bucket is waited
    for, so that nothing overlaps. Steps that `shares_by_speed` measures would send whole gradients. torch's hook cannot
    take scalars, nor buckets that change (`ddp` with `static_graph`).

Source
    Vogels et al., 2019, arXiv:1905.13727; torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from msgspec import Meta
from torch import Tensor

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.parallel.ddp import Overlapped, why_not_reduced, with_overlap
from hasten.training.recipe import Recipe


def numbers_sent(gradient: Tensor, rank: int) -> int:
    """Return how many numbers a gradient takes: those of its factors, where they are less than half of its own."""
    rows, columns = len(gradient), gradient.shape[1:].numel()
    factors = (rows + columns) * min(rows, columns, rank)
    return factors if factors * 2 < gradient.numel() else gradient.numel()


@dataclass(frozen=True)
class PowerSgd:
    """Send gradients as products of two thin matrices."""

    rank: Annotated[int, Meta(ge=1, description="columns of each factor")] = 2
    start: Annotated[int, Meta(ge=2, description="steps that send whole gradients before")] = 100
    error_feedback: Annotated[bool, Meta(description="add what was left out to the next gradient")] = True
    warm_start: Annotated[bool, Meta(description="begin at the factors of the step before")] = True

    card: ClassVar[Card] = Card(
        name="powersgd",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.TRAJECTORY,
        idea="PowerSGD: send gradients between processes as products of two thin matrices",
        source="Vogels et al., 2019, arXiv:1905.13727",
        needs=("several processes", "matrices that are large beside the rank", "a slow link, to be of use"),
        conflicts=(
            "bf16_reduction",
            "shares_by_speed",
            "fsdp",
            "fsdp_bf16",
            "tensor_parallel",
            "optimizer_in_backward",
        ),
        after=("ddp",),
        saves_in=Stage.BACKWARD,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, small matrices only, scalars, short runs, and what no hook can reduce."""
        if (why := why_not_reduced(recipe)) is not None:
            return why
        if isinstance(recipe.parallel.reduction, Overlapped) and recipe.parallel.reduction.static_graph:
            return "ddp(static_graph=true) sorts gradients into other buckets after the first step"
        trained = [(name, one) for name, one in recipe.subject.model().named_parameters() if one.requires_grad]
        for name, one in trained:
            if one.ndim == 0:
                return f"the parameter {name!r} is a scalar, which torch's hook cannot take as a matrix"
        if all(numbers_sent(one, self.rank) == one.numel() for _, one in trained):
            return f"no gradient would be half as small by factors of rank {self.rank}: matrices are too small"
        planned = recipe.subject.planned_steps
        if planned is not None and planned <= self.start:
            return f"the run has {planned} steps, and the first {self.start} send whole gradients"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Send factors during the backward pass."""
        from hasten.techniques.parallel.low_rank import LowRankHook

        hook = LowRankHook(self.rank, self.start, self.error_feedback, self.warm_start)
        changed = with_overlap(recipe, hook=hook)
        return replace(changed, parallel=replace(changed.parallel, keeps=True))
