"""What the graphs of the first losses tell of the forward pass: views, softmaxes, hidden layers, penalties."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import prod
from typing import Any
from weakref import ref

import msgspec
from torch import Tensor, nn, optim

from hasten.base.records.wiring import Structure
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import dropped, name_of, nodes, shape_of, signed
from hasten.diagnosis.wiring.all_pairs import all_pairs
from hasten.diagnosis.wiring.beside import Beside
from hasten.diagnosis.wiring.cancelled import alike, cancelled
from hasten.diagnosis.wiring.dropouts import kept_by_dropout
from hasten.diagnosis.wiring.early_mean import mean_within
from hasten.diagnosis.wiring.flags import flags_for_indices
from hasten.diagnosis.wiring.hidden import narrowest, norm_numbers, softmax_between
from hasten.diagnosis.wiring.latent import Latent, latent
from hasten.diagnosis.wiring.layers import PRODUCTS, weight_of
from hasten.diagnosis.wiring.only_read import is_only_read
from hasten.diagnosis.wiring.penalty import penalty_share
from hasten.diagnosis.wiring.severed import (
    adds_a_constant,
    bootstraps,
    bootstraps_in_time,
    is_weight,
    reaches_parameters,
    step_function,
)

PASSES = 2
"""Backward passes of a training that are looked at."""
TRAININGS = 4
"""Optimizers whose first backward passes are."""
_VIEWS = ("View", "UnsafeView", "ReshapeAlias")
# fmt: off
_LINEAR = frozenset((
    *PRODUCTS, *_VIEWS, "T", "Transpose", "Permute", "Clone", "Squeeze", "Unsqueeze", "Slice", "Select", "Alias",
    "Expand", "ToCopy", "Cat", "Stack", "Add", "Sub", "Mean", "Sum", "AvgPool2D", "MeanDim", "AdaptiveAvgPool2D",
))
# fmt: on
"""What keeps a sum of inputs a sum of outputs, but for a constant."""
# fmt: off
_KEEPS_CHANNELS = frozenset((
    "Squeeze", "Clone", "ToCopy", "Relu", "LeakyRelu", "Gelu", "Sigmoid", "Tanh", "Softmax", "LogSoftmax",
    "NativeBatchNorm", "CudnnBatchNorm",
))
# fmt: on
"""What may come after a convolution without moving its channels."""


class StructureCollector(Collector):
    """Reads the graphs of the first losses, one node after the other."""

    def __init__(self) -> None:
        self._passes = 0  # since the newest training began
        self._optimizers: list[ref[optim.Optimizer]] = []
        self._constants = Counter[str]()  # loss function that got nothing with a gradient -> losses that add a constant
        self._seen: Structure | None = None
        self._latent: Latent | None = None  # as it was in the last loss that was looked at
        self._without = ""  # loss function that got nothing with a gradient since the last backward pass
        self._beside = Beside()
        self._taken = False  # gradients of a model were computed since the last backward pass, without their graph

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: the first backward passes are in the steps that others need."""
        return NEVER

    def call_ended(self, call: Call, output: Any) -> None:
        """Note what a model returned."""
        if call.grad and self._passes < PASSES:
            self._beside.add(call.module, output)

    def made_inside(self, module: nn.Module, output: Any) -> None:
        """Note what a part of a model returned."""
        if self._passes < PASSES:
            self._beside.add(module, output)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Read the graph."""
        if self._latent is not None or not self._passes:
            self._latent = latent(losses) or self._latent
        if self._passes >= PASSES:
            return
        self._passes += 1
        found = msgspec.structs.replace(structure(losses), dropped=self._beside.dropped(losses))
        self._beside.clear()
        if self._taken and adds_a_constant(losses):
            found = msgspec.structs.replace(found, severed="autograd.grad()")
        elif self._without and adds_a_constant(losses):
            self._constants[self._without] += 1
        self._taken, self._without = False, ""
        self._seen = found if self._seen is None else _both(self._seen, found)

    def gradient_taken(self, outputs: Sequence[Tensor], inputs: Sequence[Tensor], graph: bool) -> None:
        """Note gradients of a model by its inputs from which no loss can be made."""
        if self._passes < PASSES and not graph and not any(map(is_weight, inputs)):
            self._taken = self._taken or reaches_parameters(outputs)

    def loss_without_gradient(self, name: str) -> None:
        """Note a term that may be added to the loss."""
        if self._passes < PASSES and not is_only_read(name):
            self._without = name

    def structure(self) -> Structure | None:
        """Return what was read; None where there was no backward pass."""
        constant = next((name for name, seen in self._constants.items() if seen >= PASSES), "")
        if self._seen is None:
            return None
        seen = self._latent
        return msgspec.structs.replace(
            self._seen,
            constant=constant,
            latent_weight=None if seen is None else seen.weight,
            latent_divergence=None if seen is None else seen.divergence,
            latent_unbounded=seen is not None and seen.unbounded,
        )

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Look at the graphs again where another training begins, as of a student after its teacher."""
        if len(self._optimizers) < TRAININGS and not any(one() is optimizer for one in self._optimizers):
            self._passes = 0 if self._optimizers else self._passes
            self._optimizers.append(ref(optimizer))


