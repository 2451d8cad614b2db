"""The gate of PRECISION: small gradient errors, without bias, along a branch of training that ends as well.

The baseline trains for a short branch. At 16 of its states the candidate computes the gradient of the same batch. Then
the candidate trains over the same branch, and must move every layer as the baseline does and end with its loss.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from hasten.base.errors import HastenError
from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee
from hasten.base.units import percent
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.tuning.branch import Branch, Measured, branch, harm, moved_since, twins
from hasten.tuning.layer_names import layer_names
from hasten.tuning.reference_step import (
    NoReference,
    State,
    common_start,
    gradients_of,
    put,
    real_numbers,
    same_batches,
    step_with_gradients,
    without_dropout,
)
from hasten.tuning.tolerances import (
    BRANCH_STEPS,
    ERROR_OF_A_LAYER,
    ERROR_SHARE,
    HUGE,
    LEAST_LAYER,
    PRECISION_BATCHES,
    PROGRESS_LOST,
    SETTLING_STEPS,
    bounded,
)


@dataclass(frozen=True)
class GradientError:
    """How large the gradient error of a layer is over K batches, as norms over all its parameters."""

    name: str
    gradient: float  # root mean square over the batches: mean gradient and minibatch noise together
    error: float  # the same of the error
    mean_gradient: float  # of the mean over the batches
    mean_error: float
    along: float  # inner product of mean error and mean gradient


def precision_gate(candidate: Recipe, recipe: Recipe, state: State) -> Gate:
    """Judge a candidate on a branch of the baseline: its gradient errors, then its own training over that branch."""
    plain, other = build(without_dropout(recipe)), build(without_dropout(candidate))
    state = common_start(other, state)
    if other.scale is not None:
        branch(other, state, steps=SETTLING_STEPS)  # a loss scale starts too large and adapts
    try:
        layers, baseline = compare_gradients(plain, other, state)
    except OtherGradients as error:
        return Gate(guarantee=Guarantee.PRECISION, passed=False, measured=HUGE, bound=0, detail=str(error))
    found = gradient_checks(layers)
    if all(measured <= bound for measured, bound, _ in found):
        found += harm(branch(other, state), baseline, lambda: twins(plain, state))
    failed = [one for one in found if not one[0] <= one[1]]
    measured, bound, detail = failed[0] if failed else max(found, key=lambda one: one[0] / one[1])
    if not failed:
        detail = "; ".join(text for _, _, text in found)
    return Gate(
        guarantee=Guarantee.PRECISION, passed=not failed, measured=bounded(measured), bound=bound, detail=detail
    )


def compare_gradients(plain: Session, other: Session, state: State) -> tuple[list[GradientError], Branch]:
    """Return the gradient error of every layer (module with own parameters) along a branch, and that branch.

    Errors that come from the rounding of the weights are the same at one state and differ between states, as the
    weights move; along a branch only what remains in training adds up.
    """
    put(plain, state)
    put(other, state)
    sums: dict[str, Sums] = {}
    losses: list[float] = []
    batches, others = same_batches(plain), same_batches(other)
    for number in range(BRANCH_STEPS):
        batch, same = next(batches), next(others)
        if number % (BRANCH_STEPS // PRECISION_BATCHES):
            losses.append(step_with_gradients(plain, batch, seed=number)[0])
            continue
        other.model.load_state_dict(plain.model.state_dict())
        _, rough = gradients_of(other, same, seed=number)
        loss, exact = step_with_gradients(plain, batch, seed=number)
        losses.append(loss)
        if exact.keys() != rough.keys():
            raise OtherGradients(_difference(exact, rough))
        for name in exact:
            sums.setdefault(name.rpartition(".")[0], Sums()).add(name, exact[name], rough[name])
    names = layer_names(plain.model)
    layers = [one.summary(names[name]) for name, one in sums.items()]
    return layers, Branch(np.array(losses), moved_since(plain, state), names)


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
        exact = real_numbers(exact).float()
        error = real_numbers(rough).float() - exact
        self.gradient_squares += float(exact.square().sum())
        self.error_squares += float(error.square().sum())
        self.gradients[name] = self.gradients[name] + exact if name in self.gradients else exact
        self.errors[name] = self.errors[name] + error if name in self.errors else error
        self.counts[name] = self.counts.get(name, 0) + 1

    def summary(self, name: str) -> GradientError:
        """Return the norms over all parameters of the layer."""
        count = max(self.counts.values())
        along = sum(float((self.errors[one] * value).sum()) for one, value in self.gradients.items())
        return GradientError(
            name=name,
            gradient=math.sqrt(self.gradient_squares / count),
            error=math.sqrt(self.error_squares / count),
            mean_gradient=_norm(float(value.norm()) for value in self.gradients.values()) / count,
            mean_error=_norm(float(value.norm()) for value in self.errors.values()) / count,
            along=along / count**2,
        )


def gradient_checks(layers: list[GradientError]) -> list[Measured]:
    """Return what was measured of the worst layer and of the whole model, beside what it may be.

    Raises:
        NoReference: if there is no gradient, or if it is zero.
    """
    whole = GradientError(
        name="the model",
        gradient=_norm(one.gradient for one in layers),
        error=_norm(one.error for one in layers),
        mean_gradient=_norm(one.mean_gradient for one in layers),
        mean_error=_norm(one.mean_error for one in layers),
        along=sum(one.along for one in layers),
    )
    if not whole.mean_gradient > 0:
        raise NoReference("the gradient is missing, zero or not finite, so no error can be compared with it")
    lost = whole.along / whole.mean_gradient**2
    text = f"the mean gradient is {percent(abs(lost))} too {'small' if lost < 0 else 'large'} along itself"
    by_layer = [found for layer in layers for found in _errors(layer, whole, ERROR_OF_A_LAYER)]
    return [
        max(by_layer, key=lambda one: bounded(one[0])),
        *_errors(whole, whole, ERROR_SHARE),
        (abs(lost), PROGRESS_LOST, text),
    ]


def _errors(layer: GradientError, whole: GradientError, bound: float) -> list[Measured]:
    """Judge the error of a single batch and that of the mean over all, each against the gradient that it adds to."""
    single = layer.error / math.hypot(layer.gradient, LEAST_LAYER * whole.gradient)
    mean = layer.mean_error / math.hypot(layer.mean_gradient, LEAST_LAYER * whole.mean_gradient)
    return [
        (single, bound, f"a batch's gradient of {layer.name} is off by {percent(single)}"),
        (mean, bound, f"the mean gradient of {layer.name} over {PRECISION_BATCHES} steps is off by {percent(mean)}"),
    ]


def _norm(values: Iterable[float]) -> float:
    return math.hypot(*values)
