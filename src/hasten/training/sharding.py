"""Tensors that are sharded over processes, whole ones made of them, and parts of whole ones.

torch's module of sharded tensors takes most of a second to import: where nobody has, no tensor is sharded.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn, optim
from torch.utils._pytree import tree_leaves, tree_map_only

STAGES = "stages"
"""Name of a mesh over which no tensor is divided: one process has all its rows, the others none (`held_by_one`)."""
_SHARDED = "torch.distributed.tensor"


def whole(state: Any) -> Any:
    """Return a state with whole tensors in place of sharded ones. A collective where it holds any."""
    if _SHARDED not in sys.modules:
        return state
    owners = iter(_owners([value for value in tree_leaves(state) if is_held_by_one(value)]))

    def made_whole(value: Any) -> Tensor:
        return _from_owner(value, next(owners)) if is_held_by_one(value) else value.full_tensor()

    return tree_map_only(sys.modules[_SHARDED].DTensor, made_whole, state)


def held_by_one(tensor: Tensor, mesh: Any, *, here: bool) -> Tensor:
    """Return a tensor that one process of a mesh has whole, as all processes of the mesh see it.

    torch takes it for one that is divided by rows, of which one process has all. What works number by number, and sums
    and norms over all of it, is then right; what needs some rows is not.

    Args:
        tensor: of one dimension or more.
        mesh: of one dimension, named `STAGES`.
        here: whether this process is the one.
    """
    from torch.distributed.tensor import DTensor, Shard

    own = tensor if here else tensor[:0].clone()
    return DTensor.from_local(own, mesh, [Shard(0)], run_check=False, shape=tensor.shape, stride=tensor.stride())


def is_held_by_one(value: Any) -> bool:
    """Return whether a value is a tensor that `held_by_one` made, or one computed from such tensors."""
    return is_sharded(value) and value.device_mesh.mesh_dim_names == (STAGES,) and value.placements[0].is_shard()


def _owners(tensors: Sequence[Any]) -> list[int]:
    """Return which process has each tensor, as its number in the mesh. A collective where there are any."""
    if not tensors:
        return []
    mesh = tensors[0].device_mesh
    has = torch.tensor([len(one.to_local()) > 0 for one in tensors], dtype=torch.int64, device=mesh.device_type)
    number = has * mesh.get_local_rank()
    dist.all_reduce(number, group=mesh.get_group())
    return number.tolist()


def _from_owner(value: Any, owner: int) -> Tensor:
    """Return the whole tensor in every process. A collective."""
    mesh, own = value.device_mesh, value.to_local()
    tensor = own.contiguous() if mesh.get_local_rank() == owner else own.new_empty(value.shape)
    dist.broadcast(tensor, group=mesh.get_group(), group_src=owner)
    return tensor


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
    """Load weights, whole or sharded as the model's, into a model of which each process may hold a part."""
    own = model.state_dict()
    model.load_state_dict({name: sharded_as(own.get(name), value) for name, value in weights.items()})


def part_of(state: dict[str, Any], optimizer: optim.Optimizer) -> dict[str, Any]:
    """Return the state of an optimizer with this process's part of each tensor of a sharded parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not any(map(is_sharded, parameters)):
        return state
    parts = {
        place: {key: value if key == "step" else sharded_as(parameters[place], value) for key, value in one.items()}
        for place, one in state["state"].items()
    }
    return {**state, "state": parts}


def is_divided(value: Any) -> bool:
    """Return whether a value is a tensor of which no process has all, or one has and the others have nothing."""
    return is_sharded(value) and not all(one.is_replicate() for one in value.placements)


def in_stripes(value: Any) -> bool:
    """Return whether a divided tensor is not in one piece in each process, as rows of queries, keys and values."""
    from torch.distributed.tensor import Replicate, Shard

    return not all(type(one) in (Shard, Replicate) for one in value.placements)


def without_stripes(value: Any) -> Any:
    """Return a divided tensor of which each process has one piece. A collective where it is in stripes."""
    if not in_stripes(value):
        return value
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    pieces = [one if isinstance(one, Replicate) else Shard(one.dim) for one in value.placements]
    return distribute_tensor(value.full_tensor(), value.device_mesh, pieces, src_data_rank=None)


def writes_here(value: Any) -> bool:
    """Return whether this process is the one that writes its part of a divided tensor, of all that have the same."""
    mesh = value.device_mesh
    first = [
        place == 0 for place, one in zip(mesh.get_coordinate(), value.placements, strict=True) if one.is_replicate()
    ]
    return all(first) and 0 in mesh.mesh


def is_sharded(value: Any) -> bool:
    """Return whether a value is a tensor of which this process may have a part."""
    return _SHARDED in sys.modules and isinstance(value, sys.modules[_SHARDED].DTensor)


def sharded_as(pattern: Any, value: Any) -> Any:
    """Return a tensor, whole or sharded alike, sharded as another of its shape is; any other value as it is."""
    if not is_sharded(pattern) or not isinstance(value, Tensor) or pattern.shape != value.shape:
        return value
    if is_sharded(value):
        return from_part(pattern, own_part(value).to(pattern.device))
    from torch.distributed.tensor import distribute_tensor

    here = value.to(pattern.device)
    if is_held_by_one(pattern):
        return held_by_one(here, pattern.device_mesh, here=len(pattern.to_local()) > 0)
    return distribute_tensor(here, pattern.device_mesh, pattern.placements, src_data_rank=None)
