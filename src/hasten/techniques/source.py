"""What a technique adds to a plain PyTorch script: how a plan is written out without hasten."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from hasten.training.recipe import Recipe

Place = Literal[
    "batch", "augment", "order", "fetch", "batches", "settings", "model", "forward", "prepare", "curriculum",
    "context", "parts", "setup", "gradient", "optimizer", "schedule", "update", "evaluation",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Source:
    """The lines of one technique, by their place in the script.

    Lines see the names of the script: `model`, `optimizer`, `batch` (a tuple, the target last), `parameters` (name ->
    parameter, of those that are trained), `step` (from 1), `train_data`, `DEVICE`, `SEED`, `BATCH_SIZE`, `STEPS`.

    Args:
        at: where the comment of the technique stands if it has no lines: its whole effect is on the values that the
            script is written from (batch size, learning rate, options of the optimizer, schedule).
        options: keyword arguments that the optimizer has gained, where that is all that changes.
        imports: import statements that the lines need.
        copies: functions and classes of hasten that the lines call; they are copied with all that they use.
        definitions: functions and classes at the top of the script.
        order: expression of the ids of an epoch, from `samples` and `epoch`.
        fetch: expression of a batch, a tuple of tensors, from `data` and `ids`.
        batches: expression of an iterator over training batches, from `train_batches`, the one without the technique.
        settings: process-wide settings, made before anything else.
        model: statements that change `model`, before it is moved to the device.
        forward: expression of what is called in training in place of `model`.
        prepare: statements that change `batch`, in training and validation.
        curriculum: statements that change a training batch further; they also see `progress`, from 0 to 1.
        context: expression of a context manager around forward pass and loss.
        setup: statements between making the optimizer and the first step.
        gradient: statements between backward pass and update.
        skip: expression that is true for an update that is left out; evaluated after `gradient`.
        update: statements after each update.
        evaluation: expression of a context manager around each evaluation, and around the end of the training.
        undo: statements that change the trained `model` back before it is saved.
    """

    at: Place | None = None
    options: str = ""
    imports: tuple[str, ...] = ()
    copies: tuple[Any, ...] = ()
    definitions: str = ""
    order: str = ""
    fetch: str = ""
    batches: str = ""
    settings: str = ""
    model: str = ""
    forward: str = ""
    prepare: str = ""
    curriculum: str = ""
    context: str = ""
    setup: str = ""
    gradient: str = ""
    skip: str = ""
    update: str = ""
    evaluation: str = ""
    undo: str = ""


@runtime_checkable
class Ejectable(Protocol):
    """A technique that can be written out; the others are left out of an ejected script, and named."""

    def source(self, recipe: Recipe) -> Source:
        """Return the lines of the technique; `recipe` is the one that it is applied to.

        Raises:
            Refused: if this model or these data cannot be served by lines of a script; with the reason.
        """
        ...