def structure(losses: Sequence[Tensor]) -> Structure:
    """Return what the graph behind losses tells. Cost: a walk over the whole graph."""
    behind = [node for node, _ in nodes(losses)]
    scrambled = next((one for one in map(_scrambled_by, behind) if one is not None), None)
    return Structure(
        scrambled=scrambled,
        softmax=next((shape for node in behind if (shape := _wrong_softmax(node)) is not None), None),
        affine=_affine_layers(behind),
        severed=step_function(behind),
        bootstraps=bootstraps(behind),
        bootstraps_in_time=bootstraps_in_time(behind),
        cancelled=cancelled(behind),
        alike=alike(behind),
        flags=flags_for_indices(behind),
        softmax_between=softmax_between(behind),
        narrow=narrowest(behind),
        norm_numbers=norm_numbers(behind),
        penalty=penalty_share(losses),
        keeps=kept_by_dropout(losses),
        pairs=all_pairs(losses),
        early=mean_within(losses),
    )


def _both(one: Structure, other: Structure) -> Structure:
    """Return what either tells; of what both tell, the first, and for batch norms the larger batch."""
    return Structure(
        scrambled=one.scrambled or other.scrambled,
        softmax=one.softmax or other.softmax,
        affine=max(one.affine, other.affine),
        severed=one.severed or other.severed,
        early=one.early or other.early,
        bootstraps=one.bootstraps or other.bootstraps,
        bootstraps_in_time=one.bootstraps_in_time or other.bootstraps_in_time,
        cancelled=one.cancelled or other.cancelled,
        alike=one.alike or other.alike,
        flags=one.flags or other.flags,
        softmax_between=one.softmax_between or other.softmax_between,
        narrow=one.narrow or other.narrow,
        norm_numbers=max((each.norm_numbers for each in (one, other) if each.norm_numbers), default=None),
        penalty=other.penalty if one.penalty is None else one.penalty,
        keeps=min(one.keeps, other.keeps),
        pairs=one.pairs or other.pairs,
        dropped=one.dropped or other.dropped,
    )


