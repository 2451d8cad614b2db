"""Normalize by the mean and the variance of the whole batch where several processes share it.

What it does
    Every batch normalization computes its statistics over the shares of all processes, and so its running statistics.
    torch's `SyncBatchNorm` does the same, on GPUs only, and needs a sample in every process.

Why it helps
    Without it each process normalizes by its own share: another training than that of one process, and a noisy one
    where shares are of a few samples. Running statistics are then those of the first process's share alone.

When it hurts
    Two collectives for each layer and step, which wait for the slowest process.

Numerics
    The statistics of one process over the whole batch, in another order of addition: each process's mean and sum of
    squared deviations are put together (Chan et al., 1979). Shares may be of any size, also empty.

Known problems
    With accumulation one process normalizes each part of a batch by itself, and several would cut other parts: refused.
    Layers wait for each other, so that the speed of a process cannot be measured (`shares_by_speed`).
    A process without samples computes two examples so as to take part. Every process must run the same layers in the
    same order; a model that runs others for other samples would wait for ever.

Source
    Ioffe and Szegedy, 2015, arXiv:1502.03167; torch.nn.SyncBatchNorm; Chan, Golub and LeVeque, 1979, Updating Formulae
    and a Pairwise Algorithm for Computing Sample Variances.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.training.recipe import Recipe

KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class SyncBatchNorm:
    """Normalize by the statistics of the whole batch."""

    card: ClassVar[Card] = Card(
        name="sync_batch_norm",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.ROUNDING,
        idea="SyncBatchNorm: statistics of batch normalization over the samples of all processes",
        source="torch.nn.SyncBatchNorm; Ioffe and Szegedy, 2015, arXiv:1502.03167",
        needs=("several processes", "batch normalization"),
        conflicts=(
            "shares_by_speed",
            "fsdp",
            "fsdp_bf16",
            "tensor_parallel",
            "micro_batch",
            "delayed_update",
            "optimizer_in_backward",
        ),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, models without batch normalization or with one of their own, and accumulation."""
        if recipe.parallel.processes is None:
            return "one process alone has the whole batch"
        found = [one for one in recipe.subject.model().named_modules() if isinstance(one[1], _BatchNorm)]
        if not found:
            return "the model has no batch normalization"
        for name, module in found:
            if type(module) not in KINDS:
                return f"the layer {name!r} is a {type(module).__name__}, none of torch's BatchNorm1d, 2d and 3d"
        if recipe.backward.micro_batch is not None:
            return "with accumulation each part of a batch is normalized by itself, and processes cut other parts"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Synchronize the layers before training, and make them plain after it."""
        from hasten.techniques.parallel.synchronized import idle, plain, synchronize

        changed = recipe.with_surgery(synchronize, undo=plain)
        return replace(changed, parallel=replace(recipe.parallel, idle=idle))
