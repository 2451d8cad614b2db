"""The random numbers that reading and collating samples draws, made a function of (seed, epoch, batch).

Where samples are random, every generator they may draw from is seeded before each batch and, in this process, put back
after it. A batch is then the same in whichever process it is made, a resumed run makes the samples of an unbroken one,
and dropout does not depend on how data are loaded. In worker processes this also prevents the copies of one generator
that each worker, and each epoch, would otherwise start from (https://pytorch.org/docs/stable/notes/faq.html).
"""

import pickle
import random
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset, default_collate

from hasten.base.object_state import ObjectState, Tensors
from hasten.base.seeds import derive
from hasten.data.loading.gather import take, why_not

_GLOBAL: tuple[Any, ...] = (torch.default_generator, np.random, random)
"""The modules of numpy and Python have the methods of a generator for the global one."""
_OWN = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_INSTANCES = (torch.default_generator, np.random.mtrand._rand, random.seed.__self__)  # type: ignore[attr-defined]
_LOOKED_AT = 64  # items of one container
_MOST_LOOKED_AT = 5000  # objects in all
_TRIAL = 4  # samples

Collate: TypeAlias = Callable[[list[Any]], Any]
"""The samples of a batch in -> the batch."""

_known: dict[tuple[int, int], tuple[weakref.ref[Any], Collate, tuple[int, ...]]] = {}


def generators_of(dataset: Dataset[Any], collate: Collate = default_collate) -> tuple[Any, ...]:
    """Return the global generators, and those that a data set, its transforms and its collate function hold."""
    own: list[Any] = []
    seen: set[int] = set()
    stack: list[Any] = [collate, dataset]
    kept: list[Any] = []  # so that no id is used again
    while stack and len(seen) < _MOST_LOOKED_AT:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)
        if isinstance(value, _OWN):
            if not isinstance(value, random.SystemRandom) and not any(value is one for one in _INSTANCES):
                own.append(value)
        else:
            stack += _parts(value)
    return (*_GLOBAL, *own)


def drawn_from(dataset: Dataset[Any], collate: Collate = default_collate) -> tuple[int, ...]:
    """Return which of `generators_of` a batch of some samples, evenly spread, draws from.

    The result is remembered while the data set lives.
    """
    if collate is default_collate and why_not(dataset) is None:
        return ()
    key = (id(dataset), id(collate))
    known = _known.get(key)
    if known is not None and known[0]() is dataset:
        return known[2]
    found = _drawn_from(dataset, collate)
    with suppress(TypeError):  # a list: cannot be referred to weakly
        _known[key] = weakref.ref(dataset), collate, found
    return found


@contextmanager
def seeded(generators: Sequence[tuple[int, Any]], seed: int) -> Generator[None]:
    """Seed generators for the body, each with its number and `seed`, and put them back after it."""
    before = [_state(generator) for _, generator in generators]
    try:
        seed_generators(generators, seed)
        yield
    finally:
        for (_, generator), state in zip(generators, before, strict=True):
            _set_state(generator, state)


def seed_generators(generators: Sequence[tuple[int, Any]], seed: int) -> None:
    """Seed generators, each with its number and `seed`."""
    for number, generator in generators:
        own = derive(seed, number)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(own)
        elif isinstance(generator, np.random.Generator):
            kind: Any = type(generator.bit_generator)
            generator.bit_generator.state = kind(own).state
        else:
            generator.seed(own % 2**32)


def seeding_controls(dataset: Dataset[Any], collate: Collate = default_collate) -> bool:
    """Return whether a batch of one sample is the same when it is read twice from the same seeds."""
    generators = tuple(enumerate(generators_of(dataset, collate)))
    with restored(dataset, collate):
        once, again = (_read(dataset, collate, generators) for _ in range(2))
    return once == again


def changed_by_reading(dataset: Dataset[Any]) -> tuple[str, ...]:
    """Return which parts of the state of a data set change whenever samples are read: "training data.calls".

    Generators that are seeded for each batch do not count. The data set is left as it was found.
    """
    generators = tuple(enumerate(generators_of(dataset)))
    gathers = why_not(dataset) is None
    ids = torch.arange(min(_TRIAL, len(dataset)))  # type: ignore[arg-type]

    def read() -> None:
        if gathers:
            take(dataset, ids)
            return
        with seeded(generators, 0):
            for index in ids.tolist():
                dataset[index]

    return ObjectState({"training data": (dataset, Tensors.NONE)}).changed_by(read)


@contextmanager
def restored(*objects_read: object) -> Generator[None]:
    """Undo what the body changes in data sets, such as a count of their reads, which a checkpoint would lack."""
    objects = ObjectState({str(number): (one, Tensors.NONE) for number, one in enumerate(objects_read)})
    before = objects.state()
    try:
        yield
    finally:
        objects.load_state(before)


def _read(dataset: Dataset[Any], collate: Collate, generators: Sequence[tuple[int, Any]]) -> bytes:
    with seeded(generators, 0):
        return pickle.dumps([_plain(part) for part in tree_leaves(collate([dataset[0]]))])


def _plain(part: Any) -> Any:
    return (str(part.dtype), part.tolist()) if isinstance(part, torch.Tensor) else part


def _drawn_from(dataset: Dataset[Any], collate: Collate) -> tuple[int, ...]:
    generators = tuple(enumerate(generators_of(dataset, collate)))
    size = len(dataset)  # type: ignore[arg-type]
    with restored(dataset, collate), seeded(generators, 0):
        before = [_frozen(generator) for _, generator in generators]
        try:
            places = np.unique(np.linspace(0, size - 1, _TRIAL).astype(int)).tolist()
            samples = [dataset[place] for place in places]
            if collate is not default_collate:
                collate(samples)
        except Exception:  # noqa: BLE001  (raised again, with its place, when the sample is read for training)
            pass
        after = [_frozen(generator) for _, generator in generators]
    return tuple(number for number, _ in generators if before[number] != after[number])


def _parts(value: Any) -> Iterator[Any]:
    """Yield what a value holds and may draw random numbers with."""
    if isinstance(value, (str, bytes, int, float, type(None), torch.Tensor, np.ndarray, ModuleType)):
        return
    if isinstance(value, Mapping):
        yield from list(value.values())[:_LOOKED_AT]
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from list(value)[:_LOOKED_AT]
    elif isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, FunctionType):
        yield from (cell.cell_contents for cell in value.__closure__ or () if cell != type(cell)())
        yield from (value.__defaults__, value.__kwdefaults__)
        named = (value.__globals__.get(name) for name in value.__code__.co_names)
        yield from (part for part in named if isinstance(part, (*_OWN, FunctionType)))
    elif not isinstance(value, type):
        yield getattr(value, "__self__", None)  # of a method in C, such as that of a generator
        yield from list(getattr(value, "__dict__", {}).values())[:_LOOKED_AT]
        for kind in type(value).__mro__[:-1]:
            if kind.__module__.partition(".")[0] not in ("torch", "builtins", "typing", "abc"):
                yield from (part for part in vars(kind).values() if isinstance(part, (*_OWN, FunctionType)))


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.getstate() if hasattr(generator, "getstate") else generator.get_state()


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif hasattr(generator, "setstate"):
        generator.setstate(state)
    else:
        generator.set_state(state)


def _frozen(generator: Any) -> bytes:
    state = _state(generator)
    return state.numpy().tobytes() if isinstance(state, torch.Tensor) else pickle.dumps(state)
