"""What techniques share that give each process a part of a model: refusals, and the plain model at the end."""

from copy import deepcopy
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from hasten.techniques.parallel.ddp import why_not_reduced
from hasten.training.optimizers import build_optimizer, needs_closure
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe
from hasten.training.reduction import after_backward
from hasten.training.sharding import whole
from hasten.training.transforms import Stateless

IN_PARTS = "each process has a part of them, which no gate compares; the tests of several processes do"
NOT_IN_PARTS = (
    "ddp",
    "bf16_reduction",
    "fsdp",
    "fsdp_bf16",
    "shares_by_speed",
    "optimizer_in_backward",
    "channels_last",
    "activation_checkpointing",
    "activation_checkpointing_selective",
    "activation_checkpointing_budget",
    "compile",
    "compile_regions",
    "cuda_graphs",
)
"""What does not go together with layers or stages that each process has a part of."""

ALIKE = "All have the same work: its device is slow, or does other work."
"""What is said of a slow process where none can have less work than the others."""
_PLAIN: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()
"""Model in parts -> what it was before, without memory for parameters; torch lets no sharded model be copied."""


def why_not_in_parts(recipe: Recipe) -> str | None:
    """Return why the processes of a recipe cannot each hold a part of its parameters, or None."""
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


def why_not_in_groups(recipe: Recipe, size: int) -> str | None:
    """Return why groups of `size` processes (0: all) cannot each hold a model in parts and share the batch, or None."""
    if (why := why_not_in_parts(recipe)) is not None:
        return why
    processes = recipe.parallel.processes
    assert processes is not None, "one process alone is refused"
    if processes.shares is not None:
        return "unequal shares of the batch are for processes that each hold the whole model"
    size = size or processes.size
    if processes.size % size:
        return f"{processes.size} processes cannot form groups of {size}"
    if (shares := processes.size // size) > recipe.input.batch_size:
        return f"a batch of {recipe.input.batch_size} samples cannot be shared by {shares} groups"
    return None


def in_groups(recipe: Recipe, size: int) -> Processes:
    """Return the processes of a recipe as groups of `size` (0: all) that compute one share of the batch each."""
    processes = recipe.parallel.processes
    assert processes is not None, "one process alone is refused"
    return replace(processes, per_share=size or processes.size)


def without_parameters(model: nn.Module) -> nn.Module:
    """Return a copy of a model whose parameters have no memory."""
    empty = {
        id(one): nn.Parameter(torch.empty_like(one, device="meta"), one.requires_grad) for one in model.parameters()
    }
    return deepcopy(model, empty)  # type: ignore[arg-type]


def without_views(module: nn.Module, args: Any, output: Any) -> Any:
    """Copy outputs that are views, as a forward hook: changed in place, they would lose what their gradient needs."""
    return tree_map_only(Tensor, lambda one: one.clone() if one.requires_grad and one._is_view() else one, output)


def remember(model: nn.Module, plain: nn.Module) -> nn.Module:
    """Return a model in parts, of which `rejoined` makes `plain` with whole weights again."""
    _PLAIN[model] = plain
    return model


def rejoined(model: nn.Module) -> nn.Module:
    """Return the plain model with whole weights, tied ones included. A collective."""
    plain = _PLAIN[model]
    places: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in plain.modules():
        for name, one in module.named_parameters(recurse=False):
            places.setdefault(id(one), []).append((module, name))
    plain.load_state_dict(whole(model.state_dict()), assign=True)
    for (first, name), *others in places.values():
        for module, own in others:
            module.register_parameter(own, first.get_parameter(name))
    for one, before in zip(plain.parameters(), model.parameters(), strict=True):
        one.requires_grad_(before.requires_grad)
    return plain.train(model.training)
