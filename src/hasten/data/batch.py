"""What a batch is: the only module that knows how the inputs, the target and the samples are laid out in it.

A batch is any tree of tensors and plain values (`hasten.data.tree`).

Target: the last element of a tuple or list of two or more; of a mapping, a dataclass, a namedtuple or an object with
attributes the field `labels`, `label`, `targets`, `target` or `y`, whichever comes first in this row; of a namedtuple
without such a field its last one. Other batches have none.

Samples: a tensor or array carries samples along its first dimension if that is as long as the batch has samples; a list
or tuple below the root, if it has one element per sample (texts, boxes), unless every tensor in it has one row per
sample: then its elements are columns. Every other leaf belongs to the whole batch and is shared by its parts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.batch_text import kind_of
from hasten.data.tree import (
    Rebuild,
    flattened,
    is_opaque,
    is_record,
    leaves_of,
    mapped,
    names_of,
    opened,
    tensors_within,
)

Batch: TypeAlias = Any
"""What one step sees: a tree of tensors and plain values."""

TARGETS = ("labels", "label", "targets", "target", "y")
"""Names of the field that holds the target."""


def batch_of(columns: Iterable[Any]) -> Batch:
    """Return columns as a batch, the target last."""
    return tuple(columns)


def until(batches: Iterable[Batch], most: int) -> Iterator[Batch]:
    """Yield batches until they hold so many samples."""
    samples = 0
    for batch in batches:
        yield batch
        samples += size_of(batch)
        if samples >= most:
            break


def target_name(batch: Batch) -> Any:
    """Return the key, attribute or position of the target in the batch, None if there is none."""
    if is_opaque(batch):
        return next((name for name in TARGETS if _holds_values(getattr(batch, name, None))), None)
    if isinstance(batch, (tuple, list)):
        names = names_of(batch)
        named = next((name for name in TARGETS if name in names), None)
        return named if named is not None else names[-1] if len(names) > 1 else None
    if isinstance(batch, Mapping) or is_record(batch):
        names = names_of(batch)
        return next((name for name in TARGETS if name in names), None)
    return None


def has_target(batch: Batch) -> bool:
    """Return whether a batch holds what the model's output is compared with."""
    return target_name(batch) is not None


def target_of(batch: Batch) -> Any:
    """Return what the model's output is compared with: a tensor or a tree.

    Raises:
        BadInput: if the batch has none.
    """
    if type(batch) is tuple and len(batch) > 1:
        return batch[-1]
    name = target_name(batch)
    if name is None:
        raise BadInput(
            f"the loss compares the model's output with a target, and the batch has none: {kind_of(batch)}. "
            "Return (inputs, target), name the field of the target 'labels', 'target' or 'y', "
            "or give Task(objective=function of (model, batch) that returns the loss)."
        )
    return _field(batch, name)


def inputs_of(batch: Batch) -> tuple[Any, ...]:
    """Return what the model is called with, without names; each may be a tree."""
    args, named = arguments_of(batch)
    return (*args, *named.values())


