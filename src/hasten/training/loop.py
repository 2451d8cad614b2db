"""The loop: batch -> forward -> loss -> backward -> gradient -> update -> converged?

It knows the stages of a step and no technique. It yields what happened as records and never prints or saves: its
caller decides, between two steps, what to show and what to keep.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from time import perf_counter

from hasten.base.records.run import Event, Finished, Observed, StopReason
from hasten.training.data_parallel import agree, synchronized
from hasten.training.evaluation import evaluate, report
from hasten.training.loss import Loss
from hasten.training.marks import EVALUATION, INPUT, OTHER, TRANSFER, Mark, unmarked
from hasten.training.observers import Observer, due, observed
from hasten.training.session import Session
from hasten.training.stopping import LIMITS, converged, limit_reached, non_finite

REPORT_EVERY_S = 0.5


def train(run: Session, mark: Mark = unmarked, observers: Sequence[Observer] = ()) -> Generator[Event]:
    """Train until a stop rule is true, yielding what happened; the last event is `Finished`.

    Between two events the session is whole: its `state()` may be saved. Close the iterator to leave, or set
    `run.interrupted_by` to end after the current step.
    """
    position, done = run.position, list[Loss]()
    started = perf_counter() - position.elapsed_s
    report_at = position.elapsed_s + REPORT_EVERY_S
    reason, detail, together = converged(run) or limit_reached(run), "", True

    with run.contexts, closing(run.fetched(ends=True)) as batches:
        if run.stop_state.evaluation_pending and (reason is None or reason in LIMITS):  # interrupted before it was made
            yield evaluate(run)
            reason = converged(run) or reason
        for ids, fetched in batches if reason is None else ():
            mark(INPUT)
            looking: Sequence[Observer] = ()
            if fetched is not None:
                batch = run.training_batch(ids, fetched)
                mark(TRANSFER)
                run.set_learning_rate()
                if run.rollbacks.skipped and run.rollbacks.skips(position.step + 1):  # its batch made the training NaN
                    done.append(Loss.of_nothing(run.recipe.parallel.device))
                elif observers and (looking := due(observers, position.step + 1)):
                    with observed(run, looking):
                        done.append(run.step(run, batch, mark))
                else:
                    done.append(run.step(run, batch, mark))
                run.advance(ids.numel(), perf_counter() - started)
                processes = run.processes
                together = processes is None or synchronized(run, processes, done)
                if processes is not None and together and (changed := agree(run, processes)) is not None:
                    yield changed
                for one in looking:
                    if (record := one.report(position.step)) is not None:
                        yield Observed(step=position.step, record=record)
            if run.evaluation_due():
                run.stop_state.evaluation_pending = True
            if not together:  # each process has weights of its own: nothing is decided until they are synchronized
                mark(OTHER)
                continue
            reason = limit_reached(run)
            if reason in LIMITS:
                run.stop_state.evaluation_pending = True
            watched = position.step <= run.rollbacks.watched_until
            if done and (reason or run.stop_state.evaluation_pending or watched or position.elapsed_s >= report_at):
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
