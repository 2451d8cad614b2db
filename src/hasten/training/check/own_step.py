"""Checks of a step that the task makes itself: one is made on a session of its own."""

from dataclasses import replace

import torch
from torch import Tensor

from hasten.base.errors import BadInput, HastenError
from hasten.training.building import build
from hasten.training.check.failure import failure, with_batch
from hasten.training.check.update import check_saved
from hasten.training.recipe import baseline
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.task import Task


def check_own_step(task: Task) -> None:
    """Make one step of a task on a new model, and compute the loss of one validation batch where it has them.

    What the step's own objects hold, and the data's generators, are put back.

    Raises:
        BadInput: if the step fails, returns no finite loss, or does nothing to the model; or the model cannot be judged
            on the validation data.
    """
    run = build(baseline(replace(task, uses={})))
    kept = run.objects.state()
    try:
        batch = next(run.batches())[1]
        before = [one.detach().clone() for one in run.parameters]
        with run.contexts, with_batch(batch, "training"):
            try:
                loss = step(run, batch)
            except HastenError:
                raise
            except Exception as error:
                raise failure("Task.step must make a step on a batch of the training data", error) from error
            if not bool(loss.average().isfinite()):
                raise BadInput(f"the loss must be finite at the start; Task.step returned {float(loss.average())}.")
            _check_effect(run, before)
            check_saved(run.optimizer)
            _check_judged(run)
    finally:
        run.objects.load_state(kept)
        task.data.rewind()


def _check_effect(run: Session, before: list[Tensor]) -> None:
    changed = any(not torch.equal(one, other) for one, other in zip(run.parameters, before, strict=True))
    if not changed and all(one.grad is None for one in run.parameters):
        raise BadInput(
            "Task.step must update the model; found that it changes no parameter and leaves no gradient. Call "
            "backward() on the loss, and step() of each of session.optimizers."
        )


def _check_judged(run: Session) -> None:
    batch = next(run.validation_batches(), None) if run.validation is not None else None
    if batch is None:
        return
    run.model.eval()
    with torch.no_grad(), with_batch(batch, "validation"):
        try:
            run.loss(run.predict(batch), batch)
        except Exception as error:
            raise failure(
                "the model must be called with a validation batch and its loss computed (Task.loss, predict or "
                "objective): Task.step is for training alone",
                error,
                "Or judge it by Task.validate, and leave out Data(valid=...).",
            ) from error
