"""One step: forward, loss and backward; the transforms of the gradients; the update.

A recipe may replace the whole (`Recipe.step`) or its first half (`Backward.forward_backward`) by another strategy with
the same signature: pipeline schedules, sharpness-aware minimization, recorded graphs. A task's own step
(`hasten.training.own_step`) is the outermost one.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn, optim
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from hasten.data.batch import Batch, size_of, split_batch
from hasten.training.counting import Count, any_counts
from hasten.training.fused_update import ADAMS, fused_update
from hasten.training.loss import Loss, joined
from hasten.training.marks import BACKWARD, FORWARD, GRADIENT, LOSS, UPDATE, Mark, unmarked
from hasten.training.transforms import LeavesOut

if TYPE_CHECKING:
    from hasten.training.session import Session

Step: TypeAlias = Callable[["Session", Batch, Mark], Loss]
"""(session, batch, mark) -> detached loss. Makes one step and leaves no gradients behind."""
ForwardBackward: TypeAlias = Callable[["Session", Batch, Mark], Loss]
"""(session, batch, mark) -> detached loss. Leaves the gradients of the mean loss in the parameters."""

_TORCH_ZERO_GRAD = optim.Optimizer.zero_grad
_TORCH_AROUND_STEP = optim.Optimizer.profile_hook_step(lambda *_: None).__code__
_HOOKS_OF_ALL = (_global_optimizer_pre_hooks, _global_optimizer_post_hooks)


@runtime_checkable
class OfSession(Protocol):
    """A `ForwardBackward` that keeps something of the session: each session that is built has one of its own."""

    def begun(self) -> ForwardBackward:
        """Return the strategy of a new session."""
        ...


class Compute(Protocol):
    """Computes the loss of a batch, or of a part of one."""

    def __call__(self, run: "Session", batch: Batch, mark: Mark, *, last: bool) -> Loss:
        """Return the loss with its graph; `last`: no other part of the batch of this process follows."""
        ...


def computed(run: "Session", batch: Batch, mark: Mark, *, last: bool) -> Loss:
    """Return the loss of a batch, or of a part of one, with its graph."""
    output = run.predict(batch)
    mark(FORWARD)
    loss = run.loss(output, batch)
    mark(LOSS)
    return loss


def accumulate(
    run: "Session",
    batch: Batch,
    mark: Mark,
    total: Callable[[Count], Count] | None = None,
    compute: Compute = computed,
) -> Loss:
    """Compute the loss of a batch and its gradients; a batch in several parts accumulates them.

    Every part is divided by the count of the whole batch, so that the gradients of parts of any size add up to that of
    the whole. A batch in which no term counts leaves no gradient. (A count on the device gives a gradient of zero.)

    Args:
        run: the session.
        batch: of this process.
        mark: called after each part.
        total: count of a batch -> that of the whole batch of which it is a share, where processes train together;
            called once. None where the batch is the whole.
        compute: returns the loss of each part.
    """
    micro_batch = run.recipe.backward.micro_batch
    if micro_batch is None or (total is None and size_of(batch) <= micro_batch):
        loss = compute(run, batch, mark, last=True)
        if total is not None:
            if isinstance(whole := total(loss.count), Tensor) or whole:
                _backward_of_part(run, loss, whole)
        elif isinstance(loss.count, Tensor) or loss.count:
            value, seed = start_of_batch(run, loss)
            value.backward(seed)
        mark(BACKWARD)
        return loss.detached()
    count, done = run.recipe.forward.loss.count(batch), list[Loss]()
    if count is None:  # rescaled below: only the forward passes tell it
        start: Count = size_of(batch) if total is None else run.recipe.input.batch_size  # the same in each process
    else:
        start = count if total is None else total(count)
    parts = list(split_batch(batch, micro_batch))
    for number, part in enumerate(parts, 1):
        loss = compute(run, part, mark, last=number == len(parts))
        if isinstance(start, Tensor) or start:
            _backward_of_part(run, loss, start)
        mark(BACKWARD)
        done.append(loss.detached())
    if count is None:
        count = sum(loss.count for loss in done)
        whole = count if total is None else total(count)
        rescale(run.parameters, start / whole if isinstance(whole, Tensor) or whole else 0.0)
    return joined(done, count)


def start_of_batch(run: "Session", loss: Loss) -> tuple[Tensor, Tensor]:
    """Return what the backward pass of a whole batch starts from, and with which gradient; see `accumulate`."""
    if loss.mean is None:
        return loss.sum, run.grad_seed(loss.count, loss.sum.dtype)
    return loss.mean, run.grad_seed(1, loss.mean.dtype)


def _backward_of_part(run: "Session", loss: Loss, count: Count) -> None:
    """Add the gradients of a part of a batch whose mean divides by `count`; a part in which no term counts has none."""
    if (start := start_of_part(run, loss, count)) is not None:
        value, seed = start
        value.backward(seed)


def start_of_part(run: "Session", loss: Loss, count: Count) -> tuple[Tensor, Tensor] | None:
    """Return what the backward pass of a part of a batch starts from, and with which gradient; see `accumulate`.

    None where no term of the part counts. As far as it can, with the bits of a loop that divides the mean of each part
    by their number.

    Args:
        run: the session.
        loss: of the part, with its graph.
        count: what the mean of the whole batch divides by.
    """
    if isinstance(loss.count, Tensor) or isinstance(count, Tensor):
        return loss.sum, run.grad_seed(count, loss.sum.dtype)
    if not loss.count:
        return None
    if loss.mean is not None:
        return loss.mean, run.grad_seed(count, loss.mean.dtype, terms=loss.count)
    return loss.sum, run.grad_seed(count, loss.sum.dtype, terms=loss.count) / loss.count


def rescale(parameters: Sequence[nn.Parameter], factor: Count) -> None:
    """Multiply the gradients by a factor."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def transform_gradients(run: "Session", loss: Loss) -> bool:
    """Unscale the gradients, show them to the observers, apply the transforms; return whether to update."""
    usable = any_counts(loss.count)  # else there is nothing to follow, neither by weight decay nor by momentum
    if not usable or not (run.gradient or run.scale or run.on_gradients):
        return usable
    if run.scale is not None:
        usable = run.scale.unscale(run.parameters)
    if run.on_gradients is not None:
        run.on_gradients(run.named_parameters)
    if run.gradient:
        info = run.step_info()
        for one in run.gradient:
            usable = one.transform.update(run.named_parameters, one.state, info) and usable
    return usable


