"""Whether an optimizer's state lies in memory as its parameters do, which torch's fused kernels take for granted."""

from typing import Any

from torch import Tensor, optim


def misplaced(optimizer: optim.Optimizer) -> list[tuple[Tensor, Any]]:
    """Return parameter and key of each tensor of a state that lies in memory in another order than its parameter."""
    return [
        (parameter, key)
        for parameter, values in optimizer.state.items()
        if isinstance(parameter, Tensor)
        for key, value in values.items()
        if isinstance(value, Tensor) and value.shape == parameter.shape and _order(value) != _order(parameter)
    ]


def _order(tensor: Tensor) -> list[int]:
    """Return the strides of the dimensions that have more than one place."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]
