"""State that a person's own objects keep outside any `state_dict`.

A counter in a model, a data set with its own generator, a buffer that is not persistent, a loss with memory: the next
step depends on them, so a checkpoint must hold them. They are found by walking over attributes, items of lists and
dictionaries, and variables of closures. What lives elsewhere (global variables, files, C++ objects) is not found;
`hasten.training.replay` notices most of it.
"""

import random
import types
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from enum import Enum
from functools import cache, partial
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn, optim

_DEEPEST = 12
_MOST_ITEMS = 1000
_OPAQUE = (type, types.ModuleType, types.BuiltinFunctionType, np.ndarray, torch.dtype, torch.device)
_PLAIN = (bool, int, float, str, bytes, type(None))


class Tensors(Enum):
    """Which tensors of an object count as its state."""

    NONE = 0  # those of a data set are data
    UNREGISTERED = 1  # of a model, whose `state_dict` is saved: all but parameters and persistent buffers
    ALL = 2


Slot: TypeAlias = tuple[Any, Callable[[Any], object]]
"""A value, and a function that replaces it."""


class ObjectState:
    """The state of some named objects beside their `state_dict`, relative to how they were when this was made.

    Plain values (numbers, strings, and lists and dictionaries of them) count as state once they have changed;
    generators, objects with `state_dict` and `load_state_dict`, and tensors always do.

    Args:
        objects: what to walk over and which of its tensors count, by name.
    """

    def __init__(self, objects: Mapping[str, tuple[object, Tensors]]) -> None:
        self._objects = objects
        self._before = {path: deepcopy(value) for path, (value, _) in self._slots() if _is_plain(value)}

    def state(self) -> dict[str, Any]:
        """Return the state by path ("model.blocks.0.calls"), as tensors and plain values."""
        found: dict[str, Any] = {}
        for path, (value, _) in self._slots():
            if not _is_plain(value):
                found[path] = _encoded(value)
            elif path not in self._before or not _same(self._before[path], value):
                found[path] = deepcopy(value)
        return found

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Put the objects into a state that `state` returned."""
        for path, (value, replace) in list(self._slots()):
            if path in state:
                _restore(value, state[path], replace)
            elif path in self._before and not _same(self._before[path], value):
                replace(deepcopy(self._before[path]))

    def changed_by(self, action: Callable[[], object]) -> tuple[str, ...]:
        """Return the paths of the state that an action changes whenever it runs, and undo the changes.

        The action runs twice: what only its first run changes, such as a file that it opens or a cache, does not count.
        """
        start = self.state()
        try:
            action()
            before = self.state()
            action()
            after = self.state()
        finally:
            self.load_state(start)
        return tuple(path for path in {**before, **after} if not equal_states(before.get(path), after.get(path)))

    def _slots(self) -> Iterator[tuple[str, Slot]]:
        seen: set[int] = set()
        for name, (root, tensors) in self._objects.items():
            yield from _walk(root, name, seen, tensors, depth=0)


def _walk(holder: object, path: str, seen: set[int], tensors: Tensors, *, depth: int) -> Iterator[tuple[str, Slot]]:
    """Yield every value of an object that can be state, with its path."""
    if id(holder) in seen or depth > _DEEPEST or isinstance(holder, _OPAQUE) or _shards(holder):
        return
    seen.add(id(holder))
    for key, value, replace in _parts(holder, tensors):
        below = f"{path}.{key}"
        if _is_plain(value) or _is_stateful(value):
            yield below, (value, replace)
        elif isinstance(value, Tensor):
            if tensors is Tensors.ALL or (tensors is Tensors.UNREGISTERED and not isinstance(value, nn.Parameter)):
                yield below, (value, replace)
        elif not isinstance(value, _OPAQUE):
            yield from _walk(value, below, seen, tensors, depth=depth + 1)


def _shards(holder: object) -> bool:
    """Return whether torch keeps an object to shard a model with; what it holds belongs to this process alone."""
    return not isinstance(holder, nn.Module) and type(holder).__module__.startswith("torch.distributed.")


def _parts(holder: Any, tensors: Tensors) -> Iterator[tuple[str, Any, Callable[[Any], object]]]:
    """Yield the name, the value and the setter of each part of an object."""
    if isinstance(holder, nn.Module):
        registered = {**holder._parameters, **holder._buffers}
        for name in registered if tensors is Tensors.ALL else sorted(holder._non_persistent_buffers_set):
            yield name, registered[name], partial(setattr, holder, name)
    if isinstance(holder, types.MethodType):
        yield "self", holder.__self__, _nothing
    elif isinstance(holder, types.FunctionType):
        for name, cell in zip(holder.__code__.co_freevars, holder.__closure__ or (), strict=True):
            if (value := _content(cell)) is not cell:
                yield name, value, partial(setattr, cell, "cell_contents")
    elif isinstance(holder, partial):
        yield from (
            ("func", holder.func, _nothing),
            ("args", holder.args, _nothing),
            ("keywords", holder.keywords, _nothing),
        )
    elif isinstance(holder, dict | list | tuple):
        if len(holder) <= _MOST_ITEMS:
            items = holder.items() if isinstance(holder, dict) else enumerate(holder)
            for key, value in list(items):
                yield str(key), value, _nothing if isinstance(holder, tuple) else partial(holder.__setitem__, key)
    elif hasattr(holder, "__dict__"):
        attributes = vars(holder)
        for name in list(attributes):
            if not (isinstance(holder, nn.Module | optim.Optimizer) and name in _internal()):
                yield name, attributes[name], partial(attributes.__setitem__, name)


@cache
def _internal() -> frozenset[str]:
    """Return the attributes that torch itself keeps; the first optimizer of a process imports torch's compiler."""
    return frozenset(vars(nn.Module())) - {"_modules"} | frozenset(vars(optim.SGD([torch.zeros(1)])))


