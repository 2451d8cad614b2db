"""Remedies of what a model gets: inputs that are standardized, or clamped."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hasten.diagnosis.remedies.remedy import OfModel
from hasten.diagnosis.watching.events import Call


class _OfInputs(OfModel):
    """Changes every floating input with features in the same way, which the first batch decides."""

    def _change(self, call: Call) -> None:
        changes = [self.change(one) if _has_features(one) else None for one in call.args]
        if not any(changes):
            raise LookupError("no input of the model is a floating tensor with features")

        def changed(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            pairs = zip(args, changes, strict=False)
            return tuple(one if change is None else change(one) for one, change in pairs)

        call.module.register_forward_pre_hook(changed)

    def change(self, first: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the change of an input whose first batch is given."""
        raise NotImplementedError


class Standardized(_OfInputs):
    """Standardizes floating inputs by mean and deviation of each feature or channel in the first batch."""

    def change(self, first: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the change of an input whose first batch is given."""
        others = [dim for dim in range(first.ndim) if dim != _features(first)]
        deviation, mean = torch.std_mean(first, dim=others, keepdim=True)
        scale = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
        return lambda given: (given - mean) / scale


class Clamped(_OfInputs):
    """Clamps floating inputs to a range around the median of each feature or channel that a normal sample stays in.

    The range is four times as wide as nine of ten numbers of the first batch need, 6.6 standard deviations of a normal
    distribution, so that one outlier in ten does not move it. A feature that is constant in nine of ten samples has
    the range of all features.
    """

    def change(self, first: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the change of an input whose first batch is given."""
        kept = _features(first)
        rows = first.detach().movedim(kept, 0).flatten(1).double()
        middle = rows.median(1, keepdim=True).values
        far = _nine_of_ten((rows - middle).abs())
        of_all = _nine_of_ten((rows - middle).abs().reshape(1, -1))
        reach = 4 * torch.where(far > 0, far, of_all)
        shape = [-1 if dim == kept else 1 for dim in range(first.ndim)]
        low, high = ((middle + sign * reach).to(first.dtype).reshape(shape) for sign in (-1, 1))
        return lambda given: given.clamp(low, high)


def _has_features(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim >= 2


def _features(value: Tensor) -> int:
    """Return the dimension of the features: the last one of rows, the second one of images."""
    return 1 if value.ndim == 4 else value.ndim - 1


def _nine_of_ten(rows: Tensor) -> Tensor:
    """Return the number that nine of ten of each row do not exceed; `torch.quantile` takes 16 million at most."""
    return rows.kthvalue(max(1, round(0.9 * rows.shape[1])), dim=1, keepdim=True).values
