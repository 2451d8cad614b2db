"""The gradients of a step that processes compute together: each computes its share of the batch, and shares add up.

A `Reduction` makes, for the model of one session, the function that computes a share and leaves the gradients of the
*whole* batch in the parameters: after the backward pass in one piece (`after_backward`), or as a technique does it.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn

from hasten.base.seeds import derive, seed_all
from hasten.data.batch import Batch, tensors_of, to_device
from hasten.training.counting import Count
from hasten.training.kept import Kept
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


@dataclass(frozen=True)
class Reducing:
    """How the processes of a session compute the gradients of a step, and what they keep from one step to the next."""

    share: ShareBackward
    kept: Kept | None = None


Reduction: TypeAlias = Callable[[nn.Module, Processes], Reducing]
"""(model, processes) -> how they compute the gradients of a step; called once for each session, on its final model."""


def after_backward(model: nn.Module, processes: Processes) -> Reducing:
    """Sum the gradients in one piece when the backward pass is over."""
    return Reducing(partial(summed_after, processes.sum_gradients))


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
    if run.recipe.parallel.idle is not None:
        return in_every_pass(run, batch, mark, lambda count: float(total(float(count))), taking_part)
    if batch is not NOTHING:
        return accumulate(run, batch, mark, total)
    mark(FORWARD)
    mark(LOSS)
    loss = Loss(torch.zeros((), device=run.recipe.parallel.device), 0)
    total(loss.count)
    return loss


def _measured(processes: Processes, run: "Session", batch: Batch, mark: Mark, total: Total) -> Loss:
    """Compute a share as `after_backward` does, and note the seconds that this process took without waiting.

    While gradients are reduced during the backward pass, computing and waiting overlap: such a step reduces
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


def in_every_pass(run: "Session", batch: Batch, mark: Mark, total: Callable[[Count], float], compute: Compute) -> Loss:
    """Compute a share where passes are collectives, so that a process whose share is empty makes them, too.

    Args:
        run: the session.
        batch: the share, or `NOTHING`.
        mark: called after each part of the step.
        total: see `Total`; a number in each process, so that all agree on whether there is a backward pass.
        compute: of `NOTHING` it returns a loss of zero from which a backward pass takes part in what others do.
    """
    if batch is not NOTHING:
        return accumulate(run, batch, mark, total, compute)
    idle = run.recipe.parallel.idle
    with nullcontext() if idle is None else idle(run.model):
        return _without_samples(run, mark, total, compute)


def _without_samples(run: "Session", mark: Mark, total: Callable[[Count], float], compute: Compute) -> Loss:
    """Take part in a step as a process whose share is empty; collectives in the order of `accumulate`."""
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


def taking_part(run: "Session", batch: Batch, mark: Mark, *, last: bool) -> Loss:
    """Return the loss of a share whose layers are collectives (`Parallel.idle`), also of an empty one.

    Its graph is that of every other process, so that all make the same collectives in the same order. Where no term of
    the share counts, or it is empty and the pass is made on examples, the gradients that flow back are zero.
    """
    share = to_device(run.recipe.subject.batch(2), run.recipe.parallel.device) if batch is NOTHING else batch
    output = run.predict(share)
    mark(FORWARD)
    loss = run.loss(output, share)
    mark(LOSS)
    if batch is not NOTHING and loss.count:
        return loss
    for one in tensors_of(output):
        if one.requires_grad:
            one.register_hook(torch.zeros_like)  # not by a factor of 0: the gradient of a mean over nothing is NaN
    return Loss(loss.sum if loss.mean is None else loss.mean, torch.zeros(()))


def of_whole_batch(compute: ShareBackward, run: "Session", batch: Batch, mark: Mark) -> Loss:
    """Leave the gradients of the mean loss of the whole batch in the parameters, and return that loss.

    All processes return the same loss and hold the same gradients, up to the last bit.
    """
    processes, device = run.recipe.parallel.processes, run.recipe.parallel.device
    assert processes is not None, "the strategy of several processes"
    _draw_own(run, processes)
    if _is_measured(run):
        compute = partial(_measured, processes)
    loss = compute(run, batch, mark, partial(processes.total, device=device))
    (whole,) = of_all([loss], processes, device)
    mark(BACKWARD)
    return whole


def _is_measured(run: "Session") -> bool:
    """Return whether the processes measure this step: the same in each. The last, smaller batch of an epoch is not."""
    balance, size, samples = run.recipe.parallel.balance, run.recipe.input.batch_size, run.samples
    assert samples is not None, "several processes share data with a length"
    return balance is not None and balance.measures(run.position.step) and samples - run.position.offset >= size


def own_share(processes: Processes, run: "Session", batch: Batch, mark: Mark) -> Loss:
    """Leave the gradients of the mean loss of this process's share in the parameters, and return that loss."""
    _draw_own(run, processes)
    if batch is not NOTHING:
        return accumulate(run, batch, mark)
    for part in (FORWARD, LOSS, BACKWARD):
        mark(part)
    return Loss(torch.zeros((), device=run.recipe.parallel.device), 0)


def _draw_own(run: "Session", processes: Processes) -> None:
    """Seed the generators: each process drops other units, by the step, so that a resumed run draws the same."""
    if processes.share:
        seed_all(derive(run.seed, "process", processes.share, run.position.step))


def of_all(losses: Sequence[Loss], processes: Processes, device: str) -> list[Loss]:
    """Return the losses of whole batches, given those of this process's shares of them. A collective."""
    own = [(float(loss.count), float(loss.sum)) if loss.count else (0.0, 0.0) for loss in losses]
    names = [len(loss.parts or {}) if processes.rank == 0 else 0 for loss in losses]
    totals = processes.totals_of_shares([number for pair in own for number in pair] + names, device)
    counts, sums, named = totals[: 2 * len(own) : 2], totals[1 : 2 * len(own) : 2], totals[2 * len(own) :]
    shares = list[float]()
    for loss, (count, _), number in zip(losses, own, named, strict=True):
        if number:  # process 0 has a share of every batch, so that it knows the names
            shares += [float(term) * count for term in (loss.parts or {}).values()] or [0.0] * int(number)
    terms = iter(processes.totals_of_shares(shares, device) if shares else ())
    whole = list[Loss]()
    for loss, count, value, number in zip(losses, counts, sums, named, strict=True):
        found = [next(terms) for _ in range(int(number))]
        means = [torch.tensor(term / count) for term in found] if count else []
        parts = dict(zip(loss.parts, means, strict=True)) if loss.parts and means else None
        whole.append(Loss(torch.tensor(value, dtype=torch.float64), count, parts=parts))
    return whole