def _nothing(value: Any) -> None:
    """Replace nothing: the value is part of something that cannot change."""


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return cell


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple | dict):
        items = cast(list[Any], [*value, *value.values()] if isinstance(value, dict) else list(value))
        return type(value) in (list, tuple, dict) and len(items) <= _MOST_ITEMS and all(map(_is_plain, items))
    return type(value) in _PLAIN or isinstance(value, np.generic)


def _is_stateful(value: object) -> bool:
    if isinstance(value, random.SystemRandom):
        return False
    if isinstance(value, torch.Generator | np.random.Generator | np.random.RandomState | random.Random):
        return True
    own = not isinstance(value, nn.Module | optim.Optimizer | type)
    return own and hasattr(value, "state_dict") and hasattr(value, "load_state_dict")


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)  # repr: a NaN is the same as itself


def equal_states(one: Any, other: Any) -> bool:
    """Return whether two values of a state are equal, tensors bit for bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        mine, theirs = cast(Mapping[Any, Any], one), cast(Mapping[Any, Any], other)
        return mine.keys() == theirs.keys() and all(equal_states(mine[key], theirs[key]) for key in mine)
    return _same(one, other)


def _encoded(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, np.random.Generator):
        return _without_arrays(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return _without_arrays(value.get_state(legacy=False))
    if isinstance(value, random.Random):
        return value.getstate()
    return deepcopy(value.state_dict())


def _restore(value: Any, saved: Any, replace: Callable[[Any], object]) -> None:
    if isinstance(value, torch.Generator):
        value.set_state(saved)
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = _with_arrays(saved)
    elif isinstance(value, np.random.RandomState):
        value.set_state(_with_arrays(saved))
    elif isinstance(value, random.Random):
        value.setstate(saved)
    elif _is_stateful(value):
        value.load_state_dict(deepcopy(saved))
    elif isinstance(value, Tensor) and value.is_leaf and value.is_contiguous() and value.shape == saved.shape:
        with torch.no_grad():
            value.copy_(saved)  # in place, for others may hold the same tensor
    elif isinstance(value, Tensor):
        replace(saved.to(value.device, copy=True))
    else:
        replace(deepcopy(saved))


def _without_arrays(state: Any) -> Any:
    """Return a generator's state with its arrays of words as tensors."""
    if isinstance(state, Mapping):
        return {key: _without_arrays(value) for key, value in state.items()}
    return torch.from_numpy(state.copy()) if isinstance(state, np.ndarray) else state


def _with_arrays(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {key: _with_arrays(value) for key, value in state.items()}
    return state.numpy() if isinstance(state, Tensor) else state
