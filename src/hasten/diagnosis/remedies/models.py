"""Remedies of the model as a whole: its outputs, its modes, and what the optimizer holds of it."""

from typing import Any

from torch import Tensor, nn, optim

from hasten.diagnosis.remedies.remedy import Intervention, OfModel
from hasten.diagnosis.watching.events import Call


class SmallerOutputs(OfModel):
    """Divides what the model returns by the size (root mean square) that it has in the first batch."""

    def _change(self, call: Call) -> None:
        size: list[Tensor] = []

        def divide(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if not isinstance(output, Tensor):
                return output
            if not size:
                size.append(output.detach().square().mean().sqrt())
            return output / size[0]

        call.module.register_forward_hook(divide)

    def call_ended(self, call: Call, output: Any) -> None:
        """Say where nothing was divided."""
        if not isinstance(output, Tensor):
            raise LookupError("the model does not return a single tensor")


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