def update_parameters(optimizer: optim.Optimizer) -> None:
    """Update the parameters by their gradients, as `optimizer.step()` does.

    torch puts a profiler range and hooks around every optimizer's step, which takes a thirtieth of a small training.
    Without a profiler and without hooks the step alone is called, or the kernel that it would call; where somebody has
    put another function in its place, that one.
    """
    around = getattr(optimizer.step, "__func__", None)
    if getattr(around, "__code__", None) is not _TORCH_AROUND_STEP or _is_watched(optimizer):
        optimizer.step()
    elif optimizer.__class__ not in ADAMS or not fused_update(optimizer):  # the first spares a call
        around.__wrapped__(optimizer)  # type: ignore[union-attr]


def _is_watched(optimizer: optim.Optimizer) -> bool:
    """Return whether a profiler or a hook looks at the optimizer's steps."""
    return (
        any(_HOOKS_OF_ALL)
        or bool(optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)
        or torch.autograd._profiler_enabled()
    )


def clear_gradients(optimizer: optim.Optimizer) -> None:
    """Let go of the gradients, as `optimizer.zero_grad()` does.

    torch's own puts a profiler range around it, which takes a tenth of the smallest steps; one that the optimizer, or
    who watches it, has put in its place is called.
    """
    if getattr(optimizer.zero_grad, "__func__", None) is not _TORCH_ZERO_GRAD:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def finish_update(run: "Session") -> None:
    """Run what follows an update."""
    info = run.step_info()
    for one in run.post_step:
        one.transform.update(run.named_parameters, one.state, info)


def one_update(run: "Session", batch: Batch, mark: Mark) -> Loss:
    """Make one update by the gradient of one batch."""
    loss = run.forward_backward(run, batch, mark)
    usable = transform_gradients(run, loss)
    mark(GRADIENT)
    if usable:
        update_parameters(run.optimizer)
        if run.post_step:
            finish_update(run)
    clear_gradients(run.optimizer)
    mark(UPDATE)
    return loss


def guarded_update(run: "Session", batch: Batch, mark: Mark) -> Loss:
    """Make one update as `one_update` does; a batch that a transform leaves out leaves nothing behind.

    Buffers, such as running statistics, are put back, and its loss, which may be NaN, does not count. Costs a copy of
    the buffers.
    """
    buffers, before = [one.clone() for one in run.model.buffers()], left_out(run)
    loss = one_update(run, batch, mark)
    if left_out(run) == before:
        return loss
    for one, old in zip(run.model.buffers(), buffers, strict=True):
        one.copy_(old)
    return loss.without_terms()


def left_out(run: "Session") -> int:
    """Return how many batches transforms have left out so far."""
    return sum(one.transform.left_out(one.state) for one in run.gradient if isinstance(one.transform, LeavesOut))


def closure_update(run: "Session", batch: Batch, mark: Mark) -> Loss:
    """Make one step of an optimizer that evaluates the loss several times (LBFGS); return the first loss.

    The time of all evaluations but the first counts as update. An evaluation that a transform vetoes, or in which no
    term counts, has gradients of zero.
    """
    first: list[Loss] = []

    def closure() -> Tensor:
        clear_gradients(run.optimizer)
        loss = run.forward_backward(run, batch, unmarked if first else mark)
        usable = transform_gradients(run, loss)
        if not usable:
            for parameter in run.parameters:
                parameter.grad = torch.zeros_like(parameter)
        if not first:
            first.append(loss)
            mark(GRADIENT)
        return loss.average() if usable else torch.zeros_like(loss.sum)

    run.optimizer.step(closure)  # type: ignore[arg-type]  (torch types a closure as one that returns a float)
    finish_update(run)
    clear_gradients(run.optimizer)
    mark(UPDATE)
    return first[0]


def step(run: "Session", batch: Batch, mark: Mark = unmarked) -> Loss:
    """Make one step of a session by its own strategy and return its loss (detached)."""
    return run.step(run, batch, mark)
