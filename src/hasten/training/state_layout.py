"""The memory layout of an optimizer's state: that of the parameters that it belongs to."""

from collections.abc import Callable

import torch
from torch import optim

from hasten.measurement.state_order import misplaced
from hasten.training.several_optimizers import SeveralOptimizers
from hasten.training.sharding import is_sharded


def lay_out_state(optimizer: optim.Optimizer) -> None:
    """Give each tensor of an optimizer's state the layout of its parameter, in place; all values stay.

    Torch's fused kernels walk parameter, gradient and state by their place in memory, and do not compare strides (2.13,
    seen with SGD, Adagrad and AdamW on the CPU): where the state of a parameter in channels-last layout was loaded from
    one in the default layout, each element is updated with the moments of another, and nothing says so.
    """
    for parameter, key in misplaced(optimizer):
        if not is_sharded(parameter):
            values = optimizer.state[parameter]
            value = values[key]
            values[key] = torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def keep_layout(optimizer: optim.Optimizer) -> Callable[[], None]:
    """Lay an optimizer's state out now and whenever it loads one (`lay_out_state`); return what ends that."""
    lay_out_state(optimizer)
    members = optimizer.members.values() if isinstance(optimizer, SeveralOptimizers) else (optimizer,)
    loading = [other for one in members for other in _loading(one)]
    handles = [one.register_load_state_dict_post_hook(lay_out_state) for one in loading]

    def end() -> None:
        for handle in handles:
            handle.remove()

    return end


def _loading(optimizer: optim.Optimizer) -> list[optim.Optimizer]:
    """Return what loads an optimizer's state: itself, or what it wraps if it was never initialized as an optimizer."""
    if hasattr(optimizer, "_optimizer_load_state_dict_post_hooks"):
        return [optimizer]
    return [one for one in vars(optimizer).values() if isinstance(one, optim.Optimizer)]
