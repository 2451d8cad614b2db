"""Remedies of the model: initialization, inputs, modes, and what the optimizer holds of it."""

from typing import Any

import torch
from torch import Tensor, nn, optim

from hasten.diagnosis.remedies.remedy import Intervention
from hasten.diagnosis.watching.events import Call


class _OfModel(Intervention):
    """Changes each model once, before its first forward pass in training."""

    def __init__(self) -> None:
        self._done: list[nn.Module] = []

    def call_begins(self, call: Call) -> None:
        """Change a model that was not seen before."""
        if call.training and call.grad and not any(call.module is one for one in self._done):
            self._done.append(call.module)
            self._change(call)

    def _change(self, call: Call) -> None:
        raise NotImplementedError


class Initialized(_OfModel):
    """Initializes every layer that has weights as torch does by default."""

    def _change(self, call: Call) -> None:
        for module in call.module.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()


class Standardized(_OfModel):
    """Standardizes floating inputs by mean and deviation of each feature or channel in the first batch."""

    def _change(self, call: Call) -> None:
        scales = [_scale(one) for one in call.args]
        if not any(scales):
            raise LookupError("no input of the model is a floating tensor with features")

        def standardize(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(
                (one - scale[0]) / scale[1] if scale is not None else one
                for one, scale in zip(args, scales, strict=False)
            )

        call.module.register_forward_pre_hook(standardize)


class TrainMode(Intervention):
    """Puts the model into training mode for its forward passes in training."""

    def call_begins(self, call: Call) -> None:
        """Switch the mode."""
        if call.grad:
            call.module.train()


class EvalMode(Intervention):
    """Puts the model into evaluation mode for forward passes that record no gradients."""

    def __init__(self) -> None:
        self._was: list[tuple[nn.Module, bool]] = []

    def call_begins(self, call: Call) -> None:
        """Switch the mode."""
        if not call.grad:
            self._was = [(one, one.training) for one in call.module.modules()]
            call.module.eval()

    def call_ended(self, call: Call, output: Any) -> None:
        """Put the modes back."""
        for module, training in self._was:
            module.training = training
        self._was = []


class Held(Intervention):
    """Adds the trainable parameters of the models that the first optimizer does not hold to its first group."""

    def __init__(self) -> None:
        self._models: list[nn.Module] = []
        self._added = False

    def call_begins(self, call: Call) -> None:
        """Note a model."""
        if call.training and call.grad and not any(call.module is one for one in self._models):
            self._models.append(call.module)

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Add what is missing."""
        if self._added:
            return
        self._added = True
        held = {id(one) for group in optimizer.param_groups for one in group["params"]}
        missing = [
            one
            for model in self._models
            for one in model.parameters()
            if one.requires_grad and one.grad is not None and id(one) not in held
        ]
        optimizer.param_groups[0]["params"].extend(missing)  # a further group would lack what schedules keep in each


def _scale(value: object) -> tuple[Tensor, Tensor] | None:
    """Return mean and deviation of each feature: of the last dimension of rows, of the second of images."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim < 2:
        return None
    kept = 1 if value.ndim == 4 else value.ndim - 1
    others = [dim for dim in range(value.ndim) if dim != kept]
    deviation, mean = torch.std_mean(value, dim=others, keepdim=True)
    return mean, torch.where(deviation > 0, deviation, torch.ones_like(deviation))