def _scrambled_by(node: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the shapes before and after a view that should have moved a dimension; None for any other node.

    A view of a parameter does no harm: its numbers are learned where they are.
    """
    below = node.next_functions[0][0] if name_of(node) in _VIEWS and node.next_functions else None
    if below is None or hasattr(below, "variable"):
        return None
    before = tuple(int(size) for size in getattr(node, "_saved_self_sym_sizes", ()))
    after = shape_of(node)
    if moves_numbers(before, after) or joins_others(before, after):
        return before, after
    return (before, after) if takes_places_for_channels(before, after) and _gives_channels(below) else None


def moves_numbers(before: Sequence[int], after: Sequence[int]) -> bool:
    """Return whether a view gives the sizes of a transposed tensor, perhaps with one dimension split into two.

    A view reads the numbers in their old order, so that those of one row come to lie in others.
    """
    one, two = ([size for size in shape if size > 1] for shape in (before, after))
    if sorted(one) == sorted(two):
        return one != two
    if len(one) < 3 or len(two) != len(one) + 1 or one[0] != two[0] or prod(one) != prod(two):
        return False
    straight = ([*one[:at], low, size // low, *one[at + 1 :]] for at, size in enumerate(one) for low in _divisors(size))
    found = [shape for shape in straight if sorted(shape) == sorted(two)]
    return bool(found) and two not in found and not _refines(one, two)


def joins_others(before: Sequence[int], after: Sequence[int]) -> bool:
    """Return whether a view of (batch, channels, length, width) gives (batch, length, channels x width).

    The dimension that is taken out of the middle neither divides the one before it nor is a multiple of it: such a view
    may be meant to group channels.
    """
    one, two = ([size for size in shape if size > 1] for shape in (before, after))
    if len(one) != 4 or len(two) != 3 or one[0] != two[0] or prod(one) != prod(two):
        return False
    channels, length = one[1:3]
    return two[1] == length and length % channels != 0 and channels % length != 0


def takes_places_for_channels(before: Sequence[int], after: Sequence[int]) -> bool:
    """Return whether a view of (batch, channels, places) gives (batch x places, channels), without a transpose."""
    if len(before) < 3 or len(after) != 2:
        return False
    channels, places = before[1], prod(before[2:])
    rows = (before[0] * places, channels)
    return tuple(after) == rows and channels > 1 and channels not in (places, before[-1]) and places > 1


def _gives_channels(node: Any) -> bool:
    """Return whether the second dimension of what a node gives holds channels: those of a convolution."""
    while node is not None and name_of(node) in _KEEPS_CHANNELS:
        node = node.next_functions[0][0]
    return node is not None and name_of(node) == "Convolution"


def _refines(one: list[int], two: list[int]) -> bool:
    """Return whether each dimension only splits, or joins its neighbors: all borders of rows stay borders."""
    borders = {prod(two[:at]) for at in range(len(two) + 1)}
    return all(prod(one[:at]) in borders for at in range(len(one) + 1))


def _divisors(size: int) -> list[int]:
    return [low for low in range(2, size) if size % low == 0]


def _wrong_softmax(node: Any) -> tuple[int, ...] | None:
    """Return the shape of weights that a product sums over another dimension than their softmax does."""
    if name_of(node) != "Bmm":
        return None
    for place, last in ((0, True), (1, False)):
        found, turned = _softmax_below(node.next_functions[place][0])
        if found is None:
            continue
        shape = shape_of(found)
        dim = signed(found._saved_dim) % len(shape)
        if len(shape) >= 3 and dim != len(shape) - (1 if last is not turned else 2):
            return shape
    return None


def _softmax_below(node: Any) -> tuple[Any, bool]:
    """Return the softmax whose result comes here, and whether its last two dimensions are exchanged on the way."""
    turned = False
    for _ in range(10):
        if node is None:
            return None, False
        name = name_of(node)
        if name == "Softmax":
            return node, turned
        if name == "Transpose":
            rank = len(shape_of(node))
            places = {signed(node._saved_dim0) % rank, signed(node._saved_dim1) % rank}
            if places != {rank - 1, rank - 2}:
                return None, False
            turned = not turned
        elif name in _VIEWS:
            if tuple(node._saved_self_sym_sizes[-2:]) != shape_of(node)[-2:]:
                return None, False
        elif name not in ("Expand", "Clone", "ToCopy") and not dropped(node):
            return None, False
        node = next((one for one, _ in node.next_functions if one is not None), None)
    return None, False


def _affine_layers(behind: Sequence[Any]) -> int:
    """Return the layers before the loss if nothing nonlinear is among them and none is a bottleneck, else 0."""
    top = next((node for node in behind if name_of(node) in PRODUCTS and weight_of(node) is not None), None)
    if top is None:
        return 0
    layers, waiting, seen = [top], [top], {top}
    while waiting:
        node = waiting.pop()
        for following, _ in node.next_functions:
            if following is None or following in seen or hasattr(following, "variable"):
                continue
            if not _is_linear(following):
                return 0
            seen.add(following)
            waiting.append(following)
            if name_of(following) in PRODUCTS and weight_of(following) is not None:
                layers.append(following)
    narrow = any(_narrows(one, other) for one, other in combinations(layers[::-1], 2))
    return 0 if narrow else len(layers)


def _narrows(one: Any, later: Any) -> bool:
    """Return whether a layer gives less than it takes and than a later one gives: of a picture all of its places."""
    if (name_of(one) == "Convolution") is (name_of(later) == "Convolution"):
        return _hidden(one) < min(_hidden(later), _inputs(one))
    return prod(shape_of(one)[1:]) < min(prod(shape_of(later)[1:]), _inputs(one))


def _is_linear(node: Any) -> bool:
    alone = sum(one is not None for one, _ in node.next_functions) == 1
    return name_of(node) in _LINEAR or (name_of(node) in ("Mul", "Div", "NativeDropout") and alone)


def _hidden(node: Any) -> int:
    """Return how many numbers a layer gives for each position."""
    shape = shape_of(node)
    return shape[1] if name_of(node) == "Convolution" else shape[-1]


def _inputs(node: Any) -> int:
    """Return how many numbers a layer takes for each of those."""
    weight = weight_of(node)
    return 0 if weight is None else weight.numel() // max(1, _hidden(node))
