"""A recipe, built and warm, that runs blocks of its own training steps for a paired comparison."""

import torch

from hasten.base.errors import BadInput
from hasten.measurement.memory import peak_memory
from hasten.training.loop import step
from hasten.training.place import Place
from hasten.training.recipe import Recipe
from hasten.training.session import build, steps_per_epoch
from hasten.tuning import clock
from hasten.tuning.probe import endless, put, state_of

WARM_STEPS = 2


class Bench:
    """One side of a comparison: call it with a number of steps to make them.

    A step is what the loop does between two reports: the recipe's own loader, its learning rate, its switches. The
    epochs come round without end; nothing is evaluated. On a GPU a call returns when the device has finished.

    Attributes:
        setup_s: what the first steps took longer than the same steps again: compilation, mostly.
        step_s: seconds of a step, from the warm-up: a guess, to plan with.

    Args:
        recipe: what is built. Building seeds the global generators.
        seed: in place of the task's.
    """

    def __init__(self, recipe: Recipe, *, seed: int | None = None) -> None:
        self.run = build(recipe, seed=seed)
        self._start = state_of(self.run)
        self._batches = endless(self.run)
        first_s = self._visit()
        again_s = self._visit()
        self.setup_s = max(0.0, first_s - again_s)
        self.step_s = again_s / (2 * WARM_STEPS)
        self.rewind()

    def __call__(self, steps: int) -> None:
        run, batches = self.run, self._batches
        begin = clock.now_s()
        with run.switched_on():
            for _ in range(steps):
                batch = next(batches)
                run.set_learning_rate()
                step(run, batch)
        if run.recipe.parallel.device != "cpu":
            torch.cuda.synchronize()
        run.place.elapsed_s += clock.now_s() - begin

    def rewind(self) -> None:
        """Go back to the first step, so that both sides of a comparison see the same data and weights."""
        put(self.run, self._start)
        self._batches = endless(self.run)

    def peak_bytes(self) -> int | None:
        """Return the most tensor memory that a step needs, or None where it cannot be watched (compiled code)."""
        try:
            return peak_memory(lambda: self(1), device=self.run.recipe.parallel.device).peak_bytes
        except BadInput:
            return None

    def _visit(self) -> float:
        """Make the epoch's first steps and those around its end, whose batch may be smaller; return the seconds."""
        begin = clock.now_s()
        for batch_number in (0, max(0, steps_per_epoch(self.run.recipe) - 1)):
            self.run.place = Place(offset=batch_number * self.run.recipe.input.batch_size)
            self._batches = endless(self.run)
            self(WARM_STEPS)
        return clock.now_s() - begin
