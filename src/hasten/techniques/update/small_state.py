"""Torch's Adam, AdamW and SGD with a state in fewer bytes, widened for one parameter at a time."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from hasten.base.errors import BadInput
from hasten.techniques.update.state_formats import Format
from hasten.training.optimizers import TORCH

MADE = "hasten_updates"
"""Key in the state of a parameter: how many updates it has had."""


class SmallState(optim.Optimizer):
    """Mixed into one of torch's optimizers: what it would do, with its state packed between two updates.

    `twin` is that optimizer itself. For each parameter in turn it gets the state in float32, makes its update, and
    hands the state back. The state of parameters below `smallest` numbers, and of those in `wide`, stays in float32.
    """

    twin: optim.Optimizer
    state_format: Format
    smallest: int
    wide: frozenset[int]
    """Ids of parameters."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        kept = self.state[parameter]
        own: dict[str, Any] = {
            name: self.state_format.unpack(value, parameter.shape) if isinstance(value, dict) else value
            for name, value in kept.items()
            if not name.startswith("hasten_")  # averages and counts of others stand in the same place
        }
        self.twin.param_groups = [{**group, "params": [parameter]}]
        self.twin.state = defaultdict(dict, {parameter: own} if own else {})
        self.twin.step()
        kept[MADE] = kept.get(MADE, 0) + 1
        kept |= self._packed(parameter, self.twin.state[parameter], seed=kept[MADE])
        self.twin.state = defaultdict(dict)

    def _packed(self, parameter: Tensor, own: Mapping[str, Any], *, seed: int) -> dict[str, Any]:
        """Return an optimizer's state of one parameter with what is as large as the parameter made small."""
        wide = parameter.numel() < self.smallest or id(parameter) in self.wide

        def small(place: int, name: str, value: Any) -> Any:
            if wide or not isinstance(value, Tensor) or value.shape != parameter.shape or name.startswith("hasten_"):
                return value
            # Each state of each shape has noise of its own, and new noise at each update.
            return self.state_format.pack(value, name=name, seed=seed * 1000003 + place * 31 + value.numel())

        return {name: small(place, name, value) for place, (name, value) in enumerate(own.items())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of such an optimizer, or of torch's own; torch would turn its codes into float32."""
        super().load_state_dict({**state_dict, "state": {}})
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        for index, own in state_dict["state"].items():
            parameter = parameters[index]
            moved = _moved(own, parameter.device)
            self.state[parameter] = {**moved, **self._packed(parameter, moved, seed=moved.get(MADE, 0))}


def _moved(value: Any, device: torch.device) -> Any:
    """Return a copy of a state on a device; what is a scalar stays where it is, as torch's counts of updates do."""
    if isinstance(value, dict):
        return {name: _moved(one, device) for name, one in value.items()}
    if isinstance(value, Tensor):
        return value.clone() if value.ndim == 0 else value.to(device, copy=True)
    return value


class SmallAdam(SmallState, optim.Adam):
    """Adam with a packed state."""


class SmallAdamW(SmallState, optim.AdamW):
    """AdamW with a packed state."""


class SmallSGD(SmallState, optim.SGD):
    """SGD with momentum, with a packed state."""


KINDS: dict[type[optim.Optimizer], type[SmallState]] = {
    optim.Adam: SmallAdam,
    optim.AdamW: SmallAdamW,
    optim.SGD: SmallSGD,
}


def with_small_state(
    model: nn.Module, *, name: str, lr: float, options: Mapping[str, Any], state_format: Format, smallest: int
) -> optim.Optimizer:
    """Return the named optimizer of torch over the model's trainable parameters, its state kept in a format.

    Args:
        model: to train.
        name: of `hasten.training.optimizers.TORCH`, with a class in `KINDS`.
        lr: learning rate.
        options: of the optimizer.
        state_format: of its state.
        smallest: numbers below which a parameter's state stays in float32.

    Raises:
        BadInput: if nothing is trainable, or a parameter is not float32.
    """
    kind, defaults = TORCH[name]
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    wrong = {str(parameter.dtype) for parameter in parameters if parameter.dtype is not torch.float32}
    if not parameters or wrong:
        found = ", ".join(sorted(wrong)) or "none with requires_grad"
        raise BadInput(f"a small optimizer state needs trainable parameters in float32; found {found}.")
    # One kernel for each parameter, as none of them can share a call.
    given: dict[str, Any] = {"lr": lr, **defaults, "fused": True, **options}
    made: Any = KINDS[kind](parameters, **given)
    made.twin, made.state_format, made.smallest = kind(parameters, **given), state_format, smallest
    embeddings = (module.weight for module in model.modules() if isinstance(module, nn.Embedding))
    made.wide = frozenset(map(id, embeddings if state_format.wide_embeddings else ()))
    return made
