"""Tensors that are sharded over processes, and the whole ones that checkpoints and files hold.

A saved state has whole tensors only, so that it can be loaded in any number of processes. torch's module of sharded
tensors takes most of a second to import: where nobody has, no tensor is sharded.
"""

import sys
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn, optim
from torch.utils._pytree import tree_map_only

_SHARDED = "torch.distributed.tensor"


def whole(state: Any) -> Any:
    """Return a state with whole tensors in place of sharded ones. A collective where it holds any."""
    if _SHARDED not in sys.modules:
        return state
    return tree_map_only(sys.modules[_SHARDED].DTensor, lambda value: value.full_tensor(), state)


def own_part(tensor: Tensor) -> Tensor:
    """Return the part of a sharded tensor that this process has; of another tensor, all of it."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def divided_as(pattern: Tensor, value: Tensor) -> Tensor:
    """Return a sharded tensor, divided over the processes as another one is; any other tensor as it is."""
    if not is_sharded(value) or value.placements == pattern.placements:  # type: ignore[attr-defined]
        return value
    return value.redistribute(placements=pattern.placements)  # type: ignore[attr-defined]


def from_part(pattern: Tensor, own: Tensor) -> Tensor:
    """Return the tensor of which this process has `own`, sharded as another one is."""
    if not is_sharded(pattern):
        return own
    sharded: Any = pattern
    return type(sharded).from_local(
        own, sharded.device_mesh, sharded.placements, run_check=False, shape=pattern.shape, stride=pattern.stride()
    )


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load whole weights into a model, of which each process may hold a part."""
    own = model.state_dict()
    model.load_state_dict({name: _as(own.get(name), value) for name, value in weights.items()})


def part_of(state: dict[str, Any], optimizer: optim.Optimizer) -> dict[str, Any]:
    """Return the state of an optimizer with this process's part of each whole tensor of a sharded parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not any(map(is_sharded, parameters)):
        return state
    parts = {
        place: {key: value if key == "step" else _as(parameters[place], value) for key, value in one.items()}
        for place, one in state["state"].items()
    }
    return {**state, "state": parts}


def is_sharded(value: Any) -> bool:
    """Return whether a value is a tensor of which this process may have a part."""
    return _SHARDED in sys.modules and isinstance(value, sys.modules[_SHARDED].DTensor)


def _as(pattern: Any, value: Any) -> Any:
    """Return a whole tensor, sharded as another of its shape is; any other value as it is."""
    if not is_sharded(pattern) or not isinstance(value, Tensor) or pattern.shape != value.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    here = value.to(pattern.device)
    return distribute_tensor(here, pattern.device_mesh, pattern.placements, src_data_rank=None)
