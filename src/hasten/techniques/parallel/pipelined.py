"""A training whose model is held in stages by several processes (`pipeline_parallel`): the recipe, and its step.

Each process has the parameters of its stages; those of other stages have no rows here (`sharding.held_by_one`). So
there is one gradient, one norm and one state of the whole model, of which each process updates what it has. Parameters
that several stages use (tied weights) are whole in each process, and their gradients add up.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.distributed.tensor import Replicate, distribute_tensor

from hasten.data.batch import Batch
from hasten.techniques.parallel.mesh import mesh_of
from hasten.techniques.parallel.parts import rejoined, remember, without_parameters
from hasten.techniques.parallel.pipeline import Order, Pipeline, shapes_of
from hasten.techniques.parallel.stage_pass import places_of
from hasten.techniques.parallel.stages import Staging, owner_of
from hasten.training.counting import Count
from hasten.training.loss import Loss
from hasten.training.marks import Mark
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Recipe
from hasten.training.reduction import Reducing, Total
from hasten.training.sharding import STAGES, held_by_one
from hasten.training.step import rescale

if TYPE_CHECKING:
    from hasten.training.session import Session

_RELIEF = "Its stage has most work, or its device is slow: with `stages` of 2 or more the work is divided more evenly."
_PIPELINES: WeakKeyDictionary[nn.Module, ref["Pipeline"]] = WeakKeyDictionary()
"""Model -> its stages. The session has the pipeline, which has the model."""


@dataclass(frozen=True)
class InStages:
    """Predicts by the stages of a model that is held in stages; of any other model as `predict` does."""

    predict: Callable[[nn.Module, Batch], Any]

    def __call__(self, model: nn.Module, batch: Batch) -> Any:
        """Return the output; in a step, of a stage that is not the last, what it sends. A collective of the group."""
        found = _PIPELINES.get(model)
        pipeline = None if found is None else found()
        call = partial(self.predict, model, batch)
        if pipeline is None:
            return call()
        if pipeline.under_way is not None:
            return pipeline.under_way(call)
        return pipeline.through(call, shapes_of(model, batch))


@dataclass(frozen=True)
class _Hold:
    """Let each process hold the parameters of its stages."""

    device: str
    processes: Processes
    staging: Staging

    def __call__(self, model: nn.Module) -> nn.Module:
        """Make `DTensor`s of all parameters. A collective."""
        plain = without_parameters(model)
        mesh = mesh_of(self.device, self.processes, STAGES)[STAGES]
        for name, places in places_of(model).items():
            module, own = places[0]
            whole = module._parameters[own]
            assert whole is not None, "only parameters have places"
            value, owner = whole.detach().to(mesh.device_type), owner_of(whole, self.staging.used[name], mesh.size())
            if owner is None:
                held = distribute_tensor(value, mesh, [Replicate()], src_data_rank=None)
            else:
                held = held_by_one(value, mesh, here=owner == mesh.get_local_rank())
            parameter = nn.Parameter(held, whole.requires_grad)
            for module, own in places:
                setattr(module, own, parameter)
        return remember(model, plain)


def _by_stages(model: nn.Module, processes: Processes, staging: Staging, device: str, order: Order) -> Reducing:
    """Return the step of a model that is held in stages."""
    pipeline = Pipeline(model, staging, mesh_of(device, processes, STAGES), order)
    _PIPELINES[model] = ref(pipeline)
    return Reducing(partial(_in_step, pipeline, processes))


def _in_step(pipeline: Pipeline, processes: Processes, run: "Session", batch: Batch, mark: Mark, total: Total) -> Loss:
    """Compute a share, all stages together, and leave the gradients of the whole batch."""
    loss, counts = Loss(torch.zeros((), dtype=torch.float64), 0), run.recipe.forward.loss
    count = counts.count(run.recipe.subject.batch(2) if batch is NOTHING else batch)
    afterwards = count is None  # only the forward passes tell it: gradients are rescaled
    size = run.recipe.input.batch_size
    start: Count = size if count is None else total(0 if batch is NOTHING else count)
    if batch is not NOTHING and (isinstance(start, Tensor) or start):
        rows = max(1, processes.own_size(size) // pipeline.order.micro_batches)
        loss = pipeline.compute(run, processes.share, batch, mark, start, rows)
    pipeline.collect_gradients(processes)
    if afterwards:
        whole = total(loss.count)
        rescale(run.parameters, start / whole if isinstance(whole, Tensor) or whole else 0.0)
    return loss


def pipelined(recipe: Recipe, processes: Processes, staging: Staging, order: Order) -> Recipe:
    """Return the recipe whose model is held in stages before the optimizer is made.

    Args:
        recipe: of several processes.
        processes: the same, and how many of them have the stages of one model.
        staging: the stages; a multiple of `processes.per_share`, dealt out in turn.
        order: of the micro-batches.
    """
    device = recipe.device.name
    changed = recipe.with_surgery(_Hold(device, processes, staging), undo=rejoined)
    changed = changed.with_forward(predict=InStages(recipe.forward.predict))
    reduction = partial(_by_stages, staging=staging, device=device, order=order)
    notes = (*recipe.parallel.notes, told(processes, staging, order))
    return replace(
        changed,
        parallel=replace(
            recipe.parallel, processes=processes, reduction=reduction, sharded=True, notes=notes, relief=_RELIEF
        ),
    )


def told(processes: Processes, staging: Staging, order: Order) -> str:
    """Return in a sentence which stages there are."""
    stages = ", ".join(
        f"{stage.begin or 'the beginning'} ({share:.0%} of the work)"
        for stage, share in zip(staging.stages, staging.work, strict=True)
    )
    size = processes.per_share
    bubble = (size - 1) / (order.micro_batches * (len(staging.stages) // size) + size - 1)
    text = f"pipeline_parallel: {len(staging.stages)} stages in {size} processes, which begin with {stages}"
    tied = [name for name, used in staging.used.items() if len({stage % size for stage in used}) > 1]
    whole = f" Several stages use {', '.join(tied[:3])}, whole in each process." if tied else ""
    return f"{text}; each waits for others {bubble:.0%} of the time at least.{whole}"
