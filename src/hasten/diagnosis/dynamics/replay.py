"""Where NaN or infinity appears first: the newest batch once more through a copy of the model, layer by layer."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.seeds import preserved
from hasten.diagnosis.watching.events import Call
from hasten.measurement.tensors import tensors_in


def finite(value: object) -> bool:
    """Return whether every number in nested tensors is finite."""
    return all(bool(torch.isfinite(one).all()) for one in tensors_in(value) if one.is_floating_point())


def first_broken(calls: Sequence[tuple[Call, torch.dtype | None]]) -> tuple[str, str, bool] | None:
    """Return name and class of the first module whose output is not finite, and whether its batch was finite.

    The copies run in the mode and the precision of the calls; the models, and all random generators, stay as they are.

    Args:
        calls: forward passes of one step, in their order, each with the type that autocast computed in.

    Returns:
        ("", "", whether the batch was finite) where all outputs are finite; None where no model can be copied.
    """
    batch_finite, copied = True, False
    for call, precision in calls:
        batch_finite = finite([call.args, dict(call.kwargs)]) and batch_finite
        model = call.module.module if isinstance(call.module, nn.parallel.DistributedDataParallel) else call.module
        if any(hasattr(one, "to_local") for one in model.parameters()):
            continue
        try:
            twin = copy.deepcopy(model)
        except (RuntimeError, TypeError):  # parameters that are computed, or objects that cannot be copied
            continue
        copied = True
        found = _broken_in(twin, call, precision)
        if found is not None:
            return *found, batch_finite
    return ("", "", batch_finite) if copied else None


def _broken_in(twin: nn.Module, call: Call, precision: torch.dtype | None) -> tuple[str, str] | None:
    found: list[tuple[str, str]] = []
    names = {module: name for name, module in twin.named_modules()}

    def look(module: nn.Module, args: object, output: Any) -> None:
        if not found and not finite(output):
            found.append((names[module], type(module).__name__))

    for module in names:
        module.register_forward_hook(look)
    device = next((one.device.type for one in tensors_in([call.args, dict(call.kwargs)])), "cpu")
    context = nullcontext() if precision is None else torch.autocast(device, precision)
    with preserved(), torch.no_grad(), context:
        twin(*call.args, **call.kwargs)
    return found[0] if found else None


def detached(value: Any) -> Any:
    """Return nested lists, tuples and dictionaries with every tensor outside the graph that made it."""
    if isinstance(value, Tensor):
        return value.detach() if value.grad_fn is not None else value
    if type(value) in (list, tuple):
        return type(value)(detached(one) for one in value)
    return {key: detached(one) for key, one in value.items()} if type(value) is dict else value
