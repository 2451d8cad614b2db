"""A short branch of training from one state, and whether a candidate's is worse than the baseline's.

Small differences can grow to large ones within a branch. Where a candidate's branch is worse, it is therefore compared
with further branches of the baseline, whose gradients have unbiased noise of the size that the gate allows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from hasten.base.units import percent
from hasten.training.session import Session
from hasten.training.transforms import Attached, GradientTransform, Parameters, Stateless
from hasten.tuning.layer_names import layer_names
from hasten.tuning.reference_step import State, make_step, put, real_numbers, same_batches
from hasten.tuning.tolerances import (
    BRANCH_LAG,
    BRANCH_MARGIN,
    BRANCH_STEPS,
    DISPLACEMENT_ERROR,
    DISPLACEMENT_ERROR_OF_A_LAYER,
    ERROR_SHARE,
    LEAST_LOSS,
    TWINS,
    bounded,
)

Measured = tuple[float, float, str]
"""What was measured, what it may be at most, and the sentence about it."""


@dataclass(frozen=True)
class Branch:
    """Losses of the steps, and by how much all steps together changed each trained parameter."""

    losses: NDArray[np.float64]
    moved: dict[str, Tensor]
    layers: dict[str, str]  # name of a layer -> the same in messages


def branch(run: Session, state: State, *, steps: int = BRANCH_STEPS) -> Branch:
    """Train from a state for so many steps."""
    put(run, state)
    batches = same_batches(run)
    losses = [make_step(run, next(batches), seed=number) for number in range(steps)]
    return Branch(np.array(losses), moved_since(run, state), layer_names(run.model))


def moved_since(run: Session, state: State) -> dict[str, Tensor]:
    """Return the change of each trained parameter since a state."""
    return {
        name: real_numbers(value.detach()).float() - real_numbers(state.model[name]).float()
        for name, value in run.named_parameters.items()
    }


def twins(run: Session, state: State) -> list[Branch]:
    """Train branches with unbiased noise in the gradients, of the size that the gate allows, another in each."""
    found: list[Branch] = []
    own = run.gradient
    for number in range(TWINS):
        run.gradient = [*own, gradient_noise(run, ERROR_SHARE, seed=number)]
        found.append(branch(run, state))
    run.gradient = own
    return found


def gradient_noise(run: Session, share: float, *, seed: int) -> Attached[GradientTransform]:
    """Return what adds unbiased noise to each gradient, so many times as long as that."""
    generator = torch.Generator(run.recipe.parallel.device).manual_seed(seed)
    return Attached(Stateless(lambda parameters: _add_noise(parameters, share, generator)))


def _add_noise(parameters: Parameters, share: float, generator: torch.Generator) -> bool:
    for parameter in parameters.values():
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
        values = parameter.grad.values() if parameter.grad.is_sparse else parameter.grad
        noise = torch.randn(values.shape, generator=generator, device=values.device, dtype=values.dtype)
        values.add_(noise * (share * values.norm() / math.sqrt(max(1, values.numel()))))
    return True


def harm(one: Branch, baseline: Branch, twins: Callable[[], list[Branch]]) -> list[Measured]:
    """Return how much worse a branch ends, and how far off its layers end, beside what each may be.

    Args:
        one: the candidate's.
        baseline: on the same batches.
        twins: trains further branches of the baseline; called only if the candidate's is not as good without them.
    """
    found = [_end(one, baseline, []), _displacement(one, baseline, [])]
    if all(measured <= bound for measured, bound, _ in found):
        return found
    others = twins()
    return [_end(one, baseline, others), _displacement(one, baseline, others)]


def _end(one: Branch, baseline: Branch, twins: list[Branch]) -> Measured:
    """Judge the losses of the second half, paired by batch."""
    steps = np.arange(len(baseline.losses))
    slope, start = np.polyfit(steps, baseline.losses, 1)
    noise = float(np.std(baseline.losses - (slope * steps + start), ddof=2))
    mean, upper = _behind(one, baseline)
    allowed = max(
        BRANCH_MARGIN * noise,
        BRANCH_LAG * len(steps) * max(0.0, -float(slope)),
        LEAST_LOSS * abs(start),
        _largest_by_chance([_behind(other, baseline)[1] for other in twins]),
    )
    text = f"after {len(steps)} steps the loss is {mean:+.2g}, at most {upper:+.2g}, of {allowed:.2g} allowed"
    return upper, allowed, text


def _behind(one: Branch, baseline: Branch) -> tuple[float, float]:
    """Return by how much the loss is higher, and the upper limit of that (95 %)."""
    half = len(baseline.losses) // 2
    behind = one.losses[half:] - baseline.losses[half:]
    mean = float(behind.mean())
    return mean, mean + 1.645 * float(behind.std(ddof=1)) / math.sqrt(len(behind))


def _largest_by_chance(values: list[float]) -> float:
    """Return what one more value of the same normal distribution stays below in 95 % of cases; 0 from none."""
    if not np.isfinite(values).all() or not values:
        return 0.0
    factor = float(stdtrit(len(values) - 1, 0.95)) * math.sqrt(1 + 1 / len(values))
    return float(np.mean(values)) + factor * float(np.std(values, ddof=1))


def displacement_of_the_model(one: Branch, baseline: Branch) -> Measured:
    """Judge how far a branch moved the model as a whole in the direction in which the baseline moved it."""
    way = _ways(one, baseline)[""]
    text = f"in {len(baseline.losses)} steps the model moves {percent(way)} of the way of the baseline"
    return abs(1 - way), DISPLACEMENT_ERROR, text


def _displacement(one: Branch, baseline: Branch, twins: list[Branch]) -> Measured:
    """Judge how far the model and each layer moved in the direction in which the baseline moved them."""
    mine, others = _ways(one, baseline), [_ways(other, baseline) for other in twins]
    found: list[Measured] = []
    for name, way in mine.items():
        bound = DISPLACEMENT_ERROR_OF_A_LAYER if name else DISPLACEMENT_ERROR
        bound = max(bound, _largest_by_chance([abs(1 - other[name]) for other in others]))
        layer = baseline.layers[name]
        text = f"in {len(baseline.losses)} steps {layer} moves {percent(way)} of the way of the baseline"
        found.append((abs(1 - way), bound, text))
    return max(found, key=lambda one: bounded(one[0]) / one[1])


def _ways(one: Branch, baseline: Branch) -> dict[str, float]:
    """Return name of a layer, "" for the model -> how far it moved along the baseline's way, 1 for as far."""
    along, length = dict[str, float](), dict[str, float]()
    for parameter, way in baseline.moved.items():
        product = float((one.moved[parameter] * way).sum()) if parameter in one.moved else 0.0
        for name in {"", parameter.rpartition(".")[0]}:
            along[name] = along.get(name, 0.0) + product
            length[name] = length.get(name, 0.0) + float(way.square().sum())
    return {name: along[name] / length[name] if length[name] > 0 else 1.0 for name in along}
