"""What a script is written from, and the lines of its techniques by their place."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from hasten.pipeline.eject.copying import Copier, indented
from hasten.pipeline.eject.objective import Objective
from hasten.pipeline.eject.own_step import OwnStep
from hasten.pipeline.eject.quality import Metric
from hasten.pipeline.eject.random_numbers import draw_elsewhere
from hasten.pipeline.eject.samples import Samples
from hasten.pipeline.eject.updating import Updating
from hasten.techniques.source import Place, Source

_MAIN_SLOTS: tuple[Place, ...] = (
    "settings", "order", "fetch", "batches", "model", "forward", "prepare", "curriculum", "context", "gradient",
    "update", "evaluation",
)  # fmt: skip
_COMMENT_WIDTH = 100


@dataclass(frozen=True)
class Block:
    """A technique in the script: its name, its comment and its lines."""

    name: str
    comment: str
    source: Source

    @property
    def place(self) -> Place:
        """Where the comment stands: at the first of its lines, in the order of the script."""
        if self.source.at is not None:
            return self.source.at
        return next(slot for slot in _MAIN_SLOTS if getattr(self.source, slot))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a script makes batches of what `load` returns.

    Args:
        options: further arguments of the `DataLoader` that reads samples by number.
        collate: expression of the function that makes a batch of samples.
        train_pass: statements that yield a pass over training data that make their own batches; empty for samples that
            are read by number.
        valid_pass: likewise for the validation data.
        has_valid: whether there are validation data, and not only an evaluation of the person's own.
        train_draws: statements that seed the generators that training samples draw from, by `seed`; empty where they
            draw nothing.
        valid_draws: likewise for validation samples.
    """

    options: str = ""
    collate: str = ""
    train_pass: str = ""
    valid_pass: str = ""
    has_valid: bool = True
    train_draws: tuple[str, ...] = ()
    valid_draws: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a script is written from.

    Args:
        title: first line of its docstring.
        notes: further lines of its docstring.
        device: to train on.
        seed: of the task.
        batch_size: samples per update.
        valid_batch_size: samples per validation batch.
        micro_batch: samples of a part of a batch; None for whole batches.
        full_batch: whether every update uses all samples.
        reading: how batches are made.
        augment: expressions of the random changes of training batches, in their order.
        steps: of the training; None if only time or epochs end it.
        epochs: of the training, where it is not known how many steps they have.
        evaluate_every: steps between evaluations; None for the end of each epoch, which only reading the data tells.
        steps_per_epoch: steps of an epoch; None where only reading the data tells.
        seconds: wall-clock budget.
        target: value of the metric that is good enough.
        plateau: relative change of the training loss between two evaluations that ends the training.
        patience: evaluations without a better metric that end the training.
        samples: how the data are loaded.
        model: expression that builds the model.
        lazy: whether the model has layers that take their sizes from a batch.
        objective: forward pass and loss.
        metric: what quality means.
        updating: optimizer and schedule.
        own_step: the step that the task makes itself; None for forward, backward and update.
        prepare: functions that change every batch.
        blocks: techniques, in the order of the stages.
        copier: what is imported and copied.
    """

    title: str
    notes: Sequence[str]
    device: str
    seed: int
    batch_size: int
    valid_batch_size: int
    micro_batch: int | None
    full_batch: bool
    reading: Reading
    augment: Sequence[str]
    steps: int | None
    epochs: int | None
    evaluate_every: int | None
    steps_per_epoch: int | None
    seconds: float | None
    plateau: float | None
    target: float | None
    patience: int | None
    samples: Samples
    model: str
    lazy: bool
    objective: Objective
    metric: Metric
    updating: Updating
    own_step: OwnStep | None
    prepare: Sequence[str]
    blocks: Sequence[Block]
    copier: Copier = field(default_factory=Copier)

    @property
    def batch_type(self) -> str:
        """The type of a batch."""
        moved = self.objective.calling.moved
        if self.objective.calling.form == "columns":
            return "tuple[Tensor, ...]" if moved.startswith("tuple") else "list[Tensor]"
        return "dict[str, Tensor]" if self.objective.calling.form == "fields" else "Any"

    @property
    def generators(self) -> bool:
        """Whether something may draw from the random generators of Python or numpy."""
        texts = [*self.copier.pieces.values(), *self.samples.copier.pieces.values(), self.samples.definition]
        texts += [self.model, *(block.source.definitions for block in self.blocks)]
        return draw_elsewhere("\n".join(texts), self.copier.imports | self.samples.copier.imports)

    @property
    def by_epoch(self) -> bool:
        """Whether the loop goes through the epochs one by one, since only reading the data tells where one ends."""
        counted = self.evaluate_every is not None and self.steps is not None and not self.updating.moved_by_epoch
        return self.steps_per_epoch is None and not counted

    @property
    def sums_parts(self) -> bool:
        """Whether `loss_of` returns the sum of the terms, since a batch is computed in parts."""
        return self.micro_batch is not None and bool(self.objective.summed)

    @property
    def is_scored(self) -> bool:
        """Whether the metric needs the model's output."""
        return "output" in self.metric.batch

    def lines(self, slot: Place, form: str = "{}") -> list[str]:
        """Return the lines that the techniques have in a slot, each with its comment if it stands there."""
        found: list[str] = []
        for block in self.blocks:
            if text := getattr(block.source, slot):
                found += [*comment(block, slot), *form.format(text).split("\n")]
        return found

    def comments(self, place: Place) -> list[str]:
        """Return the comments of the techniques that stand at a place."""
        return [line for block in self.blocks for line in comment(block, place)]

    def in_evaluation(self, lines: list[str]) -> list[str]:
        """Return lines that see the weights to judge and to keep."""
        for context in (block.source.evaluation for block in self.blocks if block.source.evaluation):
            lines = [f"with {context}:", *indented(lines)]
        return lines


def comment(block: Block, place: str) -> list[str]:
    """Return the comment of a technique if it stands at this place."""
    if block.place != place:
        return []
    return textwrap.wrap(
        block.comment, _COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False
    )
