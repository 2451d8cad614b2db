"""Trees of tensors and plain values: opened into their parts, and rebuilt from changed ones.

Structures are what `torch.utils._pytree` knows (tuple, list, dict, namedtuple, registered classes), every other mapping
(`UserDict`, transformers' `BatchEncoding`), and dataclasses. Everything else is a leaf. An *opaque* leaf is an object
with a method `to(device)`, such as a graph batch or a `PackedSequence`: it moves as a whole and is never taken apart.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

Rebuild: TypeAlias = Callable[[Sequence[Any]], Any]
"""The changed parts of a structure in -> a structure of the same kind."""

_PLAIN = frozenset({str, bytes, int, float, bool, complex, type(None), torch.Size, torch.device, torch.dtype})


def is_opaque(value: object) -> bool:
    """Return whether this is an object that moves to a device by a method of its own, as a whole."""
    if type(value) in _PLAIN or isinstance(value, (Tensor, Mapping, type)):
        return False
    return callable(getattr(value, "to", None))


def is_record(value: object) -> bool:
    """Return whether this is an instance of a dataclass without a `to` of its own."""
    return is_dataclass(value) and not isinstance(value, type) and not is_opaque(value)


def opened(value: Any) -> tuple[Sequence[Any], Rebuild] | None:
    """Return the parts of a structure and how to rebuild it from changed parts; None for a leaf."""
    kind = type(value)
    if kind is tuple or kind is list:
        return value, kind
    if kind is dict:
        return list(value.values()), lambda parts: dict(zip(value, parts, strict=True))
    if kind in _PLAIN or isinstance(value, Tensor) or is_opaque(value):
        return None
    if isinstance(value, tuple) and hasattr(kind, "_make"):
        return value, kind._make  # type: ignore[attr-defined]  (of every namedtuple)
    parts, spec = tree_flatten(value, is_leaf=lambda one: one is not value)
    if not spec.is_leaf():
        return parts, lambda changed: tree_unflatten(list(changed), spec)
    if isinstance(value, MutableMapping):
        return list(value.values()), lambda parts: _updated(value, parts)
    if isinstance(value, Mapping):
        return list(value.values()), lambda parts: kind(zip(value, parts, strict=True))  # type: ignore[call-arg]
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)], lambda parts: _replaced(value, parts)
    return None


def names_of(value: Any) -> list[Any]:
    """Return the keys, field names or positions of a structure's parts, in the order of `opened`."""
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(value._fields)  # type: ignore[attr-defined]  (of every namedtuple)
    if is_record(value):
        return [field.name for field in fields(cast(Any, value))]
    found = opened(value)
    return list(range(len(found[0]))) if found else []


def mapped(value: Any, change: Callable[[Tensor], Any], opaque: Callable[[Any], Any] | None = None) -> Any:
    """Return the tree with a change made to every tensor, and one to every opaque leaf; others stay.

    Cost: about a microsecond for a tuple of tensors.
    """
    if isinstance(value, Tensor):
        return change(value)
    if type(value) is tuple:
        return tuple([change(one) if isinstance(one, Tensor) else mapped(one, change, opaque) for one in value])
    found = opened(value)
    if found is None:
        return opaque(value) if opaque is not None and is_opaque(value) else value
    parts, rebuild = found
    return rebuild([mapped(part, change, opaque) for part in parts])


def flattened(value: Any, is_leaf: Callable[[Any], bool] = lambda value: False) -> tuple[list[Any], Rebuild]:
    """Return the leaves of a tree, and how to rebuild it from changed ones.

    Args:
        value: the tree.
        is_leaf: whether a structure is a leaf, too.
    """
    leaves: list[Any] = []
    rebuild = _collect(value, is_leaf, leaves)
    return leaves, lambda changed: rebuild(iter(changed))


def leaves_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf with its path, for example `['labels']` or `[0].mask`.

    Cost: some microseconds for a tuple of tensors.
    """
    if type(value) is tuple and all(type(one) is Tensor for one in value):  # the usual batch, six times as fast
        for number, one in enumerate(value):
            yield f"{path}[{number}]", one
        return
    found = opened(value)
    if found is None:
        yield path, value
        return
    for name, part in zip(names_of(value), found[0], strict=True):
        yield from leaves_of(part, f"{path}{step_to(value, name)}")


def step_to(value: Any, name: Any) -> str:
    """Return how a part of a structure is written in Python: `.name`, `['name']` or `[0]`."""
    return f".{name}" if isinstance(name, str) and not isinstance(value, Mapping) else f"[{name!r}]"


def tensors_within(value: Any) -> Iterator[Tensor]:
    """Yield every tensor of a tree, also those that an opaque leaf holds as attributes or items."""
    if isinstance(value, Tensor):
        yield value
        return
    found = opened(value)
    if found is not None:
        parts: Any = found[0]
    elif is_opaque(value):
        held = value if isinstance(value, tuple) else vars(value).values() if hasattr(value, "__dict__") else ()
        parts = [one for one in held if isinstance(one, Tensor)]
    else:
        return
    for part in parts:
        yield from tensors_within(part)


def _collect(value: Any, is_leaf: Callable[[Any], bool], leaves: list[Any]) -> Callable[[Iterator[Any]], Any]:
    found = None if is_leaf(value) else opened(value)
    if found is None:
        leaves.append(value)
        return next
    parts, rebuild = found
    inner = [_collect(part, is_leaf, leaves) for part in parts]
    return lambda changed: rebuild([one(changed) for one in inner])


def _updated(value: Any, parts: Sequence[Any]) -> Any:
    """Return a mapping of the same class: a shallow copy that keeps what else it holds."""
    made = copy.copy(value)
    for key, part in zip(list(value), parts, strict=True):
        made[key] = part
    return made


def _replaced(value: Any, parts: Sequence[Any]) -> Any:
    """Return a dataclass with other values in its fields, without its `__init__`; frozen ones too."""
    made = copy.copy(value)
    for field, part in zip(fields(value), parts, strict=True):
        object.__setattr__(made, field.name, part)
    return made
