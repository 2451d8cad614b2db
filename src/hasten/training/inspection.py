"""A look at what a recipe would build, without leaving a trace."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import Batch, changed_in_turn, to_device
from hasten.training.recipe import Recipe


def example_model(recipe: Recipe) -> nn.Module:
    """Return the recipe's model as the run would start with it, on the CPU; the global generators stay untouched."""
    with preserved():
        seed_all(recipe.task.seed)
        model = recipe.task.model()
        for surgery in recipe.model:
            model = surgery.change(model)
    return model


def example_batch(recipe: Recipe, samples: int = 2) -> Batch:
    """Return the first training samples as the recipe's loader hands them out, prepared, on the CPU."""
    size = min(samples, len(recipe.task.data.train))  # type: ignore[arg-type]
    with preserved():
        _, batch = next(recipe.input.loader(recipe.task.data.train, size)(torch.arange(size)))
    return changed_in_turn(to_device(batch, "cpu"), recipe.input.batch_transforms)


def copy_of(model: nn.Module) -> nn.Module:
    """Return a deep copy of a model, also where a layer holds a tensor that it computes from its parameters.

    `copy.deepcopy` refuses such tensors; `torch.nn.utils.weight_norm` leaves one in its layer. The copy holds their
    values, and the layer computes them again in its next forward pass.
    """
    computed = (value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor))
    return deepcopy(model, {id(value): value.detach().clone() for value in computed if not value.is_leaf})


def silence_dropout(model: nn.Module) -> nn.Module:
    """Turn every dropout layer of a model off, in place; attention and recurrent layers hold its rate as a number."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):  # the base of every dropout layer of torch
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            setattr(module, "dropout", 0.0)  # noqa: B010  (a plain attribute, which nn.Module's types do not know)
    return model
