"""Update each parameter as soon as its gradient is there, and let go of the gradient.

What it does
    A hook on every parameter runs the optimizer on it alone, right when the backward pass has finished its gradient.

Why it helps
    Memory: no two gradients are alive at a time, instead of all of them. Time, sometimes: gradient and weight are
    still in the cache when they are used.

When it hurts
    One call of the optimizer per parameter: with many small parameters the calls cost more than they save.

Numerics
    The same operations on the same numbers: bit for bit.

Known problems
    Nothing can look at all gradients together: no clipping by norm, no accumulation, no veto. A step that is made to
    only read gradients updates all the same.

Source
    Lv et al., 2023, arXiv:2306.09782 (LOMO), with any optimizer; torch.Tensor.register_post_accumulate_grad_hook.
"""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn, optim

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.training.optimizers import TORCH, make_optimizer
from hasten.training.recipe import Recipe
from hasten.training.task import Update


def in_backward(model: nn.Module, update: Update) -> optim.Optimizer:
    """Return the optimizer of `update`, whose work is done by hooks on the parameters; its own step finds none left."""
    assert isinstance(update.optimizer, str), "refused otherwise"
    assert update.lr is not None, "Update refuses a named optimizer without a rate"
    whole = make_optimizer(update.optimizer, model, lr=update.lr, options=update.options)
    for index, group in enumerate(whole.param_groups):
        for parameter in group["params"]:
            parameter.register_post_accumulate_grad_hook(partial(_update_one, whole, copy.copy(whole), index))
    return whole


def _update_one(whole: optim.Optimizer, twin: Any, index: int, parameter: Tensor) -> None:
    """Run `twin`, a copy of the whole optimizer that shares its state, on one parameter, and free its gradient."""
    twin.state = whole.state  # anew each time: loading a state replaces it
    twin.param_groups = [{**whole.param_groups[index], "params": [parameter]}]
    twin.step()
    parameter.grad = None


@dataclass(frozen=True)
class OptimizerInBackward:
    """Update each parameter as soon as its gradient is there."""

    card: ClassVar[Card] = Card(
        name="optimizer_in_backward",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="optimizer in backward: update each parameter when its gradient is ready, then free it",
        source="Lv et al., 2023, arXiv:2306.09782",
        treats=("near_memory_limit", "optimizer_heavy"),
        needs=("one of torch's own optimizers, by name", "no accumulation, no clipping"),
        conflicts=(
            "micro_batch",
            "delayed_update",
            "fused_optimizer",
            "fp16",
            "magnitude_pruning",
        ),
        exceptions={
            "gradients": "they are gone before anything can look at them",
            "accumulation": "each part of a batch would be an update of its own",
            "processes": "parameters are updated before the gradients of other processes can be added",
            "clipping": "the norm of all gradients is known only when the first updates are made",
        },
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse the task's own optimizers, those of other libraries, and recipes that need all gradients at once."""
        update = recipe.update
        if not isinstance(update.optimizer, str) or update.optimizer.lower() not in TORCH:
            return "only torch's own optimizers, by name, are known to treat each parameter by itself"
        if recipe.gradient or recipe.backward.micro_batch is not None or recipe.backward.loss_scale is not None:
            return "the recipe uses all gradients together before the update (clipping, accumulation, loss scaling)"
        if update.post_step:
            return "the recipe does something after each update of all parameters"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Put a factory in place of the optimizer's name."""
        factory = partial(in_backward, update=recipe.update)
        return recipe.with_update(optimizer=factory, options={})
