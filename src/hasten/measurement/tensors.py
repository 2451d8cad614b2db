"""Tensors in the arguments of an operator, and the bytes behind them."""

from collections.abc import Generator

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass


def tensors_in(value: object) -> Generator[torch.Tensor]:
    """Yield every tensor in nested lists, tuples and dictionaries, in order; of a wrapper, the tensors it wraps."""
    if isinstance(value, torch.Tensor):
        if is_traceable_wrapper_subclass(value):
            names, _ = value.__tensor_flatten__()
            for name in names:
                yield from tensors_in(getattr(value, name))
        else:
            yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


def storages_in(value: object, device_type: str | None = None) -> Generator[torch.UntypedStorage]:
    """Yield the storage of every tensor in `value` that has one with memory behind it.

    A fake tensor counts as what it stands for: its storage has the size that a real one would have.

    Args:
        value: nested lists, tuples and dictionaries.
        device_type: yield those of tensors on such a device alone; None for all.
    """
    for tensor in tensors_in(value):
        if device_type is not None and tensor.device.type != device_type:
            continue
        if tensor.layout is torch.strided and tensor.device.type != "meta":
            yield tensor.untyped_storage()
        elif tensor.layout is torch.sparse_coo:
            yield from storages_in([tensor._indices(), tensor._values()])  # the public ones need coalescing


def storage_key(storage: torch.UntypedStorage) -> int:
    """Return what tells this storage from every other one that is alive."""
    return storage._cdata  # its address in C++; `data_ptr` changes when a storage is resized


def nbytes(tensor: torch.Tensor) -> int:
    """Return the bytes of the elements of a tensor; an expanded one counts no more than the memory behind it."""
    size = tensor.numel() * tensor.element_size()
    if tensor.layout is not torch.strided or tensor.device.type == "meta":
        return size
    return min(size, tensor.untyped_storage().nbytes())
