"""The weights of a plain model as a safetensors file, with a checksum beside it."""

from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from hasten.base.checksums import write_with_checksum
from hasten.base.errors import BadInput


def save_weights(model: nn.Module, path: Path) -> tuple[str, ...]:
    """Write a model's `state_dict` to `path`, and its SHA-256 to `path.sha256` in the format of `sha256sum`.

    A tensor of several names (tied weights) is stored once, as `safetensors.torch.load_model` expects it; views of
    larger tensors are stored as what they show.

    Returns:
        Names of entries that are left out because they are not tensors (`get_extra_state`).

    Raises:
        BadInput: if it cannot be written; the existing file is unchanged.
    """
    state = model.state_dict()
    try:
        tensors, aliases = _stored_once({name: value for name, value in state.items() if isinstance(value, Tensor)})
    except (RuntimeError, NotImplementedError) as error:  # a sparse tensor, one without memory
        raise _unstorable(path, error) from error

    def write(file: BinaryIO) -> None:
        try:
            save_file(tensors, file.name, metadata={"format": "pt", **aliases})
        except SafetensorError as error:
            raise OSError(str(error)) from error
        except (ValueError, KeyError, RuntimeError) as error:
            raise _unstorable(path, error) from error

    write_with_checksum(path, write)
    return tuple(name for name, value in state.items() if not isinstance(value, Tensor))


def _stored_once(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors that share no memory, and {name that is left out: name of the same tensor}."""
    tensors: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    name_of: dict[tuple[object, ...], str] = {}
    memory: set[int] = set()
    for name, value in sorted(state.items()):
        view = (value.data_ptr(), value.device, value.dtype, value.shape, value.stride())
        if value.numel() and view in name_of:
            aliases[name] = name_of[view]
            continue
        name_of[view] = name
        storage = value.untyped_storage().data_ptr()
        whole = value.is_contiguous() and value.untyped_storage().nbytes() == value.nbytes
        if storage in memory or not whole:
            value = value.detach().clone(memory_format=torch.contiguous_format)
        memory.add(storage)
        tensors[name] = value
    return tensors, aliases


def _unstorable(path: Path, error: Exception) -> BadInput:
    reason = str(error).split("\n", 1)[0].rstrip(".")
    return BadInput(f"cannot store the weights as safetensors in {path}: {reason}. The checkpoint beside it has them.")
