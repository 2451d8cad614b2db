"""The gradients of a step that processes compute together: each computes its share of the batch, and shares add up.

A `Reduction` makes, for the model of one session, the function that computes a share and leaves the gradients of the
*whole* batch in the parameters: after the backward pass in one piece (`after_backward`), or as a technique does it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn

from hasten.base.seeds import derive, seed_all
from hasten.data.batch import Batch
from hasten.training.counting import Count
from hasten.training.loss import Loss
from hasten.training.marks import BACKWARD, FORWARD, LOSS, Mark
from hasten.training.processes import NOTHING, Processes
from hasten.training.step import Compute, accumulate

if TYPE_CHECKING:
    from hasten.training.session import Session

Total: TypeAlias = Callable[[Count], Count]
"""Count of this process's share -> count of the whole batch. A collective: every process calls it once in a step."""
ShareBackward: TypeAlias = Callable[["Session", Batch, Mark, Total], Loss]
"""(session, share, mark, total) -> detached loss of the share. Leaves the gradients of the whole batch's mean loss."""
Reduction: TypeAlias = Callable[[nn.Module, Processes], ShareBackward]
"""(model, processes) -> how they compute the gradients of a step; called once for each session, on its final model."""


def after_backward(model: nn.Module, processes: Processes) -> ShareBackward:
    """Sum the gradients in one piece when the backward pass is over."""
    return partial(summed_after, processes.sum_gradients)


def summed_after(
    sum_gradients: Callable[[Sequence[nn.Parameter]], None], run: "Session", batch: Batch, mark: Mark, total: Total
) -> Loss:
    """Compute a share; `sum_gradients` then puts the sum over all shares in place of each parameter's gradient."""
    loss = _of_share(run, batch, mark, total)
    sum_gradients(run.parameters)
    mark(BACKWARD)
    return loss


def _of_share(run: "Session", batch: Batch, mark: Mark, total: Total) -> Loss:
    """Compute a share and leave its gradients, which are still to be summed."""
    if batch is not NOTHING:
        return accumulate(run, batch, mark, total)
    mark(FORWARD)
    mark(LOSS)
    loss = Loss(torch.zeros((), device=run.recipe.parallel.device), 0)
    total(loss.count)
    return loss


def _measured(processes: Processes, run: "Session", batch: Batch, mark: Mark, total: Total) -> Loss:
    """Compute a share as `after_backward` does, and note the seconds that this process took without waiting.

    While gradients are reduced during the backward pass, computing cannot be told from waiting: such a step reduces
    them afterwards, whatever the recipe's reduction.
    """
    device, waited_s = run.recipe.device, 0.0

    def apart(count: Count) -> Count:
        nonlocal waited_s
        device.synchronize()
        begin = perf_counter()
        whole = total(count)
        device.synchronize()
        waited_s += perf_counter() - begin
        return whole

    device.synchronize()
    begin = perf_counter()
    loss = _of_share(run, batch, mark, apart)
    device.synchronize()
    run.pace.own_s = perf_counter() - begin - waited_s
    processes.sum_gradients(run.parameters)
    mark(BACKWARD)
    return loss


def without_samples(run: "Session", mark: Mark, total: Callable[[Count], float], compute: Compute) -> Loss:
    """Take part in a step as a process whose share is empty; collectives in the order of `accumulate`.

    Args:
        run: the session.
        mark: called after each part of the step.
        total: see `Total`.
        compute: called with `NOTHING`; returns a loss of zero from which a backward pass takes part in the reduction.
    """
    parts = run.recipe.backward.micro_batch is not None
    afterwards = parts and run.recipe.forward.loss.count(run.recipe.subject.batch(2)) is None
    whole = total(0) if parts and not afterwards else None
    loss = compute(run, NOTHING, mark, last=True)
    if not parts:
        whole = total(0)
    if whole != 0:
        loss.sum.backward()
    if afterwards:
        total(0)
    mark(BACKWARD)
    return loss.detached()


def of_whole_batch(compute: ShareBackward, run: "Session", batch: Batch, mark: Mark) -> Loss:
    """Leave the gradients of the mean loss of the whole batch in the parameters, and return that loss.

    All processes return the same loss and hold the same gradients, up to the last bit.
    """
    processes, device = run.recipe.parallel.processes, run.recipe.parallel.device
    assert processes is not None, "the strategy of several processes"
    if processes.share:  # each drops other units; a function of the step, so that a resumed run draws the same
        seed_all(derive(run.seed, "process", processes.share, run.position.step))
    if _is_measured(run):
        compute = partial(_measured, processes)
    loss = compute(run, batch, mark, partial(processes.total, device=device))
    own, terms = (float(loss.count), float(loss.sum)) if loss.count else (0.0, 0.0), loss.parts or {}
    count, value, named = processes.totals_of_shares([*own, len(terms) if processes.rank == 0 else 0], device)
    parts = None
    if named and count:  # process 0 has a share of every batch, so that it knows the names
        shares = [float(term) * own[0] for term in terms.values()] or [0.0] * int(named)
        means = [torch.tensor(total / count) for total in processes.totals_of_shares(shares, device)]
        parts = dict(zip(terms, means, strict=True)) if terms else None
    mark(BACKWARD)
    return Loss(torch.tensor(value, dtype=torch.float64), count, parts=parts)


def _is_measured(run: "Session") -> bool:
    """Return whether the processes measure this step: the same in each. The last, smaller batch of an epoch is not."""
    balance, size, samples = run.recipe.parallel.balance, run.recipe.input.batch_size, run.samples
    assert samples is not None, "several processes share data with a length"
    return balance is not None and balance.measures(run.position.step) and samples - run.position.offset >= size
