"""The model and the step of processes that each hold a part of the parameters (`fsdp`).

A module of its own, since torch's takes a second to import, and the cards of all techniques are read in every tuning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from hasten.data.batch import Batch, size_of, tensors_of, to_device
from hasten.techniques.blocks import repeated_blocks
from hasten.techniques.parallel.parts import ALIKE, rejoined, remember, without_parameters, without_views
from hasten.training.counting import Count
from hasten.training.loss import Loss
from hasten.training.marks import FORWARD, LOSS, Mark
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Recipe
from hasten.training.reduction import Reducing, Total, in_every_pass

if TYPE_CHECKING:
    from hasten.training.session import Session


@dataclass(frozen=True)
class _Shard:
    """Shard a model, and take that back."""

    device: str
    processes: int
    replicas: int
    reshard: bool
    policy: MixedPrecisionPolicy

    def __call__(self, model: nn.Module) -> nn.Module:
        """Shard the repeated blocks and the rest of the model. A collective."""
        plain = without_parameters(model)
        mesh = self._mesh()
        for part in (*repeated_blocks(model).values(), model):
            part.register_forward_hook(without_views)
            policy = self.policy if part is model else replace(self.policy, output_dtype=None)
            fully_shard(part, mesh=mesh, reshard_after_forward=self.reshard, mp_policy=policy)
        for one in _sharded_parts(model):  # gradients of shares add up to that of the whole batch
            one.set_gradient_divide_factor(1.0)
            one.set_force_sum_reduction_for_comms(enable=True)
        return remember(model, plain)

    def _mesh(self) -> DeviceMesh:
        """Return the processes in a row, or as groups of neighbours that each hold a whole model."""
        kind = torch.device(self.device).type
        if self.replicas == 1:
            return init_device_mesh(kind, (self.processes,))
        shape = (self.replicas, self.processes // self.replicas)
        return init_device_mesh(kind, shape, mesh_dim_names=("replicas", "shards"))


def _sharded_parts(model: nn.Module) -> Iterator[FSDPModule]:
    return (one for one in model.modules() if isinstance(one, FSDPModule))


def reduced_by_parts(model: nn.Module, processes: Processes) -> Reducing:
    """Return the step of a sharded model, which adds the gradients up over the processes itself."""
    assert isinstance(model, FSDPModule), "the surgery has sharded it"
    return Reducing(partial(_in_step, model, processes))


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

    return in_every_pass(run, batch, mark, of_whole, compute)


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


def sharded(recipe: Recipe, *, reshard: bool, replicas: int, computed_in: torch.dtype | None) -> Recipe:
    """Return the recipe whose model is sharded before the optimizer is made.

    Args:
        recipe: of several processes.
        reshard: let go of gathered parameters after the forward pass.
        replicas: groups of processes that each hold a whole model.
        computed_in: what parameters are gathered and products computed in; gradients and outputs are then in
            float32. None for the parameters' own format.
    """
    policy = MixedPrecisionPolicy()
    if computed_in is not None:
        policy = MixedPrecisionPolicy(param_dtype=computed_in, reduce_dtype=torch.float32, output_dtype=torch.float32)
    processes = recipe.parallel.processes
    assert processes is not None, "one process alone is refused"
    changed = recipe.with_surgery(_Shard(recipe.device.name, processes.size, replicas, reshard, policy), undo=rejoined)
    return replace(changed, parallel=replace(recipe.parallel, reduction=reduced_by_parts, sharded=True, relief=ALIKE))
