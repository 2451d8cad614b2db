"""Shard parameters, gradients and optimizer state over processes; gather the parameters of a block when it runs.

What it does
    torch's `fully_shard` (FSDP2), applied to each repeated block and then to the model. `fsdp` computes in the
    parameters' own format; `fsdp_bf16` gathers and computes in bfloat16 and reduces gradients in float32. With
    `replicas` (HSDP) the processes form so many groups: a model is sharded within a group, and gradients are then
    reduced between the groups.

Why it helps
    Memory: each process holds 1 / processes of parameters, gradients and state. Gathering the next block and reducing
    the gradients of the last one overlap with computing. With replicas it is replicas / processes, but parameters are
    gathered among fewer, which is faster where a group shares a fast link.

When it hurts
    It moves the parameters twice in a step (three times the bytes of gradients with `reshard`, against two without
    sharding). A model that fits whole is faster with `ddp`.

Numerics
    `fsdp`: gradients are summed over all samples and divided once by the count of the whole batch, in another order.
    `fsdp_bf16`: products in bfloat16, weights and sums in float32.

Known problems
    A process without samples has to gather, too: it makes a pass over example samples whose gradient is zero. Each
    process judges all validation data. A parameter must get a gradient in all processes or in none. What looks at whole
    parameters or keeps copies of them (averages of weights, optimizers other than torch's) is refused.

Source
    Zhao et al., 2023, arXiv:2304.11277; torch.distributed.fsdp.fully_shard.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.parallel.parts import IN_PARTS, why_not_in_parts
from hasten.training.recipe import Recipe


def _sharded(recipe: Recipe, *, reshard: bool, replicas: int, computed_in: torch.dtype | None) -> Recipe:
    from hasten.techniques.parallel.sharded import sharded

    return sharded(recipe, reshard=reshard, replicas=replicas, computed_in=computed_in)


def _why_not_sharded(recipe: Recipe, replicas: int) -> str | None:
    if (why := why_not_in_parts(recipe)) is not None:
        return why
    processes = recipe.parallel.processes
    assert processes is not None, "one process alone is refused"
    if processes.size % replicas:
        return f"{processes.size} processes do not form {replicas} groups of equal size"
    if processes.size == replicas and replicas > 1:
        return f"{replicas} replicas leave one process for each, which shards nothing; ddp does the same"
    return None


@dataclass(frozen=True)
class Fsdp:
    """Shard parameters, gradients and optimizer state over the processes."""

    reshard: bool = True
    replicas: Annotated[int, Meta(ge=1, description="groups of processes that hold a whole model each")] = 1

    card: ClassVar[Card] = Card(
        name="fsdp",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.ROUNDING,
        idea="fully_shard (FSDP2): each process holds its part of parameters, gradients and optimizer state",
        source="Zhao et al., 2023, arXiv:2304.11277",
        treats=("near_memory_limit",),
        needs=("several processes", "an optimizer of torch"),
        conflicts=("ddp", "bf16_reduction", "fsdp_bf16", "tensor_parallel", "optimizer_in_backward", "channels_last"),
        exceptions={"gradients": IN_PARTS},
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, and what needs whole parameters."""
        return _why_not_sharded(recipe, self.replicas)

    def apply(self, recipe: Recipe) -> Recipe:
        """Shard the model before the optimizer is made."""
        return _sharded(recipe, reshard=self.reshard, replicas=self.replicas, computed_in=None)


@dataclass(frozen=True)
class FsdpBf16:
    """Shard a model that computes in bfloat16."""

    reshard: bool = True
    replicas: Annotated[int, Meta(ge=1, description="groups of processes that hold a whole model each")] = 1

    card: ClassVar[Card] = Card(
        name="fsdp_bf16",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.PRECISION,
        idea="fully_shard with MixedPrecisionPolicy: gather and compute in bfloat16, reduce in float32",
        source="torch.distributed.fsdp.MixedPrecisionPolicy",
        treats=("near_memory_limit",),
        needs=("several processes", "an optimizer of torch"),
        conflicts=(
            "ddp",
            "bf16_reduction",
            "fsdp",
            "tensor_parallel",
            "optimizer_in_backward",
            "channels_last",
            "bf16",
            "fp16",
        ),
        exceptions={"gradients": IN_PARTS},
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, and what needs whole parameters."""
        return _why_not_sharded(recipe, self.replicas)

    def apply(self, recipe: Recipe) -> Recipe:
        """Shard the model before the optimizer is made."""
        return _sharded(recipe, reshard=self.reshard, replicas=self.replicas, computed_in=torch.bfloat16)
