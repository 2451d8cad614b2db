"""Let attention layers use torch's fused attention where the model has no use for the weights.

What it does
    `nn.MultiheadAttention` returns its attention weights unless told otherwise, and for that computes attention by
    separate operations. Where the model does not use the weights, it is told not to, and takes the fused kernel.

Why it helps
    The fused kernel never writes the matrix of scores, (length x length) for each head: less memory, and 1.4 to 2.4
    times as fast forward and backward on a CPU.

When it hurts
    For sequences of a few positions the kernel is no faster than the products.

Numerics
    The same mathematics, summed in another order.

Known problems
    Attention that a person wrote out with softmax and products is not recognised: call
    `F.scaled_dot_product_attention` there. Whether the weights are used is tried out on one sample.

Source
    Dao et al., 2022, arXiv:2205.14135 (FlashAttention); torch.nn.functional.scaled_dot_product_attention.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.datasets import Batch
from hasten.techniques.blocks import Forward, unwrap_forward, wrap_forward
from hasten.training.inspection import example_model
from hasten.training.recipe import Recipe, Surgery

NEED_WEIGHTS = 4
"""Place of the argument `need_weights` of nn.MultiheadAttention, after query, key, value and key_padding_mask."""


def without_weights(layer: nn.Module, forward: Forward) -> Forward:
    """Return the layer's forward pass with the weights left out: (output, None)."""

    def attend(self: nn.Module, *args: Any, **options: Any) -> Any:
        if len(args) > NEED_WEIGHTS:
            args = (*args[:NEED_WEIGHTS], False, *args[NEED_WEIGHTS + 1 :])
            return forward(self, *args, **options)
        return forward(self, *args, **{**options, "need_weights": False})

    return attend


def leave_weights_out(model: nn.Module) -> nn.Module:
    """Let every multi-head attention of the model take the fused kernel, in place."""
    for module in list(model.modules()):
        if isinstance(module, nn.MultiheadAttention):
            wrap_forward(module, without_weights)
    return model


def weights_made(model: nn.Module, batch: Batch, recipe: Recipe) -> tuple[Any, int]:
    """Return the model's output and how many times attention weights were made for it."""
    made: list[Tensor] = []

    def note(module: nn.Module, args: Any, output: Any) -> None:
        if output[1] is not None:
            made.append(output[1])

    hooks = [one.register_forward_hook(note) for one in model.modules() if isinstance(one, nn.MultiheadAttention)]
    try:
        return recipe.forward.predict(model, batch), len(made)
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class Sdpa:
    """Let attention layers use torch's fused attention."""

    card: ClassVar[Card] = Card(
        name="sdpa",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="let attention layers use torch's fused attention",
        source="Dao et al., 2022, arXiv:2205.14135",
        treats=("attention_unfused", "near_memory_limit"),
        needs=("nn.MultiheadAttention whose weights the model does not use",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without such a layer, and those that use the attention weights."""
        model = example_model(recipe)
        if not any(isinstance(module, nn.MultiheadAttention) for module in model.modules()):
            return "the model has no nn.MultiheadAttention (attention written by hand is not recognised)"
        sample = tuple(torch.as_tensor(column).unsqueeze(0) for column in recipe.task.data.train[0])
        for prepare in recipe.input.prepare:
            sample = prepare(sample)
        # Dropout is off, but not by eval(), in which torch's own encoder layers take another way.
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
        with preserved():
            plain, made = weights_made(model, sample, recipe)
            if not made:
                return "no attention layer makes its weights: they take the fused kernel already"
            try:
                fused, _ = weights_made(leave_weights_out(model), sample, recipe)
            except (TypeError, AttributeError, RuntimeError) as error:
                return f"the model uses the attention weights ({str(error).splitlines()[0]})"
        if not torch.allclose(plain, fused, rtol=1e-3, atol=1e-4):
            return "the model uses the attention weights: its output differs without them"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Tell the layers before training, and take it back after it."""
        surgery = Surgery(leave_weights_out, undo=partial(unwrap_forward, around=without_weights))
        return replace(recipe, model=(*recipe.model, surgery))
