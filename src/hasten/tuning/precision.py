"""The gate of PRECISION: the gradient's error drowns in the minibatch noise, has no bias, and does no harm."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hasten.base.errors import HastenError
from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee
from hasten.base.units import percent
from hasten.training.recipe import Recipe
from hasten.training.session import Session, build
from hasten.tuning.reference_step import (
    NoReference,
    State,
    batches_from,
    endless,
    gradients_of,
    make_step,
    put,
    without_dropout,
)
from hasten.tuning.tolerances import (
    BIAS_FACTOR,
    BIAS_OF_GRADIENT,
    BRANCH_LAG,
    BRANCH_MARGIN,
    BRANCH_STEPS,
    HUGE,
    LEAST_LAYER,
    LEAST_LOSS,
    NOISE_SHARE,
    NOISE_SHARE_OF_A_LAYER,
    PRECISION_BATCHES,
    RELATIVE_ERROR,
    SETTLING_STEPS,
    bounded,
)

Measured = tuple[float, float, str]
"""What was measured, what it may be at most, and the sentence about it."""


@dataclass(frozen=True)
class LayerError:
    """How large one layer's gradient error is, as norms over all its parameters."""

    name: str
    gradient: float  # of the mean gradient
    noise: float  # sqrt(tr(Sigma) / B): the spread of the minibatch gradients
    error: float  # root mean square over the batches
    bias: float  # of the mean error
    batches: int


def precision_gate(candidate: Recipe, recipe: Recipe, state: State) -> Gate:
    """Judge a candidate at one state of the baseline: gradient error, bias, then a short branch of training."""
    plain, other = build(without_dropout(recipe)), build(without_dropout(candidate))
    if other.scale is not None:
        _losses(other, state, SETTLING_STEPS)  # a loss scale starts too large and comes down by itself
    try:
        layers = layer_errors(plain, other, state)
    except OtherGradients as error:
        return Gate(guarantee=Guarantee.PRECISION, passed=False, measured=HUGE, bound=0, detail=str(error))
    if recipe.input.batch_size >= plain.samples:
        found = [_worst([_of_itself(layer, layers) for layer in layers])]
    else:
        found = [
            _of_model(layers),
            _worst([_of_layer(layer, layers) for layer in layers]),
            _worst([_bias(layer, layers) for layer in layers]),
        ]
    if all(measured <= bound for measured, bound, _ in found):
        found.append(_branch(plain, other, state))
    measured, bound, detail = _worst(found)
    passed = measured <= bound
    if passed:
        detail = "; ".join(text for _, _, text in found)
    return Gate(guarantee=Guarantee.PRECISION, passed=passed, measured=measured, bound=bound, detail=detail)


def layer_errors(plain: Session, other: Session, state: State) -> list[LayerError]:
    """Return the gradient error of every layer (module with parameters of its own) over K batches at one state."""
    sums: dict[str, Sums] = {}
    streams = [batches_from(run, state.position, PRECISION_BATCHES) for run in (plain, other)]
    put(plain, state)
    put(other, state)
    for number, (batch, other_batch) in enumerate(zip(*streams, strict=True)):
        _, exact = gradients_of(plain, batch, seed=number)
        _, rough = gradients_of(other, other_batch, seed=number)
        if exact.keys() != rough.keys():
            raise OtherGradients(_difference(exact, rough))
        for name in exact:
            sums.setdefault(name.rpartition(".")[0], Sums()).add(name, exact[name], rough[name])
    return [one.summary(name or "the model") for name, one in sums.items()]


class OtherGradients(HastenError):  # noqa: N818
    """The candidate gives gradients to other parameters than the baseline does."""


def _difference(exact: Mapping[str, Tensor], rough: Mapping[str, Tensor]) -> str:
    missing, added = sorted(exact.keys() - rough.keys()), sorted(rough.keys() - exact.keys())
    if missing and not rough:
        raise NoReference("no gradient reaches the update, so none can be compared")
    if missing:
        return f"{len(missing)} of {len(exact)} parameters get no gradient, first {missing[0]}"
    return f"{len(added)} parameters get a gradient that the baseline does not give them, first {added[0]}"


