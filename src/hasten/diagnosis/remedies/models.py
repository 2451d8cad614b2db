"""Remedies of the model: initialization, activations, outputs, inputs, modes, and what the optimizer holds of it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn, optim

from hasten.diagnosis.remedies.remedy import Intervention
from hasten.diagnosis.watching.events import Call

_BOUNDED = (nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardsigmoid, nn.Softsign)
_ENDING = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.Tanh, nn.ReLU, nn.ReLU6, nn.Hardtanh)


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


class Activations(_OfModel):
    """Puts leaky ReLUs in the place of hidden activations that can die or saturate.

    Args:
        kinds: of the modules to replace.
    """

    def __init__(self, *kinds: type[nn.Module]) -> None:
        super().__init__()
        self._kinds = kinds or _BOUNDED

    def _change(self, call: Call) -> None:
        found = list(_placed(call.module, self._kinds))
        last = _last_place(call.module)
        for parent, name in found:
            if (parent, name) != last:
                setattr(parent, name, nn.LeakyReLU(0.01))
        if not any(place != last for place in found):
            raise LookupError("the model has no such activation as a module")


class WithoutOutput(_OfModel):
    """Leaves out the activation at the end of the model, so that the loss gets what its last layer computes."""

    def _change(self, call: Call) -> None:
        place = _last_place(call.module)
        if place is None or not isinstance(getattr(*place), _ENDING):
            raise LookupError("the model does not end with an activation that is a module")
        setattr(*place, nn.Identity())


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
    """Adds the trainable parameters of the models that no optimizer holds to the first optimizer."""

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
        if missing:
            optimizer.add_param_group({"params": missing})


def _placed(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[tuple[nn.Module, str]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, kinds):
                yield parent, name


def _last_place(model: nn.Module) -> tuple[nn.Module, str] | None:
    """Return where the last module without children is, in the order of registration."""
    places = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if not any(child.children())
    ]
    order = {id(module): number for number, module in enumerate(model.modules())}
    return max(places, key=lambda place: order[id(getattr(*place))], default=None)


def _scale(value: object) -> tuple[Tensor, Tensor] | None:
    """Return mean and deviation of each feature: of the last dimension of rows, of the second of images."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim < 2:
        return None
    kept = 1 if value.ndim == 4 else value.ndim - 1
    others = [dim for dim in range(value.ndim) if dim != kept]
    deviation, mean = torch.std_mean(value, dim=others, keepdim=True)
    return mean, torch.where(deviation > 0, deviation, torch.ones_like(deviation))
