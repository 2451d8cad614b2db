"""A training whose processes hold parts of layers, read in one of them without the others."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from hasten.measurement.tensors import nbytes
from hasten.profiling.stepping import one_batch, resized
from hasten.techniques.parallel.one_part import in_one_part
from hasten.techniques.parallel.splitting import Splitting, splitting
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.tuning.layouts.readings import line, sizes
from hasten.tuning.state import untouched


def in_parts(recipe: Recipe, parts: int) -> tuple[Recipe, Splitting]:
    """Return the recipe of the first of so many parts, and what is divided."""
    found = splitting(recipe, parts)
    return in_one_part(recipe, found, parts), found


def summed(part: Recipe, found: Splitting, shares: int) -> tuple[tuple[float, float], ...]:
    """Return the bytes of each tensor that the parts add up in a pass, as a constant and a slope over samples.

    Args:
        part: the recipe of one part.
        found: what is divided.
        shares: of the batch.
    """
    with untouched():
        run = build(part)
        batch = one_batch(run)
        read = list[list[int]]()
        micro_batches = sizes(part.input.batch_size, shares)
        for size in micro_batches:
            with run.contexts, added_up(run.model, found) as seen:
                run.predict(resized(batch, size))
            read.append(seen)
    return tuple(line(micro_batches, pair) for pair in zip(*read, strict=True))


@contextmanager
def added_up(model: nn.Module, found: Splitting) -> Generator[list[int]]:
    """Collect the bytes of what the parts of a model add up while it runs and in its backward pass.

    That is the output of each row layer and attention, and the gradient of each tensor that column layers and
    attentions take.
    """
    seen = list[int]()
    hooks = list[Any]()
    for attention in map(model.get_submodule, found.attentions):
        hooks.append(attention.register_forward_hook(partial(_attends, seen), with_kwargs=True))
    for split in found.splits:
        taken = list[Tensor]()
        enter = partial(_enters, seen, taken)
        hooks += [model.get_submodule(name).register_forward_pre_hook(enter) for name in split.columns]
        hooks.append(model.get_submodule(split.row).register_forward_hook(partial(_leaves, seen, taken.clear)))
    try:
        yield seen
    finally:
        for one in hooks:
            one.remove()


def _enters(seen: list[int], taken: list[Tensor], module: nn.Module, args: tuple[Tensor, ...]) -> None:
    if args[0].requires_grad and all(args[0] is not one for one in taken):
        taken.append(args[0])
        seen.append(nbytes(args[0]))


def _attends(seen: list[int], module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
    given = [*args[:3], *(options[name] for name in ("query", "key", "value") if name in options)]
    distinct = {id(one): one for one in given if one.requires_grad}
    seen.extend(nbytes(one) for one in (*distinct.values(), *(part for part in output if part is not None)))


def _leaves(seen: list[int], forget: Callable[[], None], module: nn.Module, args: Any, output: Tensor) -> None:
    seen.append(nbytes(output))
    forget()
