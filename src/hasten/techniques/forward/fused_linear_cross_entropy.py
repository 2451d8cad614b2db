"""Compute the output layer and the cross-entropy together, in chunks, without ever holding all scores.

What it does
    In training the last linear layer hands its input on, and the loss computes scores, loss and gradient for
    `chunk` rows at a time. Validation sees scores as before.

Why it helps
    With many classes (a vocabulary) the scores and their gradient are the largest tensors of a step: rows x classes
    numbers, several times over. In chunks they stay in the cache and are never written to memory.

When it hurts
    With few classes there is nothing to save, and the chunks cost calls. Where the loss is computed without gradients
    it does nothing.

Numerics
    The same mathematics; the weight's gradient is summed chunk by chunk.

Known problems
    The gradients are made in the forward pass, so the loss cannot be differentiated twice. The core function
    `F.linear_cross_entropy` (torch 2.13) does the same; it is not used because it ignores autocast and torch 2.11
    lacks it. FSDP frees the weight of the output layer before the loss would use it.

Source
    Wijmans et al., 2024, arXiv:2411.09009 (Cut Cross-Entropy, without its filtering of gradients); Hsu et al., 2024,
    arXiv:2410.10989 (Liger).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import Batch, target_of
from hasten.techniques.blocks import Forward, unwrap_forward, wrap_forward
from hasten.training.loss import Count, CrossEntropy, Loss
from hasten.training.recipe import Recipe

LEAST_CLASSES = 256
"""Below it the scores are small beside the rest."""


class Unscored(NamedTuple):
    """What scores are computed from: input of the last layer, (..., width), its weight and its bias."""

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of the cross-entropies of hidden @ weight.T + bias, (rows, width) x (classes, width); gradients made too."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, ignored: int, chunk: int
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        total = total.to(torch.promote_types(hidden.dtype, torch.float32))
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight)
        grad_bias = None if bias is None else torch.zeros_like(bias)
        for start in range(0, len(hidden), chunk):
            rows, labels = hidden[start : start + chunk], target[start : start + chunk]
            scores = F.linear(rows, weight, bias)  # in autocast's format, where it is on
            logs = F.log_softmax(scores, dim=-1, dtype=total.dtype)
            total += F.nll_loss(logs, labels, reduction="sum", ignore_index=ignored)
            counts = labels != ignored
            slope = logs.exp_()
            slope[torch.arange(len(labels), device=labels.device), labels.where(counts, 0)] -= 1
            slope = slope.mul_(counts[:, None]).to(scores.dtype)
            factor = weight.to(scores.dtype)
            grad_hidden[start : start + chunk] = slope @ factor
            grad_weight += slope.t() @ rows.to(scores.dtype)
            if grad_bias is not None:
                grad_bias += slope.sum(0, dtype=grad_bias.dtype)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.saved_tensors
        slope = slopes[0]
        made = (
            hidden * slope.to(hidden.dtype),
            weight * slope.to(weight.dtype),
            None if bias is None else bias * slope,
        )
        return (*made, None, None, None)


def chunked_cross_entropy(unscored: Unscored, target: Tensor, *, ignore_index: int, chunk: int) -> Tensor:
    """Return the summed cross-entropy of the scores that `unscored` stands for.

    Args:
        unscored: hidden (..., width), weight (classes, width), bias (classes,) or None.
        target: (...) int64, of the shape of hidden without its last dimension.
        ignore_index: label that counts for nothing.
        chunk: rows whose scores are held at a time.
    """
    hidden = unscored.hidden.flatten(0, -2)
    # apply() is untyped in torch.
    result: Any = _ChunkedCrossEntropy.apply(
        hidden, unscored.weight, unscored.bias, target.flatten(), ignore_index, chunk
    )
    return result


@dataclass(frozen=True)
class FusedCrossEntropy:
    """The task's cross-entropy, from scores or from what they are computed from."""

    plain: CrossEntropy
    chunk: int

    def __call__(self, output: Any, batch: Batch) -> Loss:
        if not isinstance(output, Unscored):
            return self.plain(output, batch)
        total = chunked_cross_entropy(output, target_of(batch), ignore_index=self.plain.ignored, chunk=self.chunk)
        return Loss(total, self.count(batch))

    def count(self, batch: Batch) -> Count:
        """Return the number of labels that are not ignored."""
        return self.plain.count(batch)


def handed_on(layer: nn.Module, forward: Forward) -> Forward:
    """Return a forward pass that hands the layer's input on in training."""
    return _hand_on if torch.is_grad_enabled() else forward


def _hand_on(layer: nn.Linear, hidden: Tensor) -> Unscored:
    return Unscored(hidden, layer.weight, layer.bias)


def last_linear(model: nn.Module) -> nn.Linear | None:
    """Return the linear layer registered last, or None."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else None


def hand_on(model: nn.Module) -> nn.Module:
    """Let the model's last linear layer hand its input on in training, in place."""
    layer = last_linear(model)
    assert layer is not None, "refused without a linear layer"
    wrap_forward(layer, handed_on)
    return model


def why_not_last(recipe: Recipe) -> str | None:
    """Return why the output of the model is not that of its last linear layer, or None; runs it on one sample."""
    model = recipe.subject.fresh_model().eval()
    layer = last_linear(model)
    if layer is None:
        return "the model has no linear layer"
    if layer.out_features < LEAST_CLASSES:
        return f"{layer.out_features} classes make small scores (from {LEAST_CLASSES} on it may help)"
    made: list[Any] = []

    def note(module: nn.Module, args: Any, output: Any) -> None:
        made.append(output)

    layer.register_forward_hook(note)
    sample = recipe.subject.raw_batch(1)
    for prepare in recipe.input.batch_transforms:
        sample = prepare(sample)
    with preserved(), torch.no_grad():
        output = recipe.forward.predict(model, sample)
    if len(made) != 1 or output is not made[0]:
        return "the model's output is not just that of its last linear layer"
    if output.shape[:-1] != target_of(sample).shape:
        return f"scores {tuple(output.shape)} and target {tuple(target_of(sample).shape)} do not match row by row"
    return None


@dataclass(frozen=True)
class FusedLinearCrossEntropy:
    """Compute the output layer and the cross-entropy together, in chunks."""

    chunk: Annotated[int, Meta(ge=1, description="rows whose scores are held at a time")] = 512

    card: ClassVar[Card] = Card(
        name="fused_linear_cross_entropy",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="compute the output layer and the cross-entropy together, in chunks",
        source="Wijmans et al., 2024, arXiv:2411.09009; Hsu et al., 2024, arXiv:2410.10989",
        treats=("near_memory_limit", "memory_hog"),
        needs=("cross-entropy as the loss, of many classes", "a linear layer that makes the output"),
        conflicts=("fsdp", "fsdp_bf16", "tensor_parallel"),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse other losses, few classes, and outputs that are not just a linear layer's."""
        loss = recipe.subject.loss
        if not isinstance(loss, CrossEntropy):
            return f"the loss is not cross-entropy but {type(loss).__name__}"
        if loss.weight is not None or loss.label_smoothing:
            return "the cross-entropy has class weights or label smoothing"
        return why_not_last(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Let the last layer hand its input on, and the loss take it."""
        plain = recipe.forward.loss
        assert isinstance(plain, CrossEntropy), "refused otherwise"
        fused = recipe.with_surgery(hand_on, undo=partial(unwrap_forward, around=handed_on))
        return fused.with_forward(loss=FusedCrossEntropy(plain, self.chunk))
