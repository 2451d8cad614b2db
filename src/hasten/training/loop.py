"""The loop: batch -> forward -> loss -> backward -> gradient -> update -> converged?

It knows the stages of a step and no technique. It yields what happened as records and never prints or saves: whoever
runs it decides, between two steps, what to show and what to keep.
"""

from collections.abc import Callable, Generator
from time import perf_counter
from typing import TypeAlias

from torch import Tensor

from hasten.base.records.run import Event, Finished, StopReason
from hasten.data.batch import Batch, split_batch
from hasten.training.evaluation import evaluate, report
from hasten.training.loss import Loss
from hasten.training.session import Session
from hasten.training.stopping import LIMITS, converged, limit_reached, non_finite

PARTS = (
    "input",
    "transfer",
    "forward",
    "loss",
    "backward",
    "gradient",
    "update",
    "communication",
    "evaluation",
    "other",
)
"""What wall time is spent on. `mark(i)` says: the time since the mark before belongs to `PARTS[i]`.

The loop itself talks to no other process; "communication" is marked around what its stages do of it.
"""
INPUT, TRANSFER, FORWARD, LOSS, BACKWARD, GRADIENT, UPDATE, COMMUNICATION, EVALUATION, OTHER = range(len(PARTS))

Mark: TypeAlias = Callable[[int], None]
REPORT_EVERY_S = 0.5


def unmarked(part: int) -> None:
    """Do nothing: the mark of a run that nobody profiles."""


def step(run: Session, batch: Batch, mark: Mark = unmarked) -> Loss:
    """Make one update and return its loss (detached). A batch in several parts accumulates their gradients.

    A batch in which no term counts makes no update. (Where only the device knows the count, its gradient is zero.)
    """
    parts = split_batch(batch, run.recipe.backward.micro_batch)
    # The forward pass of a single part tells the count; several parts need that of the whole before the first backward.
    count = run.recipe.forward.loss.count(batch) if len(parts) > 1 else None
    summed = None
    for part in parts:
        output = run.predict(part)
        mark(FORWARD)
        loss = run.loss(output, part)
        count = loss.count if count is None else count
        mark(LOSS)
        if isinstance(count, Tensor) or count:
            loss.sum.backward(run.grad_seed(count, loss.sum.dtype))
        mark(BACKWARD)
        summed = loss.sum.detach() if summed is None else summed + loss.sum.detach()
    assert summed is not None, "a batch has at least one part"
    assert count is not None
    usable = isinstance(count, Tensor) or bool(count)
    for change in run.gradient if usable else ():
        usable = change(run.parameters) and usable
    mark(GRADIENT)
    if usable:
        run.optimizer.step()
    run.optimizer.zero_grad()
    mark(UPDATE)
    return Loss(summed, count)


def train(run: Session, mark: Mark = unmarked) -> Generator[Event]:
    """Train until a stop rule is true, yielding what happened; the last event is `Finished`.

    Between two events the session is whole: its `state()` may be saved. Close the iterator to leave, or set
    `run.interrupted_by` to end after the current step.
    """
    position, done = run.position, list[Loss]()
    started = perf_counter() - position.elapsed_s
    report_at = position.elapsed_s + REPORT_EVERY_S
    reason, detail = converged(run) or limit_reached(run), ""

    with run.contexts:
        if run.stop_state.evaluation_pending and (reason is None or reason in LIMITS):  # interrupted before it was made
            yield evaluate(run)
            reason = converged(run) or reason
        for ids, fetched in run.fetched() if reason is None else ():
            mark(INPUT)
            batch = run.training_batch(ids, fetched)
            mark(TRANSFER)
            run.set_learning_rate()
            done.append(step(run, batch, mark))
            run.advance(len(ids), perf_counter() - started)
            reason = limit_reached(run)
            if run.evaluation_due() or reason in LIMITS:
                run.stop_state.evaluation_pending = True
            if reason or run.stop_state.evaluation_pending or position.elapsed_s >= report_at:
                yield (progress := report(run, done))
                if detail := non_finite(run, progress):
                    reason = StopReason.NON_FINITE
                report_at = position.elapsed_s + REPORT_EVERY_S
            if run.stop_state.evaluation_pending and (reason is None or reason in LIMITS):
                yield evaluate(run)
                reason = converged(run) or reason
                mark(EVALUATION)
            mark(OTHER)
            if reason:
                break
    assert reason is not None, "the data come round until a stop rule is true"
    position.elapsed_s = perf_counter() - started
    yield Finished(reason=reason, step=position.step, epoch=position.epoch, elapsed_s=position.elapsed_s, detail=detail)
