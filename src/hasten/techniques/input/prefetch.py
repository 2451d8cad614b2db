"""Make the next batches in a thread while the step computes.

What it does
    Fetches, augments, copies and prepares up to `depth` batches ahead, in one thread that uses one core. On a GPU the
    copy runs from pinned memory on a stream of its own.

Why it helps
    The step no longer waits for its data, as long as making a batch takes no longer than a step.

When it hurts
    On the CPU the thread takes a core from the step: where data cost next to nothing there is nothing to win. Data
    sets that compute in Python hold Python's lock while they do.

Numerics
    The same batches in the same order: equal bit for bit.

Known problems
    Validation is not read ahead.

Source
    Double buffering; tf.data's `prefetch` (Murray et al., 2021, arXiv:2101.12127).
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.loading.loaders import whole
from hasten.techniques.input.sample_loading import cannot_be_made_ahead
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

DEEPEST = 64
_AHEAD = '''def made_ahead(batches: Iterator[Any], depth: int) -> Iterator[Any]:
    """Yield batches, up to `depth` of which a thread makes before they are asked for."""
    made: queue.Queue[Any] = queue.Queue(depth)

    def make() -> None:
        try:
            for batch in batches:
                made.put((batch, None))
        except Exception as error:
            made.put((None, error))

    threading.Thread(target=make, daemon=True).start()
    while True:
        batch, error = made.get()
        if error is not None:
            raise error
        yield batch'''
"""Training batches have no end, so the thread runs until the process ends."""


@dataclass(frozen=True)
class Prefetch:
    """Make batches ahead in a thread."""

    depth: Annotated[
        int, Meta(ge=1, le=DEEPEST, description="batches that may be ready before the step wants them")
    ] = 3

    card: ClassVar[Card] = Card(
        name="prefetch",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="prefetch: prepare the next batches in a thread during the step",
        source="Murray et al., 2021, arXiv:2101.12127",
        treats=("input_bound", "h2d_bound"),
        after=(
            "batched_gather",
            "resident",
            "fastest_loader",
            "loader_threads",
            "loader_process",
            "loader_workers",
            "packed_store",
        ),
        exploits=("pinned memory",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse a full batch, and batches whose making moves a generator or other state that a checkpoint holds."""
        if recipe.input.loader is whole:
            return "a full batch is built only once"
        return cannot_be_made_ahead(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Let the session make batches ahead."""
        return recipe.with_input(ahead=self.depth)

    def nearby(self) -> tuple["Prefetch", ...]:
        """Return three times the depth, for batches whose making takes longer at times."""
        return (replace(self, depth=3 * self.depth),) if 3 * self.depth <= DEEPEST else ()

    def source(self, recipe: Recipe) -> Source:
        """Return the thread that makes batches ahead."""
        return Source(
            imports=(
                "import queue",
                "import threading",
                "from collections.abc import Iterator",
                "from typing import Any",
            ),
            definitions=_AHEAD,
            batches=f"made_ahead(train_batches, {self.depth})",
        )
