"""What a run reports between steps: its training losses, and the quality of the model on the validation data."""

import math

import torch

from hasten.base.records.run import Evaluation, Progress
from hasten.base.units import finite
from hasten.data.batch import target_of
from hasten.training.final_weights import final_weights
from hasten.training.loss import Loss, totals
from hasten.training.session import Session


def report(run: Session, done: list[Loss]) -> Progress:
    """Return the mean losses of the steps in `done` as a record, and empty the list; 0 where no term counted.

    Reading a loss waits for the device, so it happens here, a few times a second, and not in every step.
    """
    sums, counts = totals(done)
    for total, count in zip(sums, counts, strict=True):  # one by one: the same however often progress is reported
        run.stop_state.loss_sum += total
        run.stop_state.loss_count += count
    samples = run.position.epoch * run.samples + run.position.offset
    done.clear()
    return Progress(
        step=run.position.step,
        epoch=run.position.epoch,
        elapsed_s=run.position.elapsed_s,
        losses=tuple(finite(total / count) if count else 0.0 for total, count in zip(sums, counts, strict=True)),
        samples_per_s=samples / run.position.elapsed_s,
    )


def evaluate(run: Session) -> Evaluation:
    """Evaluate the model on the validation data and update what the stop rules and the schedule remember.

    The session is whole when this returns: what the next step depends on includes this evaluation.
    """
    valid_loss = _validation_loss(run)
    stop_state, metric = run.stop_state, run.quality.value(valid_loss)
    best = run.quality.is_better(metric, stop_state.best)
    train_loss = finite(stop_state.loss_sum / stop_state.loss_count) if stop_state.loss_count else None
    stop_state.train_loss_before, stop_state.train_loss = stop_state.train_loss, train_loss
    stop_state.loss_sum, stop_state.loss_count = 0.0, 0
    stop_state.waited = 0 if best else stop_state.waited + 1
    if best:
        stop_state.best, stop_state.best_step = metric, run.position.step
    stop_state.evaluation_pending = False
    if run.plateau is not None:
        run.plateau.see(valid_loss)
    return Evaluation(
        step=run.position.step,
        epoch=run.position.epoch,
        elapsed_s=run.position.elapsed_s,
        train_loss=train_loss,
        valid_loss=finite(valid_loss),
        metric=finite(metric),
        best=best,
    )


def _validation_loss(run: Session) -> float:
    """Return the mean loss per term over all validation batches, and add them to the run's metric."""
    total, count = 0.0, 0.0
    run.model.eval()
    with torch.no_grad(), final_weights(run.optimizer):
        for batch in run.validation_batches():
            output = run.predict(batch)
            loss = run.loss(output, batch)
            total, count = total + float(loss.sum), count + float(loss.count)
            run.quality.add(output, target_of(batch))
    run.model.train()
    return total / count if count else math.nan
