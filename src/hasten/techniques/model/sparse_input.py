"""Multiply a wide first layer only by the inputs that are not zero.

What it does
    Where the data go straight into a wide linear layer and nearly all of their numbers are zero (words of a text, one
    column per category), the layer sums the weights of those that are not. Its weight matrix keeps its shape and is
    stored column by column, so that each input's weights lie side by side.

Why it helps
    At 1 % of numbers that are not zero, a hundredth of the products is left; what remains is one look at the data to
    find them.

When it hurts
    From some percent of non-zeros on a dense product is faster, for it needs no addresses. The gradient is dense, and
    so is the optimizer's pass over it.

Numerics
    The same sum without its zeros, in another order.

Known problems
    An infinite weight times a zero is left out here and not a number there. The data stay dense in memory.
    FSDP takes no weights that are stored column by column.

Source
    CSR times dense as in scipy.sparse and MKL; through torch.nn.functional.embedding_bag, whose CPU kernel is 20 times
    as fast as torch's CSR product here.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import first_input
from hasten.techniques.blocks import Forward, unwrap_forward, wrap_forward
from hasten.techniques.model.replacing import shared_parameters
from hasten.training.inspection import copy_of
from hasten.training.recipe import Recipe

LOOKED_AT = 64
"""Training samples whose zeros are counted."""


def sparse_linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return values @ weight.T + bias from the numbers of `values` that are not zero.

    Args:
        values: (rows, inputs), no gradient goes to it.
        weight: (outputs, inputs), fastest where stored column by column.
        bias: (outputs,) or None.
    """
    rows, columns = values.nonzero().unbind(1)
    starts = torch.searchsorted(rows, torch.arange(len(values), device=values.device))
    made = F.embedding_bag(columns, weight.t(), starts, mode="sum", per_sample_weights=values[rows, columns])
    return made if bias is None else made + bias


def without_zeros(layer: nn.Module, forward: Forward) -> Forward:
    """Return a linear layer's forward pass that leaves zeros of its input out; under autocast it is as it was."""

    def multiply(self: Any, values: Tensor) -> Tensor:
        if values.ndim != 2 or values.requires_grad or torch.is_autocast_enabled(values.device.type):
            return forward(self, values)
        return sparse_linear(values, self.weight, self.bias)

    return multiply


def leave_zeros_out(model: nn.Module, *, recipe: Recipe) -> nn.Module:
    """Let the linear layer that the data go into multiply only what is not zero, in place."""
    name = fed_layer(copy_of(model), recipe)
    assert name is not None, "refused otherwise"
    layer = model.get_submodule(name)
    weight = layer.get_parameter("weight")
    weight.data = weight.data.t().contiguous().t()
    wrap_forward(layer, without_zeros)
    return model


def take_zeros_in(model: nn.Module) -> nn.Module:
    """Take `leave_zeros_out` back."""
    for layer in model.modules():
        if type(layer).__dict__.get("wrapped_by") is without_zeros:
            weight = layer.get_parameter("weight")
            weight.data = weight.data.contiguous()
    return unwrap_forward(model, without_zeros)


def fed_layer(model: nn.Module, recipe: Recipe) -> str | None:
    """Return the name of the linear layer that the data go into as they are, or None; leaves hooks in the model."""
    found: list[str] = []
    batch = recipe.subject.batch()

    def note(layer: nn.Module, given: tuple[Any, ...], output: Any, *, name: str) -> None:
        if given and given[0] is first_input(batch):
            found.append(name)

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(partial(note, name=name))
    with preserved(), torch.no_grad():
        recipe.forward.predict(model, batch)
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class SparseInput:
    """Multiply a wide first layer only by the inputs that are not zero."""

    least_inputs: Annotated[int, Meta(ge=1, description="inputs that the layer has at least")] = 1024
    most: Annotated[float, Meta(gt=0, le=1, description="share of numbers that are not zero, at most")] = 0.03

    card: ClassVar[Card] = Card(
        name="sparse_input",
        stage=Stage.MODEL,
        guarantee=Guarantee.ROUNDING,
        idea="skip zero inputs in a wide first layer (sparse matmul)",
        source="torch.nn.functional.embedding_bag with per_sample_weights (2019)",
        treats=("low_compute_efficiency",),
        needs=("data of nearly only zeros that go into a wide linear layer",),
        conflicts=("low_rank_linear", "int8_linear", "fsdp", "fsdp_bf16", "tensor_parallel"),
        after=("freezing",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without such a layer, and data with more than a few numbers that are not zero."""
        model = recipe.subject.fresh_model()
        if not any(isinstance(one, nn.Linear) and one.in_features >= self.least_inputs for one in model.modules()):
            return f"no linear layer has {self.least_inputs} inputs or more"
        name = fed_layer(model, recipe)
        if name is None:
            return "the input does not go directly into one linear layer"
        layer = model.get_submodule(name)
        if not isinstance(layer, nn.Linear) or layer.in_features < self.least_inputs:
            return f"the layer {name!r}, into which the data go, has fewer than {self.least_inputs} inputs"
        if id(layer.weight) in shared_parameters(model):
            return f"the weight of {name!r} is used in several places"
        share = float((first_input(recipe.subject.batch(LOOKED_AT)) != 0).float().mean())
        return f"{share:.1%} of the data are not zero, more than {self.most:.1%}" if share > self.most else None

    def apply(self, recipe: Recipe) -> Recipe:
        """Change the layer that the data go into."""
        return recipe.with_surgery(partial(leave_zeros_out, recipe=recipe), undo=take_zeros_in)
