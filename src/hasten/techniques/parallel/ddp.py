"""Reduce gradients of several processes while the backward pass is still running, with torch's own reducer.

What it does
    `ddp` puts torch's `DistributedDataParallel` around the step: gradients are copied into buckets, and each bucket is
    reduced as soon as its last gradient is there. `bf16_reduction` sends the buckets in bfloat16.

Why it helps
    Communication and the rest of the backward pass run at the same time. Half the bytes take half the time on a slow
    link.

When it hurts
    Buckets cost a copy of the gradients in memory, and small models have nothing to overlap. Processes that share the
    cores of one machine compute more slowly while they communicate.

Numerics
    `ddp`: the sum over all samples, divided once by the count of the whole batch, in another order of addition. torch's
    average over processes is undone by starting the backward pass from as many times its usual start.
    `bf16_reduction`: gradients are rounded to 8 bits of precision before they are added.

Known problems
    `static_graph` needs the same graph in every step of every process: no accumulation, no process without samples in a
    smaller batch, no batch whose labels are all ignored. Sparse gradients cannot be reduced.

Source
    Li et al., 2020, arXiv:2006.15704; torch.nn.parallel.DistributedDataParallel; torch.distributed.algorithms.
    ddp_comm_hooks.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

import torch
import torch.distributed as dist
from msgspec import Meta
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hasten.base.errors import BadInput
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import Batch
from hasten.training.counting import Count
from hasten.training.kept import Kept
from hasten.training.loss import Loss
from hasten.training.marks import FORWARD, LOSS, Mark
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Recipe, epoch_samples
from hasten.training.reduction import Reducing, Total, after_backward, in_every_pass, taking_part
from hasten.training.step import computed

if TYPE_CHECKING:
    from hasten.training.session import Session

Hook: TypeAlias = Callable[[dist.GradBucket], torch.futures.Future[Tensor]]
"""bucket -> future of its average over the processes."""


def in_bfloat16(bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Average a bucket in bfloat16; torch's `bf16_compress_hook` does the same and is for accelerators only."""
    buffer = bucket.buffer()
    sent = buffer.to(torch.bfloat16).div_(dist.get_world_size())
    averaged = dist.all_reduce(sent, async_op=True).get_future()  # type: ignore[union-attr]  (async_op gives a Work)
    return averaged.then(lambda done: buffer.copy_(done.value()[0]))


