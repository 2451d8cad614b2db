"""Multiply the matrices of large linear layers in 8-bit floating point, on GPUs that can.

What it does
    Lets torchao put its float8 layers in place of wide linear layers: all three products in float8, scaled anew in
    each step, weights and optimizer as they were. Each such layer is compiled, which fuses its scaling.

Why it helps
    The tensor cores of Hopper and later multiply float8 twice as fast as bfloat16: 10 to 28 % of a step for models of
    billions of parameters.

When it hurts
    Small layers lose more by scaling than they gain. At equal quality, published gains shrink to about 5 %.

Numerics
    Products of numbers with 3 bits of mantissa (gradients: 2), summed in float32. One scale per row (`rowwise`) is off
    less than one per matrix (`tensorwise`), and gains less.

Known problems
    Sizes must be multiples of 16. The first steps compile. Needs torchao. Not measured by hasten on a GPU: the trial
    on the user's model decides.

Source
    Micikevicius et al., 2022, arXiv:2209.05433; through torchao.float8.
"""

import importlib.util
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.model.replacing import replace_layers, shared_parameters
from hasten.training.effects import Seen, any_call
from hasten.training.recipe import Recipe

OLDEST = (8, 9)
"""Compute capability: Ada and Hopper were the first with float8 products."""
MULTIPLE = 16
CONVERTED = "Float8Linear"
"""Name of torchao's class, by which its layers are found again without importing it."""


def wide_layers(model: nn.Module, least: int) -> list[str]:
    """Return the names of linear layers with at least `least` inputs and outputs in multiples of 16.

    Left out are layers whose weight is used elsewhere, and the last linear layer, which makes the scores.
    """
    layers = [(name, one) for name, one in model.named_modules() if isinstance(one, nn.Linear)]
    shared = shared_parameters(model)
    return [
        name
        for name, layer in layers[:-1]
        if type(layer) is nn.Linear
        and id(layer.weight) not in shared
        and min(layer.in_features, layer.out_features) >= least
        and layer.in_features % MULTIPLE == layer.out_features % MULTIPLE == 0
    ]


def convert(model: nn.Module, *, least: int, scaling: str) -> nn.Module:
    """Let torchao replace the wide layers, in place, and compile each of them."""
    names = wide_layers(model, least)
    float8: Any = import_module("torchao.float8")
    config = float8.Float8LinearConfig.from_recipe_name(scaling)
    model = float8.convert_to_float8_training(model, module_filter_fn=lambda _, name: name in names, config=config)
    for name in names:
        model.get_submodule(name).compile()
    return model


def plain_layers(model: nn.Module) -> nn.Module:
    """Put plain linear layers with the same parameters in place of torchao's."""

    def plain(name: str, layer: nn.Module) -> nn.Module | None:
        if type(layer).__name__ != CONVERTED:
            return None
        linear: Any = layer
        made = nn.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
        made.weight, made.bias = linear.weight, linear.bias
        return made.train(layer.training)

    return replace_layers(model, plain)


@dataclass(frozen=True)
class Fp8:
    """Multiply the matrices of large linear layers in 8-bit floating point."""

    scaling: Literal["tensorwise", "rowwise", "rowwise_with_gw_hp"] = "tensorwise"
    least: Annotated[int, Meta(ge=16, description="inputs and outputs that a layer has at least")] = 1024

    card: ClassVar[Card] = Card(
        name="fp8",
        stage=Stage.FORWARD,
        guarantee=Guarantee.PRECISION,
        idea="matmuls of large linear layers in 8-bit floating point (FP8)",
        source="Micikevicius et al., 2022, arXiv:2209.05433",
        treats=("precision_unused", "low_compute_efficiency"),
        needs=("a GPU of compute capability 8.9 or later", "torchao", "wide linear layers"),
        conflicts=("int8_linear", "low_rank_linear", "sparse_input"),
        after=("bf16",),
        exploits=("float8 matmul",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse CPUs and older GPUs, a missing torchao, and models without wide layers."""
        if not recipe.device.is_cuda or machine.gpu is None:
            return f"float8 products need a GPU; the run is on {recipe.device}"
        if machine.gpu.capability < OLDEST:
            number = "{}.{}".format(*machine.gpu.capability)
            return f"{machine.gpu.name} has compute capability {number}; float8 products came with 8.9"
        if importlib.util.find_spec("torchao") is None:
            return "float8 training needs torchao, which is not installed; install it with `pip install torchao`"
        if not wide_layers(recipe.subject.model(), self.least):
            return f"no linear layer but the last has {self.least} inputs and outputs, in multiples of {MULTIPLE}"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Convert the wide layers before training, and take it back after it."""
        return recipe.with_surgery(partial(convert, least=self.least, scaling=self.scaling), undo=plain_layers)

    def effect(self, seen: Seen) -> str | None:
        """Expect a product in 8-bit floating point."""
        return any_call(seen, "a product in 8-bit floating point", "aten::_scaled_mm")
