"""Processes as a mesh: those that compute one share of a batch together in a row, and the shares beside each other."""

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from hasten.training.processes import Processes

DATA = "data"

_MESHES: dict[tuple[str, int, int, str], tuple[dist.ProcessGroup, DeviceMesh]] = {}
"""(device, processes, per share, name) -> the group of all it was made in, and the mesh, which makes groups"""


def mesh_of(device: str, processes: Processes, name: str) -> DeviceMesh:
    """Return the processes as a mesh (data, `name`): those of one share in a row. A collective at its first call."""
    key, world = (torch.device(device).type, processes.size, processes.per_share, name), dist.group.WORLD
    assert world is not None, "processes that train together have joined"
    made_in, mesh = _MESHES.get(key, (None, None))
    if mesh is None or made_in is not world:
        mesh = init_device_mesh(key[0], (processes.num_shares, processes.per_share), mesh_dim_names=(DATA, name))
        _MESHES[key] = world, mesh
    return mesh
