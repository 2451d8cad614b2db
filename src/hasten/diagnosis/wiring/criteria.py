"""What the losses of the first backward passes compare, and how large they are against a constant guess."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.records.wiring import Criterion
from hasten.base.units import finite
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import Term, beyond_shapes, dropped, name_of, nodes, terms
from hasten.diagnosis.wiring.layers import PRODUCTS
from hasten.diagnosis.wiring.parameters import ParameterCollector
from hasten.diagnosis.wiring.scale import factor
from hasten.measurement.tensors import tensors_in

PASSES = 2
"""Backward passes that are looked at."""
DOUBTS = 10
"""Further ones, where the targets seem to be the model's own outputs."""
_LOGITS, _NEAR = ("BinaryCrossEntropyWithLogits", "LogSoftmax"), 6
_ON_PRODUCTS = ("Sum", "Neg", "Pow", "Sqrt")
_OF_TWO = ("Mul", "Mm", "Bmm", "Cdist", "EuclideanDist")
_MEANS = frozenset(("Mean", "Sum", "Neg", "View", "Squeeze", "Unsqueeze", "ReshapeAlias", "ToCopy"))
_PRODUCTS = frozenset(("Mm", "Addmm", "Bmm", "Linear"))
_PARTS = frozenset(("T", "Transpose", "Permute", "Slice", "View", "UnsafeView", "Expand", "ToCopy"))
"""What a weight passes on its way into a product: also a slice, as of all tokens but the one for masks."""


class CriterionCollector(Collector):
    """Reads the graphs of the first losses."""

    def __init__(self, parameters: ParameterCollector) -> None:
        self._parameters = parameters
        self._passes = self._doubts = 0
        self._outputs: set[int] = set()  # numbers of the nodes that made outputs of several units
        self._criteria: list[Criterion] = []

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: the first backward passes are in the steps that others need."""
        return NEVER

    def call_ended(self, call: Call, output: Any) -> None:
        """Note the nodes of the outputs."""
        if call.grad and self._passes < PASSES:
            self._outputs |= {
                one.grad_fn._sequence_nr()
                for one in tensors_in(output)
                if one.grad_fn is not None and one.ndim > 1 and one.shape[1] > 1
            }

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Read the criteria behind the losses."""
        if self._passes >= PASSES:
            self._doubt(losses)
            return
        self._passes += 1
        tied = self._tied(losses)
        drops = max((dropped(node) for node, _ in nodes(losses)), default=0.0)
        normalized = _is_normalized(losses)
        paired = _is_paired(losses)
        self._criteria += [_criterion(one, tied, drops, normalized, paired) for one in terms(losses)]
        if any(self._is_mean_of_outputs(loss) for loss in losses):
            self._criteria.append(Criterion(kind="mean", no_target=True))

    def _doubt(self, losses: Sequence[Tensor]) -> None:
        """Take back that targets are the model's own where they are not later: a batch of one class may agree."""
        if self._doubts >= DOUBTS or not any(one.own_target for one in self._criteria):
            return
        self._doubts += 1
        if not any(map(_is_own_target, terms(losses))):
            self._criteria = [msgspec.structs.replace(one, own_target=False) for one in self._criteria]

    def criteria(self) -> tuple[Criterion, ...]:
        """Return what was read."""
        return tuple(self._criteria)

    def _is_mean_of_outputs(self, loss: Tensor) -> bool:
        """Return whether a loss is only a mean or a sum of what a model gave, perhaps times a number."""
        node = loss.grad_fn
        while node is not None:
            if node._sequence_nr() in self._outputs:
                return node is not loss.grad_fn
            if name_of(node) not in _MEANS and factor(node) is None:
                return False
            node = next((one for one, _ in node.next_functions if one is not None), None)
        return False

    def _tied(self, losses: Sequence[Tensor]) -> bool:
        """Return whether the weight of an embedding is also a factor of a product, as in a tied last layer."""
        embeddings = {
            id(one.weight)
            for model in self._parameters.models
            for one in model.modules()
            if isinstance(one, nn.Embedding)
        }
        return bool(embeddings) and any(
            name_of(node) in _PRODUCTS and _leaf_behind(below) in embeddings
            for node, _ in nodes(losses)
            for below, _ in node.next_functions
        )


