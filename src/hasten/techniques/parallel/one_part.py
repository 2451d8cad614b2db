"""What one process of `tensor_parallel` holds and computes without the others: for what it takes in memory and time."""

from functools import partial

from torch import nn

from hasten.techniques.parallel.heads import Together, take_part
from hasten.techniques.parallel.splitting import Splitting, divide_heads, parts_of
from hasten.training.recipe import Recipe


def in_one_part(recipe: Recipe, found: Splitting, parts: int) -> Recipe:
    """Return the recipe whose model has the first of so many parts of each divided layer.

    It computes what a process does between two sums over the parts. What comes out is no training: the other parts are
    missing.
    """
    return recipe.with_surgery(partial(_keep_one_part, found, parts))


def _keep_one_part(found: Splitting, parts: int, model: nn.Module) -> nn.Module:
    for module, name, own in list(parts_of(model, found, parts, 0)):
        whole = module.get_parameter(name)
        module.register_parameter(name, nn.Parameter(own.detach().clone(), whole.requires_grad))
    for split in found.splits:
        for name, attribute in split.heads:
            divide_heads(model.get_submodule(name), attribute, parts)
    for name in found.attentions:
        take_part(model.get_submodule(name), Together(parts, 0))
    return model
