"""How many bytes an operator must read and write: the least that its inputs and outputs come to."""

from collections.abc import Sequence
from typing import Any

import torch

from hasten.measurement.tensors import nbytes, storage_key, storages_in, tensors_in

aten = torch.ops.aten


def bytes_moved(func: Any, args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int:
    """Return the bytes that one call of an operator reads and writes.

    Every input is read once and every output written once. A view moves nothing, an allocation neither, nor a question
    that a tensor without memory is asked (`prim`); a look-up reads only the rows that it returns; a plain overwriting
    does not read what it overwrites.

    Args:
        func: the operator (`torch._ops.OpOverload`).
        args: what it was called with.
        kwargs: what it was called with.
        output: what it returned.
    """
    packet, mutable = func._overloadpacket, func._schema.is_mutable
    if func.namespace == "prim" or packet in _ALLOCATIONS or (not mutable and _is_view(output, (args, kwargs))):
        return 0
    written = _size(output)
    if mutable and not written:  # such as _foreach_add_, which returns nothing
        written = sum(
            _size(args[place] if place < len(args) else kwargs.get(argument.name))
            for place, argument in enumerate(func._schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        )
    if packet in _LOOK_UPS:
        return _size((args[1:], kwargs)) + 2 * written
    read = args[1:] if packet in _OVERWRITES else args
    return _size((read, kwargs)) + written


def _size(value: object) -> int:
    return sum(map(nbytes, tensors_in(value)))


def _is_view(output: object, inputs: object) -> bool:
    made = {storage_key(storage) for storage in storages_in(output)}
    return bool(made) and made <= {storage_key(storage) for storage in storages_in(inputs)}


_ALLOCATIONS = frozenset({aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided})
_LOOK_UPS = frozenset({aten.embedding, aten.index_select, aten.index, aten.gather})
_OVERWRITES = frozenset({aten.fill_, aten.zero_, aten.copy_, aten.uniform_, aten.normal_, aten.bernoulli_})