class Sums:
    """Sums over batches of the gradient and of the error of one layer's parameters."""

    def __init__(self) -> None:
        self.gradient_squares = 0.0
        self.error_squares = 0.0
        self.gradients: dict[str, Tensor] = {}
        self.errors: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, exact: Tensor, rough: Tensor) -> None:
        """Take one batch's gradient of one parameter into account."""
        exact, error = exact.float(), rough.float() - exact.float()
        self.gradient_squares += float(exact.square().sum())
        self.error_squares += float(error.square().sum())
        self.gradients[name] = self.gradients[name] + exact if name in self.gradients else exact
        self.errors[name] = self.errors[name] + error if name in self.errors else error
        self.counts[name] = self.counts.get(name, 0) + 1

    def summary(self, name: str) -> LayerError:
        """Return the norms over all parameters of the layer."""
        count = max(self.counts.values())
        mean_squares = _squares(self.gradients) / count**2
        variance = max(0.0, self.gradient_squares - count * mean_squares) / max(1, count - 1)
        return LayerError(
            name=name,
            gradient=math.sqrt(mean_squares),
            noise=math.sqrt(variance),
            error=math.sqrt(self.error_squares / count),
            bias=math.sqrt(_squares(self.errors)) / count,
            batches=count,
        )


def _squares(tensors: dict[str, Tensor]) -> float:
    return sum(float(tensor.square().sum()) for tensor in tensors.values())


def _of_layer(layer: LayerError, layers: list[LayerError]) -> Measured:
    noise = _noise(layer, layers)
    share = layer.error / noise if noise > 0 else math.inf
    text = f"the gradient of {layer.name} is off by {percent(share)} of the minibatch noise"
    return share, NOISE_SHARE_OF_A_LAYER, text


def _of_model(layers: list[LayerError]) -> Measured:
    noise = _norm(layer.noise for layer in layers)
    share = _norm(layer.error for layer in layers) / noise if noise > 0 else math.inf
    return share, NOISE_SHARE, f"the whole gradient is off by {percent(share)} of the minibatch noise"


def _of_itself(layer: LayerError, layers: list[LayerError]) -> Measured:
    gradient = layer.gradient or _norm(one.gradient for one in layers)
    share = layer.error / gradient if gradient > 0 else math.inf
    text = f"the gradient of {layer.name} is off by {percent(share)} of itself (one batch, so there is no noise)"
    return share, RELATIVE_ERROR, text


def _bias(layer: LayerError, layers: list[LayerError]) -> Measured:
    """Judge the mean error over K batches against chance, the noise of the mean gradient, and that gradient itself.

    At one state the rounding of the weights is the same for every batch, so some of the error always remains: the
    gradient is that of weights a rounding away. It does no harm far below the noise even of the mean of K batches, nor
    as a small share of the mean gradient: descent with such a bias ends where the exact one does, slower by that share.
    """
    root = math.sqrt(layer.batches)
    signal = math.sqrt(max(0.0, layer.gradient**2 - layer.noise**2 / layer.batches))  # without what noise adds to it
    by_chance = max(BIAS_FACTOR * layer.error, NOISE_SHARE * _noise(layer, layers)) / root
    allowed = max(by_chance, BIAS_OF_GRADIENT * signal)
    share = layer.bias / allowed if allowed > 0 else 0.0
    text = f"the error of {layer.name} averages out to {percent(share)} of what an unbiased one may leave"
    return share, 1.0, text


def _noise(layer: LayerError, layers: list[LayerError]) -> float:
    return math.hypot(layer.noise, LEAST_LAYER * _norm(one.noise for one in layers))


def _norm(values: Iterable[float]) -> float:
    return math.hypot(*values)


def _worst(found: list[Measured]) -> Measured:
    """Return the one that is nearest to its bound, or furthest beyond; what is not a number is furthest of all."""
    if not found:
        raise NoReference("no gradient reaches the update, so none can be compared")
    measured, bound, text = max(found, key=lambda one: bounded(one[0]) / one[1])
    return bounded(measured), bound, text


def _branch(plain: Session, other: Session, state: State) -> Measured:
    """Train both from one state on the same data, and compare the losses of the second half."""
    losses = [_losses(run, state, BRANCH_STEPS) for run in (plain, other)]
    half = BRANCH_STEPS // 2
    steps = np.arange(BRANCH_STEPS)
    slope, start = np.polyfit(steps, losses[0], 1)
    noise = float(np.std(losses[0] - (slope * steps + start), ddof=2))
    behind = losses[1][half:] - losses[0][half:]
    upper = float(behind.mean() + 1.645 * behind.std(ddof=1) / math.sqrt(len(behind)))
    allowed = max(BRANCH_MARGIN * noise, BRANCH_LAG * BRANCH_STEPS * max(0.0, -float(slope)), LEAST_LOSS * abs(start))
    text = (
        f"after {BRANCH_STEPS} steps the loss is {behind.mean():+.2g}, at most {upper:+.2g}, of {allowed:.2g} allowed"
    )
    return upper, allowed, text


def _losses(run: Session, state: State, steps: int) -> NDArray[np.float64]:
    put(run, state)
    found: list[float] = []
    for number, batch in enumerate(endless(run)):
        found.append(make_step(run, batch, seed=number))
        if len(found) == steps:
            break
    return np.array(found)