def _sent(hook: Hook, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Call a hook as torch does, which passes it a state."""
    return hook(bucket)


def _always_in_bfloat16(device: torch.device) -> Hook:
    return in_bfloat16


class _Computed(nn.Module):
    """The forward pass and the loss as one module, so that a task may call its model as it likes.

    It has the model's parameters and not its buffers, which stay each process's own until an evaluation.
    Where no term of this process counts, the loss is zero and comes from a parameter of its own: the process has to
    take part in the reduction, and no parameter of the model may get a gradient that it has in no process.
    """

    def __init__(self, model: nn.Module, *, static_graph: bool) -> None:
        super().__init__()
        self.reduced, self.static_graph = nn.ParameterList(model.parameters()), static_graph
        self.no_term = nn.Parameter(torch.zeros(1, device=next(model.parameters()).device))  # hooks may take no scalar

    def forward(self, run: "Session", batch: Batch, mark: Mark) -> tuple[Tensor, Loss]:
        """Return the tensor to start the backward pass from, and the loss that it belongs to."""
        if run.recipe.parallel.idle is not None:
            loss = taking_part(run, batch, mark, last=True)
            return (loss.sum if loss.mean is None else loss.mean), loss
        if batch is NOTHING:
            mark(FORWARD)
            mark(LOSS)
        elif (loss := computed(run, batch, mark, last=True)).count:
            return (loss.sum if loss.mean is None else loss.mean), loss
        if self.static_graph:
            raise BadInput(
                f"ddp(static_graph=true): no label counts in this process's share of step {run.position.step + 1}, so "
                "that its graph differs from those before. Leave out static_graph."
            )
        return self.no_term.sum() * 0, Loss(torch.zeros(()), torch.zeros(()))


@dataclass(frozen=True)
class Overlapped:
    """Reduce the gradients bucket by bucket during the backward pass.

    Args:
        bucket_mb: size of a bucket in 2**20 bytes.
        bucket_view: let gradients be views of the buckets.
        static_graph: promise that every step has the same graph.
        hook: makes, for the device of a session, what averages its buckets; None for torch's own average.
    """

    bucket_mb: float = 25.0
    bucket_view: bool = True
    static_graph: bool = False
    hook: Callable[[torch.device], Hook] | None = None

    def __call__(self, model: nn.Module, processes: Processes) -> Reducing:
        """Return the step of a session whose model this is. A collective."""
        wrapped = DistributedDataParallel(
            _Computed(model, static_graph=self.static_graph),
            bucket_cap_mb=self.bucket_mb,
            find_unused_parameters=not self.static_graph,
            gradient_as_bucket_view=self.bucket_view,
            static_graph=self.static_graph,
        )
        share = partial(_overlapped, wrapped, processes.size)
        if self.hook is None:
            return Reducing(share)
        hook = self.hook(next(model.parameters()).device)
        wrapped.register_comm_hook(hook, _sent)
        return Reducing(share, hook if isinstance(hook, Kept) else None)


def _overlapped(
    wrapped: DistributedDataParallel, size: int, run: "Session", batch: Batch, mark: Mark, total: Total
) -> Loss:
    """Compute a share; all parts of it but the last leave their gradients to this process alone."""

    counted: float | None = None  # as soon as it is known; where it is 0 there is no backward pass to prepare for

    def compute(run: "Session", batch: Batch, mark: Mark, *, last: bool) -> Loss:
        with nullcontext() if last and counted != 0 else wrapped.no_sync():
            start, loss = wrapped(run, batch, mark)
        if loss.mean is None:
            return Loss(start, loss.count, parts=loss.parts)
        return Loss.of_mean(start, loss.count, loss.parts)

    def of_average(count: Count) -> float:
        """Return what a mean divides by whose gradients torch averages over the processes."""
        nonlocal counted
        counted = float(total(float(count))) / size
        return counted

    return in_every_pass(run, batch, mark, of_average, compute)


def with_overlap(recipe: Recipe, **fields: Any) -> Recipe:
    """Return the recipe with overlapped reduction, or with other fields of the one that it has."""
    before = recipe.parallel.reduction
    reduction = replace(before if isinstance(before, Overlapped) else Overlapped(), **fields)
    return replace(recipe, parallel=replace(recipe.parallel, reduction=reduction))


def why_not_reduced(recipe: Recipe) -> str | None:
    """Return why the gradients of a recipe cannot be reduced during its backward pass, or None."""
    if recipe.parallel.processes is None:
        return "one process alone trains (--processes N starts N): there is nothing to reduce"
    if not isinstance(recipe.parallel.reduction, Overlapped) and recipe.parallel.reduction is not after_backward:
        return "another technique reduces the gradients"
    for name, module in recipe.subject.model().named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            return f"the gradient of {name!r} is sparse"
    return None


@dataclass(frozen=True)
class Ddp:
    """Reduce gradients in buckets while the backward pass runs."""

    bucket_mb: Annotated[float, Meta(gt=0)] = 25.0
    bucket_view: bool = True
    static_graph: bool = False

    card: ClassVar[Card] = Card(
        name="ddp",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.ROUNDING,
        idea="DistributedDataParallel: reduce gradients in buckets during the backward pass",
        source="Li et al., 2020, arXiv:2006.15704",
        needs=("several processes",),
        conflicts=("optimizer_in_backward",),
        saves_in=Stage.BACKWARD,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, sparse gradients, and a graph that is not the same in every step."""
        if (why := why_not_reduced(recipe)) is not None or not self.static_graph:
            return why
        if recipe.backward.micro_batch is not None:
            return "static_graph=true and accumulation exclude each other"
        samples, size, processes = epoch_samples(recipe), recipe.input.batch_size, recipe.parallel.processes
        assert processes is not None, "one process alone is refused"
        if samples is not None and (rest := samples % size):
            sizes = processes.sizes(rest, size)
            if 0 in sizes:
                without = sizes.index(0)
                return f"static_graph=true: process {without} has no sample in the last batch of an epoch, of {rest}"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Reduce during the backward pass."""
        return with_overlap(
            recipe, bucket_mb=self.bucket_mb, bucket_view=self.bucket_view, static_graph=self.static_graph
        )


@dataclass(frozen=True)
class Bf16Reduction:
    """Send gradients between processes in bfloat16."""

    card: ClassVar[Card] = Card(
        name="bf16_reduction",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.PRECISION,
        idea="send gradients between processes in bfloat16",
        source="torch.distributed.algorithms.ddp_comm_hooks",
        needs=("several processes",),
        conflicts=("optimizer_in_backward",),
        after=("ddp",),
        saves_in=Stage.BACKWARD,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone and sparse gradients."""
        return why_not_reduced(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Round the gradients before they are sent."""
        return with_overlap(recipe, hook=_always_in_bfloat16)
