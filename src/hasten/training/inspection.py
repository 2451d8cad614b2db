"""Copies of a model to look at, and dropout turned off."""

from copy import deepcopy

from torch import Tensor, nn


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
