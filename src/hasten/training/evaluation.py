"""What a run says between steps: its training losses, and how good the model is on the validation data."""

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
    run.stop_state.loss_sum += sum(sums)
    run.stop_state.loss_count += sum(counts)
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
    """Judge the model on the validation data, in evaluation mode and without gradients."""
    total, count = 0.0, 0.0
    run.model.eval()
    with torch.no_grad(), final_weights(run):
        for batch in run.validation_batches():
            output = run.predict(batch)
            loss = run.loss(output, batch)
            total, count = total + float(loss.sum), count + float(loss.count)
            run.quality.add(output, target_of(batch))
    run.model.train()
    stop_state, valid_loss = run.stop_state, total / count if count else math.nan
    metric = run.quality.value(valid_loss)
    best = run.quality.is_better(metric, stop_state.best)
    evaluation = Evaluation(
        step=run.position.step,
        epoch=run.position.epoch,
        elapsed_s=run.position.elapsed_s,
        train_loss=finite(stop_state.loss_sum / stop_state.loss_count) if stop_state.loss_count else None,
        valid_loss=finite(valid_loss),
        metric=finite(metric),
        best=best,
    )
    if run.plateau is not None:
        run.plateau.see(valid_loss)
    return evaluation