def arguments_of(batch: Batch, *, whole: bool = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the named arguments with which a model is called.

    The elements of a tuple or list are positional, the fields of a mapping or dataclass are named, and every other
    batch is the only argument.

    Args:
        batch: of any form.
        whole: with the target among them, for a model that computes its own loss.
    """
    if type(batch) is tuple:
        return (batch if whole or len(batch) < 2 else batch[:-1]), {}
    if isinstance(batch, (tuple, list)) and not is_opaque(batch):
        if whole or (name := target_name(batch)) is None:
            return tuple(batch), {}
        place = names_of(batch).index(name)
        return (*batch[:place], *batch[place + 1 :]), {}
    if (isinstance(batch, Mapping) and all(isinstance(key, str) for key in batch)) or is_record(batch):
        target = None if whole else target_name(batch)
        return (), {name: _field(batch, name) for name in names_of(batch) if name != target}
    return (batch,), {}


def input_tensor(batch: Batch) -> Tensor | None:
    """Return the first tensor that the model is called with; None where it is called with other things only."""
    if type(batch) is tuple and isinstance(batch[0], Tensor):
        return batch[0]
    return next((leaf for part in inputs_of(batch) for _, leaf in leaves_of(part) if isinstance(leaf, Tensor)), None)


def first_input(batch: Batch) -> Tensor:
    """Return the first tensor that the model is called with: the images, tokens or rows.

    Raises:
        BadInput: if there is none.
    """
    found = input_tensor(batch)
    if found is None:
        raise BadInput(f"the model's inputs hold no tensor; the batch is {kind_of(batch)}.")
    return found


def size_of(batch: Batch) -> int:
    """Return the number of samples.

    It is the length of the target if that is a tensor, or a list whose elements are no tensors; else the first
    dimension that all tensors share, the length of the target if that is a list, or the first dimension of the first
    tensor that has one. Of an opaque batch: its `num_graphs`, `batch_size` or length.

    Raises:
        BadInput: if nothing in the batch says it.
    """
    if type(batch) is tuple and isinstance(batch[-1], Tensor) and batch[-1].ndim:
        return len(batch[-1])
    if is_opaque(batch):
        return _size_of_opaque(batch)
    name = target_name(batch)
    target = None if name is None else _field(batch, name)
    if isinstance(target, (Tensor, np.ndarray)) and target.ndim:
        return len(target)
    listed = target if isinstance(target, (list, tuple)) and not is_opaque(target) else None
    if listed and not any(isinstance(one, Tensor) for one in listed):
        return len(listed)
    lengths = [len(leaf) for _, leaf in leaves_of(batch) if isinstance(leaf, Tensor) and leaf.ndim]
    if listed and len(set(lengths)) != 1:
        return len(listed)
    if lengths:
        return lengths[0]
    inside = [leaf for _, leaf in leaves_of(batch) if is_opaque(leaf)]
    if inside:
        return _size_of_opaque(inside[0])
    lists = [part for part in inputs_of(batch) if isinstance(part, (list, np.ndarray))]
    if lists:
        return len(lists[0])
    raise BadInput(f"a batch must hold a tensor with one row per sample; found {kind_of(batch)}.")


def unsplittable(batch: Batch) -> str | None:
    """Return why a batch cannot be split into parts, selected from or joined with others, or None if it can."""
    for path, leaf in leaves_of(batch):
        if is_opaque(leaf):
            where = f" at {path}" if path else ""
            return f"the batch holds a {type(leaf).__name__}{where}, whose samples only its own class can take apart"
    try:
        size_of(batch)
    except BadInput as error:
        return str(error).rstrip(".")
    return None


def tensors_of(batch: Batch) -> Iterator[Tensor]:
    """Yield every tensor in the order of the batch."""
    return tensors_within(batch)


def nbytes_of(batch: Batch) -> int:
    """Return the bytes of all tensors together."""
    return sum(tensor.nbytes for tensor in tensors_within(batch))


def map_tensors(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return the batch with a change made to every tensor; opaque leaves stay."""
    return mapped(batch, change)


def map_inputs(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return the batch with a change made to every tensor of the inputs; the target stays."""
    name, found = target_name(batch), opened(batch)
    if name is None or found is None:
        return mapped(batch, change)
    parts, rebuild = found
    place = names_of(batch).index(name)
    return rebuild([part if number == place else mapped(part, change) for number, part in enumerate(parts)])


def with_first_input(batch: Batch, value: Tensor) -> Batch:
    """Return the batch with its first input replaced."""
    first = first_input(batch)
    return map_inputs(batch, lambda tensor: value if tensor is first else tensor)


def with_target(batch: Batch, target: Any) -> Batch:
    """Return the batch with its target replaced.

    Raises:
        BadInput: if it has none, or cannot be rebuilt with another one.
    """
    target_of(batch)
    found = opened(batch)
    if found is None:
        raise BadInput(f"the target of {kind_of(batch)} cannot be replaced: only its own class can take it apart.")
    parts, rebuild = found
    place = names_of(batch).index(target_name(batch))
    return rebuild([target if number == place else part for number, part in enumerate(parts)])


def to_device(batch: Batch, device: str | torch.device, *, non_blocking: bool = False) -> Batch:
    """Return the batch on a device; its tensors themselves where they are there already."""
    return mapped(
        batch, lambda tensor: tensor.to(device, non_blocking=non_blocking), opaque=lambda leaf: leaf.to(device)
    )


def pinned(batch: Batch) -> Batch:
    """Return the batch in page-locked host memory; tensors of an accelerator stay where they are."""
    return mapped(
        batch,
        lambda tensor: tensor.pin_memory() if tensor.is_cpu else tensor,
        opaque=lambda leaf: leaf.pin_memory() if hasattr(leaf, "pin_memory") else leaf,
    )


def select(batch: Batch, ids: Tensor | slice) -> Batch:
    """Return some samples of a batch.

    Raises:
        BadInput: if it cannot be taken apart (`unsplittable`).
    """
    if _is_plain(batch):
        return tuple(tensor[ids] for tensor in batch)
    size, leaves, rebuild = _taken_apart(batch)
    numbers = torch.arange(size)[ids].tolist()
    return rebuild([_taken(leaf, ids, numbers) if _carries(leaf, size) else leaf for leaf in leaves])


def split_batch(batch: Batch, size: int | None, *, unsafe: bool = False) -> tuple[Batch, ...]:
    """Return the batch in parts of at most `size` samples, or whole if it has no more than that.

    Args:
        batch: is shared by the parts, not copied.
        size: samples of a part.
        unsafe: let the parts be changed in place one by one, which autograd forbids for parts of one tensor; for
            batches that nothing else uses.

    Raises:
        BadInput: if it cannot be taken apart (`unsplittable`).
    """
    if size is None or size_of(batch) <= size:
        return (batch,)
    parts = torch.unsafe_split if unsafe else torch.split
    if _is_plain(batch):
        return tuple(zip(*(parts(tensor, size) for tensor in batch), strict=True))
    samples, leaves, rebuild = _taken_apart(batch)
    starts = range(0, samples, size)

    def cut(leaf: Any) -> Sequence[Any]:
        if not _carries(leaf, samples):
            return [leaf] * len(starts)
        return parts(leaf, size) if isinstance(leaf, Tensor) else [leaf[start : start + size] for start in starts]

    return tuple(rebuild(row) for row in zip(*map(cut, leaves), strict=True))


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Return the samples of all batches as one batch.

    Raises:
        BadInput: if one cannot be taken apart (`unsplittable`), or what belongs to a whole batch differs between them.
    """
    if all(map(_is_plain, batches)):
        return tuple(torch.cat(tensors) for tensors in zip(*batches, strict=True))
    for batch in batches:
        _check_splittable(batch)
    return _joined(batches, [size_of(batch) for batch in batches], root=True)


def stack(samples: Iterable[Sequence[Tensor]]) -> Batch:
    """Return samples as one batch; their tensors have no dimension of samples yet."""
    return tuple(torch.stack(tensors) for tensors in zip(*samples, strict=True))


def changed_in_turn(batch: Batch, changes: Iterable[Callable[[Batch], Batch]]) -> Batch:
    """Return the batch after one change after the other."""
    for change in changes:
        batch = change(batch)
    return batch


def _holds_values(value: object) -> bool:
    return isinstance(value, (Tensor, np.ndarray, list, tuple, Mapping))


def _field(batch: Batch, name: Any) -> Any:
    return batch[name] if isinstance(batch, Mapping) or isinstance(name, int) else getattr(batch, name)


def _size_of_opaque(batch: Any) -> int:
    for name in ("num_graphs", "batch_size"):
        value = getattr(batch, name, None)
        if isinstance(value, int):
            return value
    if hasattr(batch, "batch_sizes"):  # a PackedSequence: sequences that are still running at the first place
        return int(batch.batch_sizes[0])
    try:
        return len(batch)
    except TypeError as error:
        raise BadInput(
            f"the number of samples of a {type(batch).__name__} must be known; give it an attribute `batch_size`."
        ) from error


def _is_plain(batch: Batch) -> bool:
    """Return whether this is a tuple of tensors with one row per sample: what the fast paths take."""
    if type(batch) is not tuple or not batch or not isinstance(batch[-1], Tensor) or not batch[-1].ndim:
        return False
    rows = batch[-1].shape[0]
    return all(isinstance(one, Tensor) and one.ndim > 0 and one.shape[0] == rows for one in batch)


def _taken_apart(batch: Batch) -> tuple[int, list[Any], Callable[[Sequence[Any]], Batch]]:
    """Return the number of samples, the leaves, with lists of one element per sample among them, and how to rebuild."""
    _check_splittable(batch)
    size = size_of(batch)
    return size, *flattened(batch, lambda value: value is not batch and _carries(value, size))


def _check_splittable(batch: Batch) -> None:
    if (reason := unsplittable(batch)) is not None:
        raise BadInput(f"a batch cannot be taken apart: {reason}.")


def _carries(value: Any, size: int) -> bool:
    """Return whether a leaf or a list has one row or element per sample."""
    return _all_carry([value], [size])


def _all_carry(values: Sequence[Any], sizes: Sequence[int]) -> bool:
    """Return whether the same place of several batches has one row or element per sample in each.

    Three images of three channels in a batch of three could be columns; beside a batch of another size they are not.
    """
    if all(isinstance(value, (Tensor, np.ndarray)) for value in values):
        return all(value.ndim > 0 and value.shape[0] == size for value, size in zip(values, sizes, strict=True))
    if any(type(value) not in (list, tuple) for value in values) or [len(value) for value in values] != list(sizes):
        return False
    return not all(map(_is_columns, values, sizes))


def _is_columns(value: Any, size: int) -> bool:
    tensors = list(tensors_within(value))
    return bool(tensors) and all(one.ndim > 0 and one.shape[0] == size for one in tensors)


def _joined(values: Sequence[Any], sizes: Sequence[int], *, root: bool = False) -> Any:
    first = values[0]
    if (not root or isinstance(first, Tensor)) and _all_carry(values, sizes):
        if isinstance(first, Tensor):
            return torch.cat(list(values))
        return np.concatenate(values) if isinstance(first, np.ndarray) else type(first)(chain.from_iterable(values))
    found = [opened(value) for value in values]
    if found[0] is None:
        if not all(_same(first, value) for value in values):
            raise BadInput(
                "batches can be joined only where what has no row per sample is the same in all; found "
                f"{' and '.join(dict.fromkeys(map(kind_of, values)))} with other values."
            )
        return first
    if any(names_of(value) != names_of(first) for value in values):
        raise BadInput(f"batches can be joined only if all have one form; found {' and '.join(map(kind_of, values))}.")
    columns = zip(*(parts for parts, _ in cast(list[tuple[Sequence[Any], Rebuild]], found)), strict=True)
    return found[0][1]([_joined(column, sizes) for column in columns])


def _taken(leaf: Any, ids: Tensor | slice, numbers: list[int]) -> Any:
    if isinstance(leaf, Tensor):
        return leaf[ids]
    if isinstance(leaf, np.ndarray):
        return leaf[numbers]
    return type(leaf)(leaf[number] for number in numbers)


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)
