"""Steps of a built session outside the loop: the real ones, and those that leave the weights alone."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch

from hasten.base.errors import error_text
from hasten.base.seeds import preserved
from hasten.data.batch import Batch, concatenate, map_tensors, select, size_of, unsplittable
from hasten.data.loading.loaders import Fetched
from hasten.training.data_parallel import agree
from hasten.training.loop import train
from hasten.training.marks import Mark, unmarked
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.task import Stop
from hasten.training.transforms import Attached, Parameters, Stateless

NEVER = 10**15
"""Steps that no training makes."""

_TRIED = 32  # samples
_SMALLEST_PART = 2  # samples; batch normalization cannot train on one


def batches_in_turn(run: Session) -> Generator[Batch]:
    """Yield the session's batches without end, moving its place on after each."""
    for ids, batch in run.batches():
        yield batch
        run.advance(len(ids), 0.0)


def next_step(run: Session, batches: Iterator[Fetched]) -> None:
    """Make the step of the batch that comes next as the loop makes it, processes that train together included.

    Args:
        run: the session, with its contexts entered.
        batches: its own, from its place on.
    """
    ids, batch = next(batches)
    run.set_learning_rate()
    step(run, batch)
    run.advance(len(ids), 0.0)
    if (processes := run.recipe.parallel.processes) is not None:
        agree(run, processes)


def set_aside_stop_rules(run: Session, *, evaluate_every: int | None = None) -> None:
    """Let the session's loop go on without end, with an evaluation due every so many steps, or never."""
    none = {field.name: None for field in fields(Stop)}
    run.recipe = run.recipe.with_stop(**none | {"steps": NEVER, "evaluate_every": evaluate_every or NEVER})


def one_batch(run: Session) -> Batch:
    """Return the batch that comes next, leaving the place as it is."""
    return next(run.batches())[1]


def loop_steps(run: Session, count: int, mark: Mark = unmarked) -> None:
    """Make so many steps by the real loop, whose stop rules must be set aside; it reports once, at the end."""
    own, last = run.gradient, run.position.step + count - 1

    def counted(parameters: Parameters) -> bool:
        # here and not where data are fetched, which may run ahead of the steps; a step may call it several times
        if run.position.step == last:
            run.interrupted_by = 0  # no signal; the loop looks at it at the end of this step
        return True

    run.gradient = (*own, Attached(Stateless(counted)))
    try:
        for _ in train(run, mark):
            pass
    finally:
        run.gradient, run.interrupted_by = own, None


@contextmanager
def weights_kept(run: Session) -> Generator[None]:
    """Make steps compute and clear gradients as usual, but never update."""
    own = run.gradient
    run.gradient = (*own, Attached(Stateless(_never)))
    try:
        yield
    finally:
        run.gradient = own


def resized(batch: Batch, size: int) -> Batch:
    """Return a batch of `size` samples in memory of its own: the first ones, or all again and again."""
    have = size_of(batch)
    if size <= have:
        return map_tensors(select(batch, slice(size)), torch.clone)
    times = -(-size // have)
    return select(concatenate([batch] * times), slice(size))


def why_one_size(recipe: Recipe) -> str | None:
    """Return why steps on fewer or more samples than a batch has say nothing, or None.

    A batch may hold what only its own class can split, or rows that refer to each other (the edges of a graph). It is
    tried on the CPU: an index out of range would leave a GPU unusable.
    """
    batch = recipe.subject.batch(min(recipe.input.batch_size, _TRIED))
    if (reason := unsplittable(batch)) is not None:
        return reason
    model = recipe.subject.fresh_model()
    try:
        with preserved(), torch.no_grad():
            part = resized(batch, max(_SMALLEST_PART, size_of(batch) // 4))
            recipe.forward.loss(recipe.forward.predict(model, part), part)
    except Exception as error:  # noqa: BLE001  (the person's model, on a batch that the loader did not make)
        if recipe.task.step is not None:
            return "the task's own step may not take a part of a batch"
        return f"the model fails on a part of a batch ({error_text(error)})"
    return None


def _never(parameters: Parameters) -> bool:
    return False
