"""Shard parameters, gradients and optimizer state over processes; gather the parameters of a block when it runs.

What it does
    torch's `fully_shard` (FSDP2), applied to each repeated block and then to the model. `fsdp` computes in the
    parameters' own format; `fsdp_bf16` gathers and computes in bfloat16 and reduces gradients in float32.

Why it helps
    Memory: each process holds 1 / processes of parameters, gradients and state. Gathering the next block and reducing
    the gradients of the last one overlap with computing.

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

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.utils._pytree import tree_map_only

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import Batch, size_of, tensors_of, to_device
from hasten.techniques.blocks import repeated_blocks
from hasten.techniques.parallel.ddp import why_not_reduced
from hasten.training.counting import Count
from hasten.training.loss import Loss
from hasten.training.marks import FORWARD, LOSS, Mark
from hasten.training.optimizers import build_optimizer, needs_closure
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Recipe
from hasten.training.reduction import ShareBackward, Total, after_backward, without_samples
from hasten.training.sharding import whole
from hasten.training.step import accumulate
from hasten.training.transforms import Stateless

if TYPE_CHECKING:
    from hasten.training.session import Session


_PLAIN: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()
"""Sharded model -> what it was before, without memory for parameters; torch lets no sharded model be copied."""


@dataclass(frozen=True)
class _Shard:
    """Shard a model, and take that back."""

    device: str
    processes: int
    reshard: bool
    policy: MixedPrecisionPolicy

    def __call__(self, model: nn.Module) -> nn.Module:
        """Shard the repeated blocks and the rest of the model. A collective."""
        plain = _without_parameters(model)
        mesh = init_device_mesh(torch.device(self.device).type, (self.processes,))
        for part in (*repeated_blocks(model).values(), model):
            part.register_forward_hook(_without_views)
            policy = self.policy if part is model else replace(self.policy, output_dtype=None)
            fully_shard(part, mesh=mesh, reshard_after_forward=self.reshard, mp_policy=policy)
        for one in _sharded_parts(model):  # gradients of shares add up to that of the whole batch
            one.set_gradient_divide_factor(1.0)
            one.set_force_sum_reduction_for_comms(enable=True)
        _PLAIN[model] = plain
        return model


def _without_views(module: nn.Module, args: Any, output: Any) -> Any:
    """Copy outputs that are views: changing one in place would silently drop the hook that gathers for its gradient."""
    return tree_map_only(Tensor, lambda one: one.clone() if one.requires_grad and one._is_view() else one, output)


def _without_parameters(model: nn.Module) -> nn.Module:
    """Return a copy of a model whose parameters have no memory."""
    empty = {
        id(one): nn.Parameter(torch.empty_like(one, device="meta"), one.requires_grad) for one in model.parameters()
    }
    return deepcopy(model, empty)  # type: ignore[arg-type]


def unsharded(model: nn.Module) -> nn.Module:
    """Return the plain model with whole weights. A collective."""
    plain = _PLAIN[model]
    plain.load_state_dict(whole(model.state_dict()), assign=True)
    for one, before in zip(plain.parameters(), model.parameters(), strict=True):
        one.requires_grad_(before.requires_grad)
    return plain.train(model.training)


def _sharded_parts(model: nn.Module) -> Iterator[FSDPModule]:
    return (one for one in model.modules() if isinstance(one, FSDPModule))


def reduced_by_parts(model: nn.Module, processes: Processes) -> ShareBackward:
    """Return the step of a sharded model, which adds the gradients up over the processes itself."""
    assert isinstance(model, FSDPModule), "the surgery has sharded it"
    return partial(_in_step, model, processes)


def _in_step(model: FSDPModule, processes: Processes, run: "Session", batch: Batch, mark: Mark, total: Total) -> Loss:
    """Compute a share in as many passes as the process with the largest share needs: each pass is a collective."""
    lacking = _lacking(processes, run, batch)
    whole_count: float | None = None  # as soon as it is known

    def compute(run: "Session", batch: Batch, mark: Mark, *, last: bool) -> Loss:
        nonlocal lacking
        model.set_requires_gradient_sync(False)
        while lacking > 0:
            lacking -= 1
            zero = zero_of(example_output(run))
            if whole_count != 0:
                zero.backward()
        model.set_requires_gradient_sync(last)
        if batch is NOTHING:
            output, loss = example_output(run), None
            mark(FORWARD)
        else:
            output = run.predict(batch)
            mark(FORWARD)
            loss = run.loss(output, batch)
        mark(LOSS)
        if loss is not None and loss.count:
            return loss
        return Loss(zero_of(output), torch.zeros(()))

    def of_whole(count: Count) -> float:
        nonlocal whole_count
        whole_count = float(total(float(count)))
        return whole_count

    if batch is not NOTHING:
        return accumulate(run, batch, mark, of_whole, compute)
    return without_samples(run, mark, of_whole, compute)


def _lacking(processes: Processes, run: "Session", batch: Batch) -> int:
    """Return how many passes the largest share of a batch takes more than this process's."""
    micro_batch, usual = run.recipe.backward.micro_batch, run.recipe.input.batch_size
    if micro_batch is None:
        return 0
    assert run.samples is not None, "several processes share data with a length"
    largest = max(processes.sizes(min(usual, run.samples - run.position.offset), usual))
    own = 1 if batch is NOTHING else -(-size_of(batch) // micro_batch)
    return -(-largest // micro_batch) - own


def example_output(run: "Session") -> Any:
    """Return what the model makes of two samples, in evaluation mode: it changes no running statistic."""
    run.model.eval()
    output = run.predict(to_device(run.recipe.subject.batch(2), run.recipe.parallel.device))
    run.model.train()
    return output


def zero_of(output: Any) -> Tensor:
    """Return 0, with a gradient of zero for whatever an output was computed from."""
    parts = [one.flatten()[:0].sum() for one in tensors_of(output) if one.requires_grad]
    return torch.stack([one.float() for one in parts]).sum()


def _sharded(recipe: Recipe, reshard: bool, policy: MixedPrecisionPolicy) -> Recipe:
    processes = recipe.parallel.processes
    assert processes is not None, "one process alone is refused"
    changed = recipe.with_surgery(_Shard(recipe.device.name, processes.size, reshard, policy), undo=unsharded)
    return replace(changed, parallel=replace(recipe.parallel, reduction=reduced_by_parts, sharded=True))


def _why_not_sharded(recipe: Recipe) -> str | None:
    if (why := why_not_reduced(recipe)) is not None:
        return why
    if recipe.parallel.reduction is not after_backward:
        return "another technique reduces the gradients"
    if recipe.backward.loss_scale is not None:
        return "the loss scale looks at whole gradients"
    if recipe.update.post_step:
        return "the recipe keeps or changes whole parameters after each update"
    if not all(isinstance(one, Stateless) for one in recipe.gradient):
        return "a gradient transform keeps whole gradients"
    optimizer = build_optimizer(recipe.update, recipe.subject.fresh_model())
    if not type(optimizer).__module__.startswith("torch.optim") or needs_closure(optimizer):
        return f"only torch's optimizers without closure are known to update parts; this is {type(optimizer).__name__}"
    return None


_IN_PARTS = "each process has a part of them, which no gate compares; the tests of several processes do"


@dataclass(frozen=True)
class Fsdp:
    """Shard parameters, gradients and optimizer state over the processes."""

    reshard: bool = True

    card: ClassVar[Card] = Card(
        name="fsdp",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.ROUNDING,
        idea="fully_shard (FSDP2): each process holds its part of parameters, gradients and optimizer state",
        source="Zhao et al., 2023, arXiv:2304.11277",
        treats=("near_memory_limit",),
        needs=("several processes", "an optimizer of torch"),
        conflicts=("ddp", "bf16_reduction", "fsdp_bf16", "optimizer_in_backward", "channels_last"),
        exceptions={"gradients": _IN_PARTS},
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, and what needs whole parameters."""
        return _why_not_sharded(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Shard the model before the optimizer is made."""
        return _sharded(recipe, self.reshard, MixedPrecisionPolicy())


@dataclass(frozen=True)
class FsdpBf16:
    """Shard a model that computes in bfloat16."""

    reshard: bool = True

    card: ClassVar[Card] = Card(
        name="fsdp_bf16",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.PRECISION,
        idea="fully_shard with MixedPrecisionPolicy: gather and compute in bfloat16, reduce in float32",
        source="torch.distributed.fsdp.MixedPrecisionPolicy",
        treats=("near_memory_limit",),
        needs=("several processes", "an optimizer of torch"),
        conflicts=("ddp", "bf16_reduction", "fsdp", "optimizer_in_backward", "channels_last", "bf16", "fp16"),
        exceptions={"gradients": _IN_PARTS},
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, and what needs whole parameters."""
        return _why_not_sharded(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Shard the model before the optimizer is made."""
        policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=torch.float32
        )
        return _sharded(recipe, self.reshard, policy)
