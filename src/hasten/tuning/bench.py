"""A recipe, built and warm, that runs blocks of its own training steps for a paired comparison."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Self

from hasten.base.errors import BadInput
from hasten.data.batch import Batch
from hasten.measurement.memory import peak_memory
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import build, with_forward
from hasten.training.effects import Seen, watched
from hasten.training.position import Position
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.training.step import step
from hasten.tuning.budget import check_time, now_s
from hasten.tuning.reference_step import put, state_of

WARM_STEPS = 2
LONG_STEP_S = 0.25
"""Where a step takes so long, one is enough to warm up, and one makes a block."""
GOLDEN = (math.sqrt(5) - 1) / 2
PEAK_STEPS = 8
"""Places of a training that changes its batches at which its memory is watched: the largest are among them."""


class Bench:
    """One side of a comparison: call it with a number of steps to make them.

    A step is what the loop does between two reports: the recipe's own loader, its learning rate, its switches. The
    epochs come round without end; nothing is evaluated. On a GPU a call returns when the device has finished. The
    switches are on for a call, or for a `with` block around several, as they stay on for an epoch of a training.

    Where batches change with the share of the run that is done (a curriculum), successive steps lie all over the run,
    each where the widest gap was left (multiples of the golden ratio, modulo 1), so that few steps stand for all of it.
    Where samples are passed over by what is known of them, one epoch is made before, in which it becomes known.

    Attributes:
        setup_s: what the first steps took longer than the same steps again: compilation, mostly.
        step_s: seconds of a step, from the warm-up: a guess, to plan with.

    Args:
        recipe: what is built. Building seeds the global generators.
        seed: in place of the task's.
        beside: sessions that may be used again where only the forward pass differs; both then train one model.
    """

    def __init__(self, recipe: Recipe, *, seed: int | None = None, beside: Iterable[Session] = ()) -> None:
        switched = (with_forward(run, recipe) for run in beside)
        self.run = next((run for run in switched if run is not None), None) or build(recipe, seed=seed)
        self._start = state_of(self.run)
        self._moves = 0
        self._batches = batches_in_turn(self.run)
        if self.run.sampling is not None:
            per_epoch = recipe.subject.steps_per_epoch
            assert per_epoch is not None, "a sampling needs training data with a length"
            self(per_epoch)
            self.rewind()
        first_s, steps = self._visit(1), 1
        if first_s < 2 * LONG_STEP_S:
            steps = WARM_STEPS
            first_s += self._visit(steps - 1)
        again_s = self._visit(steps)
        self.setup_s = max(0.0, first_s - again_s)
        self.step_s = again_s / (2 * steps)
        self.rewind()

    def __enter__(self) -> Self:
        self.run.contexts.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.run.contexts.__exit__(*error)

    def __call__(self, steps: int) -> None:
        run = self.run
        begin = now_s()
        with run.contexts:
            for _ in range(steps):
                check_time()
                step(run, self._next_batch())
        run.recipe.device.synchronize()
        run.position.elapsed_s += now_s() - begin

    def _next_batch(self) -> Batch:
        """Return the next batch, with the learning rate of its step set."""
        if self.run.recipe.input.curriculum:
            self._move_on()
        batch = next(self._batches)
        self.run.set_learning_rate()
        return batch

    @property
    def samples_per_step(self) -> float:
        """Samples of the training data that a step advances by, over an epoch; those that it passes over included."""
        run = self.run
        if run.samples is None:
            return run.recipe.input.batch_size
        used = run.samples if run.sampling is None else int(run.sampling.kept().sum())
        return run.samples / math.ceil(used / run.recipe.input.batch_size)

    def rewind(self) -> None:
        """Go back to the first step, so that both sides of a comparison see the same data and weights."""
        put(self.run, self._start)
        self._batches = batches_in_turn(self.run)

    def peak_bytes(self) -> int | None:
        """Return the most tensor memory that a step needs, or None where it cannot be watched (compiled code).

        It is that of the step and its batch, as in a profile; not of the data set that the batch is taken from.
        """
        device = self.run.recipe.parallel.device
        steps = PEAK_STEPS if self.run.recipe.input.curriculum else 1
        self(1)  # which makes the state of the optimizer
        try:
            with self.run.contexts:
                return max(
                    peak_memory(partial(step, self.run, self._next_batch()), device=device).peak_bytes
                    for _ in range(steps)
                )
        except BadInput:
            return None

    def watched_step(self) -> Seen:
        """Return what a step really does, recorded by torch's profiler; then go back to the first step."""
        with watched() as seen:
            self(1)
        self.rewind()
        return seen

    def _move_on(self) -> None:
        """Go to another share of the run; the batches come on in their order."""
        stop, share = self.run.recipe.task.stop, self._moves * GOLDEN % 1
        self._moves += 1
        self.run.position.step = int(share * (self.run.recipe.subject.planned_steps or 0))
        self.run.position.elapsed_s = share * (stop.seconds or 0.0)

    def _visit(self, steps: int) -> float:
        """Make the epoch's first steps and those around its end, whose batch may be smaller; return the seconds."""
        begin = now_s()
        known = None if self.run.samples is None else self.run.recipe.subject.steps_per_epoch
        per_epoch = known or 1  # the end of a stream's epoch is found by iterating to it
        for batch_number in (0, per_epoch - 1):
            self.run.position = Position(offset=batch_number * self.run.recipe.input.batch_size)
            self._batches = batches_in_turn(self.run)
            self(steps)
        return now_s() - begin
