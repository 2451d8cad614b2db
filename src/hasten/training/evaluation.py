"""What a run reports between steps: its training losses, and the quality of the model on the validation data."""

import math
from collections.abc import Iterable

import torch

from hasten.base.errors import BadInput
from hasten.base.records.run import Evaluation, Progress
from hasten.base.seeds import preserved
from hasten.base.units import finite
from hasten.data.batch import Batch, target_of
from hasten.training.final_weights import final_weights
from hasten.training.loss import Loss, as_numbers, read
from hasten.training.metrics import Quality
from hasten.training.session import Session


def report(run: Session, done: list[Loss]) -> Progress:
    """Return the mean losses of the steps in `done` as a record, and empty the list.

    Reading a loss waits for the device, so it happens here, a few times a second, and not in every step.
    """
    sums, counts, means = read(done)
    parts = _parts(done)
    for total, count in zip(sums, counts, strict=True):  # one by one: the same however often progress is reported
        run.stop_state.loss_sum += total
        run.stop_state.loss_count += count
    done.clear()
    return Progress(
        step=run.position.step,
        epoch=run.position.epoch,
        elapsed_s=run.position.elapsed_s,
        losses=tuple(map(finite, means)),
        samples_per_s=run.position.samples_used / run.position.elapsed_s,
        parts=parts,
    )


def evaluate(run: Session) -> Evaluation:
    """Evaluate the model on the validation data and update what the stop rules and the schedule remember.

    The session is whole when this returns: what the next step depends on includes this evaluation. The global random
    generators stay as they are, so that training does not depend on how often it is evaluated.

    Raises:
        BadInput: if `Task.validate` does not return the metric.
    """
    with preserved():
        valid_loss, metric, parts, values = _judged(run)
    stop_state = run.stop_state
    best = run.quality.is_better(metric, stop_state.best)
    train_loss = finite(stop_state.loss_sum / stop_state.loss_count) if stop_state.loss_count else None
    stop_state.train_loss_before, stop_state.train_loss = stop_state.train_loss, train_loss
    stop_state.loss_sum, stop_state.loss_count = 0.0, 0
    stop_state.waited = 0 if best else stop_state.waited + 1
    if best:
        stop_state.best, stop_state.best_step = metric, run.position.step
    stop_state.evaluation_pending = False
    if run.plateau is not None:
        if valid_loss is None:
            raise BadInput(
                "a schedule that follows the validation loss needs one; Task.validate returned no 'loss'. Return it "
                "under that name, give Data(valid=...), or choose another schedule."
            )
        run.plateau.see(valid_loss)
    return Evaluation(
        step=run.position.step,
        epoch=run.position.epoch,
        elapsed_s=run.position.elapsed_s,
        train_loss=train_loss,
        valid_loss=None if valid_loss is None else finite(valid_loss),
        metric=finite(metric),
        best=best,
        parts=parts,
        values=values,
    )


def _judged(run: Session) -> tuple[float | None, float, dict[str, float | None], dict[str, float | None]]:
    """Return the validation loss, the metric, the loss's named terms, and what `Task.validate` returned."""
    valid_loss, parts = (None, {}) if run.validation is None else _validation_loss(run)
    if isinstance(run.quality, Quality):
        assert valid_loss is not None, "a task without its own evaluation has validation data"
        return valid_loss, run.quality.value(valid_loss, shared=run.shares_validation), parts, {}
    values = own_values(run)
    valid_loss = values.get("loss") if valid_loss is None else valid_loss
    return valid_loss, values[run.quality.name], parts, {name: finite(value) for name, value in values.items()}


def own_values(run: Session) -> dict[str, float]:
    """Return what `Task.validate` says of the model with the weights to end with."""
    validate = run.recipe.task.validate
    assert validate is not None, "only an evaluation of the person's own has named values"
    assert not isinstance(run.quality, Quality), "a task with its own evaluation has named values"
    run.model.eval()
    with run.contexts, torch.no_grad(), final_weights(run):
        values = run.quality.of(validate(run.model))
    run.model.train()
    return values


def loss_on(run: Session, batches: Iterable[Batch]) -> float:
    """Return the mean loss of the weights to end with over prepared batches, NaN where no term counts.

    The global random generators stay as they are.
    """
    total, count = 0.0, 0.0
    run.model.eval()
    with run.contexts, preserved(), torch.no_grad(), final_weights(run):
        for batch in batches:
            loss = run.loss(run.predict(batch), batch)
            total, count = total + float(loss.sum), count + float(loss.count)
    run.model.train()
    return total / count if count else math.nan


def _parts(done: list[Loss]) -> dict[str, tuple[float | None, ...]]:
    """Return the named terms of several losses: name -> the value in each step; a step without it has None."""
    names = dict.fromkeys(name for loss in done for name in loss.parts or {})
    found: dict[str, tuple[float | None, ...]] = {}
    for name in names:
        terms = [(loss.parts or {}).get(name) for loss in done]
        numbers = iter(as_numbers([term for term in terms if term is not None]))
        found[name] = tuple(None if term is None else finite(next(numbers)) for term in terms)
    return found


def _validation_loss(run: Session) -> tuple[float, dict[str, float | None]]:
    """Return the mean loss over all validation batches and its named terms; add the batches to the run's metric."""
    total, count, parts, processes = 0.0, 0.0, dict[str, float](), run.recipe.parallel.processes
    run.model.eval()
    if processes is not None:
        processes.same_buffers(run.model)
    with run.contexts, torch.no_grad(), final_weights(run):
        for batch in run.validation_batches():
            output = run.predict(batch)
            loss = run.loss(output, batch)
            total, count = total + float(loss.sum), count + float(loss.count)
            for name, term in (loss.parts or {}).items():
                parts[name] = parts.get(name, 0.0) + float(term) * float(loss.count)
            if isinstance(run.quality, Quality) and run.quality.compares:
                run.quality.add(output, target_of(batch))
    run.model.train()
    if processes is not None and run.shares_validation:
        device = run.recipe.parallel.device
        total, count, *terms = processes.totals_of_shares([total, count, *parts.values()], device)
        parts = dict(zip(parts, terms, strict=True))
    if not count:
        return math.nan, {}
    return total / count, {name: finite(term / count) for name, term in parts.items()}
