"""A step that the task makes itself: forward, backward and the updates, with what else belongs to a step around it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn, optim

from hasten.base.errors import BadInput
from hasten.data.batch import Batch
from hasten.data.loading.streams import samples_in
from hasten.training.calls import called_parts
from hasten.training.loss import Loss, loss_returned
from hasten.training.marks import BACKWARD, FORWARD, GRADIENT, LOSS, OTHER, UPDATE, Mark, unmarked
from hasten.training.several_optimizers import by_name
from hasten.training.step import finish_update

if TYPE_CHECKING:
    from hasten.training.session import Session


@dataclass(frozen=True)
class OwnUpdate:
    """The strategy of a step that calls `Task.step`.

    Wrappers of the recipe are put around the calls of the model meanwhile, or of its parts where it has no `forward`.
    What follows an update runs once after the step. Gradients are shown, and may be vetoed, before each optimizer's
    update, those of its parameters alone.
    """

    function: Callable[["Session", Batch], Any]

    def __call__(self, run: "Session", batch: Batch, mark: Mark) -> Loss:
        with ExitStack() as undo:
            for put in run.around:
                undo.callback(put())
            if mark is not unmarked or run.gradient or run.on_gradients:
                _Hooks(run, mark).put(undo)
            returned = self.function(run, batch)
        if run.post_step:
            finish_update(run)
        mark(UPDATE)
        return loss_of(returned, batch)


def loss_of(returned: Any, batch: Batch) -> Loss:
    """Return what a step returned as a `Loss`, without its graph; one without a count counts for its samples.

    Raises:
        BadInput: if it is no loss.
    """
    if isinstance(returned, Loss):
        return returned.detached()
    pair = isinstance(returned, tuple) and len(cast(tuple[Any, ...], returned)) == 2
    terms, count = cast(tuple[Any, Any], returned) if pair else (returned, None)
    return loss_returned((_without_graph(terms), count), lambda: samples_in(batch))


def _without_graph(terms: Any) -> Any:
    """Return a loss, or named losses, as scalar tensors."""
    if not isinstance(terms, Mapping):
        return _scalar(terms)
    named = cast(Mapping[Any, Any], terms)
    if not named:
        raise _no_loss(named)
    return {str(name): _scalar(term) for name, term in named.items()}


def _scalar(value: Any) -> Tensor:
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.detach().reshape(())
    if isinstance(value, int | float):
        return torch.tensor(float(value))
    raise _no_loss(value)


def _no_loss(value: object) -> BadInput:
    found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)[:80]
    return BadInput(
        "Task.step must return the loss of its step: a scalar tensor or number, (mean, count), or a dict of named "
        f"losses; found {found}."
    )


class _Hooks:
    """Marks the parts of one step and shows its gradients, by hooks on what the step calls.

    Time outside of calls belongs to what follows from the call before: loss after forward, gradient after backward,
    update after update, and other before the first.
    """

    def __init__(self, run: "Session", mark: Mark) -> None:
        self._run, self._mark = run, mark
        self._between = OTHER
        self._inside = 0  # calls of modules that have not returned
        self._updates = 0  # of optimizers that have not returned: a subclass may call the step of its parent
        self._names = {id(one): name for name, one in run.named_parameters.items()}

    def put(self, undo: ExitStack) -> None:
        """Register the hooks; `undo` removes them."""
        model = self._run.model
        parts = [model, *(part for child in model.children() for part in called_parts(child))]
        for part in parts if self._mark is not unmarked else ():
            undo.callback(part.register_forward_pre_hook(self._before_call).remove)
            undo.callback(part.register_forward_hook(self._after_call, always_call=True).remove)
        for optimizer in by_name(self._run.optimizer).values():
            undo.callback(optimizer.register_step_pre_hook(self._before_update).remove)
            undo.callback(optimizer.register_step_post_hook(self._after_update).remove)
        if self._mark is not unmarked:
            undo.callback(setattr, torch.autograd, "backward", torch.autograd.backward)
            torch.autograd.backward = self._backward(torch.autograd.backward)

    def _before_call(self, module: nn.Module, args: object) -> None:
        if not self._inside:
            self._mark(self._between)
        self._inside += 1

    def _after_call(self, module: nn.Module, args: object, output: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._mark(FORWARD)
            self._between = LOSS

    def _backward(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def backward(*args: Any, **options: Any) -> Any:
            self._mark(self._between)
            plain(*args, **options)
            self._mark(BACKWARD)
            self._between = GRADIENT

        return backward

    def _before_update(self, optimizer: optim.Optimizer, args: object, options: object) -> None:
        self._updates += 1
        if self._updates > 1:
            return
        if self._between != GRADIENT:
            self._mark(self._between)
        self._look(optimizer)
        self._mark(GRADIENT)

    def _after_update(self, optimizer: optim.Optimizer, args: object, options: object) -> None:
        self._updates -= 1
        if not self._updates:
            self._mark(UPDATE)
            self._between = UPDATE

    def _look(self, optimizer: optim.Optimizer) -> None:
        """Show the gradients that an update is about to use; after a veto it finds none, and changes nothing."""
        run, held = self._run, [one for group in optimizer.param_groups for one in group["params"]]
        named = {self._names[id(one)]: one for one in held if id(one) in self._names}
        if run.on_gradients is not None:
            run.on_gradients(named)
        if not run.gradient:
            return
        info = run.step_info()
        usable = [one.transform.update(named, one.state, info) for one in run.gradient]
        if not all(usable):
            for one in held:
                one.grad = None