def _leaf_behind(node: Any) -> int | None:
    """Return the identity of the leaf of which a node is a part, or a transpose; None where it is of none."""
    while node is not None and name_of(node) in _PARTS:
        node = node.next_functions[0][0]
    leaf = getattr(node, "variable", None)
    return None if leaf is None else id(leaf)


def _is_normalized(losses: Sequence[Tensor]) -> bool:
    """Return whether the weight of the last product is divided, as by its length: then its scale does not matter."""
    last = next((node for node, _ in nodes(losses) if name_of(node) in PRODUCTS), None)
    if last is None:
        return False
    place = PRODUCTS[name_of(last)][1]
    below = last.next_functions[place][0] if place < len(last.next_functions) else None
    while below is not None and name_of(below) in ("T", "Transpose"):
        below = below.next_functions[0][0]
    return below is not None and name_of(below) == "Div"


def _is_paired(losses: Sequence[Tensor]) -> bool:
    """Return whether logits are products or distances of two outputs, whose scale no last layer sets."""
    node = next((node for node, _ in nodes(losses) if name_of(node) in _LOGITS), None)
    squared = False
    for _ in range(_NEAR):
        squared = node is not None and name_of(node) == "Pow"
        below = [] if node is None else [one for one, _ in node.next_functions if one is not None]
        node = beyond_shapes(below[0]) if below else None
        if node is None or not (name_of(node) in _ON_PRODUCTS or factor(node) is not None):
            break
    if node is None or not (name_of(node) in _OF_TWO or (squared and name_of(node) == "Sub")):
        return False
    sides = [beyond_shapes(one) for one, _ in node.next_functions]
    return all(one is not None and not hasattr(one, "variable") for one in sides)


def _criterion(term: Term, tied: bool, drops: float, normalized: bool, paired: bool) -> Criterion:
    loss, chance = _loss(term)
    return Criterion(
        kind=term.kind,
        loss=loss,
        chance=chance,
        outputs=_size(term.output),
        targets=_size(term.target),
        own_target=_is_own_target(term),
        tied=tied,
        normalized=normalized,
        paired=paired,
        dropped=term.fed_by == "dropout",
        drops=drops,
    )


def _is_own_target(term: Term) -> bool:
    """Return whether the targets are the outputs, or the classes that they prefer."""
    output, target = term.output, term.target
    if term.difference is not None:
        return not bool(torch.any(term.difference))
    if output is None or target is None:
        return False
    if term.kind == "cross_entropy" and not target.is_floating_point():
        preferred = output.argmax(term.dim)
        kept = target != term.ignored if term.ignored is not None else torch.ones_like(target, dtype=torch.bool)
        in_batch = output.shape[term.dim] == target.numel()  # the classes are the samples, as in a contrastive loss
        agrees = target.shape == preferred.shape and bool((target == preferred)[kept].all())
        return agrees and target.numel() >= 8 and not in_batch
    return output.shape == target.shape and torch.equal(output, target)


def _loss(term: Term) -> tuple[float | None, float | None]:
    """Return the mean loss of a sample and that of a constant guess, where all classes are as frequent."""
    output, target = term.output, term.target
    if output is None or target is None or not output.numel():
        return None, None
    if term.kind == "cross_entropy" and not target.is_floating_point():
        classes = output.shape[term.dim]
        labels = output.movedim(term.dim, -1).reshape(-1, classes)
        chosen = target.reshape(-1)
        kept = (chosen >= 0) & (chosen < classes)
        if len(chosen) != len(labels) or not bool(kept.any()):
            return None, None
        loss = -labels[kept].gather(1, chosen[kept].long()[:, None]).float().mean()
        return finite(float(loss)), math.log(classes)
    if term.kind == "bce_logits" and output.shape == target.shape:
        return finite(float(F.binary_cross_entropy_with_logits(output.float(), target.float()))), math.log(2)
    return None, None


def _size(tensor: Tensor | None) -> float | None:
    """Return the root mean square; None where it is not known or not finite."""
    if tensor is None or not tensor.is_floating_point() or not tensor.numel():
        return None
    return finite(float(tensor.float().square().mean().sqrt()))
