"""Train wide linear layers in int8: forward, input gradient and weight gradient.

What it does
    The linear layers that are wide enough compute all three of their products on int8 codes of inputs, weights and
    output gradients, each with its own scale. Parameters and optimizer stay as they were.

Why it helps
    CPUs with AVX512-VNNI multiply int8 twice as fast as bfloat16 and four times as fast as float32. What is kept for
    the backward pass is int8 as well: a quarter of the memory.

When it hurts
    Narrow layers and short batches: quantizing costs more than the products save. Such layers are left alone.

Numerics
    About 1 % error in each product, without bias; much below the noise of a minibatch, which the gate checks.

Known problems
    The output layer, routers and tied weights stay in their format. Activations with outlier channels lose more: the
    gate sees it. The work around the products is built by a C++ compiler when it is first needed; without one it runs
    in plain torch, which takes more time than int8 saves.

Source
    Dettmers et al., 2022, arXiv:2208.07339; Xi et al., 2024, arXiv:2403.12422 (Jetfire); the folding of scales is our
    own (`hasten.techniques.forward.int8`).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta
from torch import nn

from hasten.base.errors import Refused
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.forward.int8.autograd import Int8Product
from hasten.techniques.forward.int8.convert import convert, revert
from hasten.techniques.forward.int8.layers import MIN_FEATURES, choose
from hasten.techniques.forward.int8.support import SMALLEST_SIZE, unsupported
from hasten.training.effects import Seen, any_call
from hasten.training.recipe import Recipe


def to_int8(model: nn.Module, min_features: int) -> nn.Module:
    """Let the model's wide linear layers train in int8, in place."""
    convert(model, min_features=min_features)
    return model


def from_int8(model: nn.Module) -> nn.Module:
    """Make the model's int8 layers plain ones again, in place."""
    revert(model)
    return model


@dataclass(frozen=True)
class Int8Training:
    """Train wide linear layers in int8."""

    min_features: Annotated[
        int, Meta(ge=SMALLEST_SIZE, description="smallest harmonic mean of a layer's input and output features")
    ] = MIN_FEATURES

    card: ClassVar[Card] = Card(
        name="int8_linear",
        stage=Stage.FORWARD,
        guarantee=Guarantee.PRECISION,
        idea="the three matmuls of wide linear layers in int8",
        source="Dettmers et al., 2022, arXiv:2208.07339; Xi et al., 2024, arXiv:2403.12422",
        treats=("precision_unused", "low_compute_efficiency"),
        needs=("a CPU with AVX512-VNNI", "linear layers of a few hundred features"),
        exploits=("int8 matmul",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse GPUs, CPUs without int8 instructions, and models without a layer that qualifies."""
        if not recipe.device.is_host:
            return f"the run is on {recipe.device}, but this technique is for CPUs"
        reason = unsupported()
        if reason is not None:
            return reason
        try:
            choose(recipe.subject.model(), min_features=self.min_features)
        except Refused as refusal:
            return str(refusal).rstrip(".")
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Convert the layers before training and back after it."""
        return recipe.with_surgery(partial(to_int8, min_features=self.min_features), undo=from_int8)

    def effect(self, seen: Seen) -> str | None:
        """Expect a product in int8."""
        return any_call(seen, "an int8 product", Int8Product.__name__)
