"""What one process of `tensor_parallel` holds and computes without the others: for what it takes in memory and time."""

from functools import partial

from torch import nn

from hasten.techniques.parallel.splitting import Split, divide_heads, part_of_split
from hasten.training.recipe import Recipe


def in_one_part(recipe: Recipe, splits: tuple[Split, ...], parts: int) -> Recipe:
    """Return the recipe whose model has the first of so many parts of each divided layer.

    It computes what a process does between two sums over the parts. What comes out is no training: the other parts are
    missing.
    """
    return recipe.with_surgery(partial(_keep_one_part, splits, parts))


def _keep_one_part(splits: tuple[Split, ...], parts: int, model: nn.Module) -> nn.Module:
    for split in splits:
        for layer, name, own in list(part_of_split(model, split, parts, 0)):
            whole = layer.get_parameter(name)
            layer.register_parameter(name, nn.Parameter(own.detach().clone(), whole.requires_grad))
        for name, attribute in split.heads:
            divide_heads(model.get_submodule(name), attribute, parts)
    return model
