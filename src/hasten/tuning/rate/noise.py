"""The gradient noise scale: up to about which batch size a larger batch saves as many updates as it is larger.

From the squared length of gradients of two batch sizes (McCandlish et al., 2018, arXiv:1812.06162, appendix A). Where
the optimizer is adaptive, lengths are those in which it takes its steps: each squared entry is divided by the square
root of the optimizer's second moment. The scale is only a prior: it grows in the course of a training, and it needs
assumptions that do not hold exactly (Merrill et al., 2025, arXiv:2505.23971).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from hasten.data.batch import Batch, size_of
from hasten.training.session import Session
from hasten.tuning.reference_step import gradients_of

PARTS = 8
"""Batches whose mean gradient is that of the large one."""
_FLOOR = 1e-8


@dataclass(frozen=True)
class Lengths:
    """Unbiased estimates of the squared length of the true gradient, and of the variance of one sample's."""

    gradient: float
    variance: float
    preconditioned: bool


def lengths(run: Session, batches: Iterable[Batch]) -> Lengths:
    """Return the estimates from at least two batches of the same size; the session's weights stay as they are."""
    total, small, sizes = dict[str, Tensor](), 0.0, list[int]()
    weights = _second_moments(run)
    for number, batch in enumerate(batches):
        _, found = gradients_of(run, batch, seed=number)
        small += _length(found, weights)
        sizes.append(size_of(batch))
        for name, one in found.items():
            total[name] = total[name] + one if name in total else one
    count, size = len(sizes), sum(sizes) / len(sizes)
    small, large = small / count, _length(total, weights) / count**2
    gradient = (count * large - small) / (count - 1)
    variance = (small - large) * size * count / (count - 1)
    return Lengths(gradient, variance, preconditioned=weights is not None)


def noise_scale(found: Iterable[Lengths]) -> float | None:
    """Return the noise scale in samples from estimates at several states; None where the gradient drowns in noise.

    Numerators and denominators are added up first: a ratio of noisy estimates is biased.
    """
    found = list(found)
    gradient, variance = sum(one.gradient for one in found), sum(one.variance for one in found)
    return max(variance, 0.0) / gradient if found and gradient > 0 else None


def _second_moments(run: Session) -> dict[str, Tensor] | None:
    """Return the second moment of each parameter's gradient, None where the optimizer keeps none."""
    found = {
        name: run.optimizer.state[parameter]["exp_avg_sq"]
        for name, parameter in run.named_parameters.items()
        if "exp_avg_sq" in run.optimizer.state.get(parameter, {})
    }
    shaped = {name: one for name, one in found.items() if one.shape == run.named_parameters[name].shape}
    return {name: one.float().sqrt() + _FLOOR for name, one in shaped.items()} or None


def _length(gradients: dict[str, Tensor], weights: dict[str, Tensor] | None) -> float:
    """Return the squared length, of the parameters that have weights where there are any."""
    with torch.no_grad():
        if weights is None:
            return sum(float(one.abs().square().sum()) for one in gradients.values())
        return sum(
            float((one.abs().square() / weights[name]).sum()) for name, one in gradients.items() if name in weights
        )
