"""The strategy of a pass that calls recordings: which batches they serve, and the proof that they compute the same."""

from collections.abc import Generator, Hashable, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.profiler import record_function
from torch.nn.modules.module import _has_any_global_hook

from hasten.base.errors import Refused, error_text
from hasten.base.object_state import equal_states
from hasten.base.replaced import replaced
from hasten.base.seeds import random_state, set_random_state
from hasten.data.batch import Batch
from hasten.data.tree import leaves_of
from hasten.techniques.backward.globals_read import PLAIN, Place, globals_read
from hasten.techniques.backward.recording import Recorder, nothing_read
from hasten.techniques.backward.replay import Replay, as_one_call
from hasten.training.loss import Loss
from hasten.training.marks import BACKWARD, Mark, unmarked
from hasten.training.session import Session
from hasten.training.step import accumulate, computed, start_of_batch

MOST_SHAPES = 8
"""Recordings of one session; batches of further shapes are computed as usual."""
RANGE = "hasten::recorded_pass"
"""What a profiler sees of a recording that is called."""
NOT_RECORDED = "hasten::not_recorded: "
"""What it sees, and after this the reason, where there is none."""
_OF_TORCH = (Tensor.backward, torch.autograd.backward, nn.Module.__call__)


@dataclass(frozen=True)
class Recorded:
    """The strategy of a recipe; `begun` makes that of a session, which keeps its recordings."""

    def begun(self) -> "RecordedPasses":
        """Return the strategy of one session."""
        return RecordedPasses()

    def __call__(self, run: Session, batch: Batch, mark: Mark) -> Loss:
        """Compute the gradients as usual."""
        return accumulate(run, batch, mark)


@dataclass
class _Pass:
    """The recording of batches of one shape.

    Args:
        replay: parameters, buffers and tensors of the batch -> the loss, its terms, and the gradients.
        tensors: parameters and buffers.
        python: what else was so when it was recorded: parts and attributes of the model, and global values.
        trained: the parameters that get a gradient.
        count: what the mean of the loss divides by.
        is_mean: whether the loss is a mean, not a sum.
        terms: names of its terms.
        proven: whether another batch had the same bits both ways.
    """

    replay: Replay
    tensors: Sequence[Tensor]
    python: Sequence[Place]
    trained: Sequence[nn.Parameter]
    count: float
    is_mean: bool
    terms: tuple[str, ...]
    proven: bool = False

    def __call__(self, given: Sequence[Tensor]) -> Loss:
        """Compute the gradients of a batch by its tensors, and return its loss."""
        if torch.autograd._profiler_enabled():
            with record_function(RANGE):
                results = self.replay(*self.tensors, *given)
        else:
            results = self.replay(*self.tensors, *given)
        ahead = 1 + len(self.terms)
        for parameter, gradient in zip(self.trained, results[ahead:], strict=True):
            parameter.grad = gradient
        parts = dict(zip(self.terms, results[1:ahead], strict=True)) or None
        if self.is_mean:
            return Loss.of_mean(results[0], self.count, parts)
        return Loss(results[0], self.count, parts=parts)

    def fits(self) -> bool:
        """Return whether all that Python decided by is as it was."""
        return all(table.get(name) is held for table, name, held in self.python)


@dataclass
class RecordedPasses:
    """Computes the gradients of batches, by a recording where there is one for their shape.

    Args:
        passes: by what decides about their operators, or why they are computed as usual.
        modules: of the model.
    """

    passes: dict[Hashable, _Pass | str] = field(default_factory=dict[Hashable, _Pass | str])
    modules: Sequence[nn.Module] = ()

    def __call__(self, run: Session, batch: Batch, mark: Mark) -> Loss:
        """Compute the gradients of a batch."""
        leaves = list(leaves_of(batch))
        if self._is_watched(run) or (key := _key(run, batch, leaves)) is None:
            return accumulate(run, batch, mark)
        tensors = [leaf for _, leaf in leaves if isinstance(leaf, Tensor)]
        if key not in self.passes:
            if len(self.passes) < MOST_SHAPES:
                self.passes[key] = _tried(run, batch, tensors, key[0])
            return accumulate(run, batch, mark)
        known = self.passes[key]
        if isinstance(known, str):
            if torch.autograd._profiler_enabled():
                with record_function(f"{NOT_RECORDED}{known}"):
                    pass
            return accumulate(run, batch, mark)
        if not known.fits():
            return accumulate(run, batch, mark)
        if known.proven:
            loss = known(tensors)
            mark(BACKWARD)
            return loss
        with _undone(run):
            tried = _left_behind(run, known(tensors))
        loss = accumulate(run, batch, mark)
        known.proven = equal_states(tried, _left_behind(run, loss))
        if not known.proven:
            self.passes[key] = "a recording of it does not compute the same bits"
        return loss

    def _is_watched(self, run: Session) -> bool:
        """Return whether somebody looks at the pass, or parameters are not as they were when the session was built."""
        if not self.modules:
            self.modules = tuple(run.model.modules())
        if (Tensor.backward, torch.autograd.backward, nn.Module.__call__) != _OF_TORCH or _has_any_global_hook():
            return True
        if torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack():
            return True
        for one in self.modules:
            if one._forward_hooks or one._forward_pre_hooks or one._backward_hooks or one._backward_pre_hooks:
                return True
        for one in run.parameters:
            if one.grad is not None or not one.requires_grad:
                return True
            if one._backward_hooks or one._post_accumulate_grad_hooks:
                return True
        return False


def _key(run: Session, batch: Batch, leaves: Sequence[tuple[str, Any]]) -> tuple[float, Hashable] | None:
    """Return what decides about the operators of a pass, besides the tensors of the model: first the loss's count.

    None for batches that no recording serves.
    """
    count = run.loss_function.count(batch)
    if not isinstance(count, int | float) or not count:
        return None
    parts: list[Hashable] = [run.predict, run.loss, run.model.training]
    for where, leaf in leaves:
        if isinstance(leaf, Tensor):
            if leaf.requires_grad:
                return None
            parts += (where, leaf.dtype, leaf.shape, leaf.stride())
        elif type(leaf) in PLAIN:
            parts += (where, leaf)
        else:
            return None
    return count, tuple(parts)


def _tried(run: Session, batch: Batch, given: Sequence[Tensor], count: float) -> _Pass | str:
    """Return the recording of a pass, or why there is none."""
    try:
        return _recorded(run, batch, given, count)
    except Exception as error:  # noqa: BLE001  (of the person's own code, which may not bear to be recorded)
        return error_text(error)


def _recorded(run: Session, batch: Batch, given: Sequence[Tensor], count: float) -> _Pass:
    """Return the recording of a pass, whose results are thrown away.

    Raises:
        Refused: if Python takes part in what it computes.
    """
    tensors: list[Tensor] = [*run.model.parameters(), *run.model.buffers()]
    outside = list[Place]()
    with _undone(run):
        before = _memory(run)
        with _count_known(run, count), nothing_read(), globals_read(outside), Recorder([*tensors, *given]) as recorder:
            loss = computed(run, batch, unmarked, last=True)
            start, seed = start_of_batch(run, loss)
            recorder.take_for_constant(seed)
            found: Any = torch.autograd.grad(start, run.parameters, seed, allow_unused=True)  # None for unused ones
            gradients = [(one, its) for one, its in zip(run.parameters, found, strict=True) if its is not None]
            terms, loss = dict(loss.parts or {}), loss.detached()
            value = loss.sum if loss.mean is None else loss.mean
            results = [value, *terms.values()]
            taken = {_memory_of(one) for one in (*tensors, *given, seed, *results)}
            results += [_owned(gradient, parameter, taken) for parameter, gradient in gradients]
        if not equal_states(before, _memory(run)):
            raise Refused("the model, the loss or a global generator remembers something from one pass to the next")
    return _Pass(
        replay=as_one_call(recorder.recording(results)),
        tensors=tensors,
        python=[*_held(run.model), *outside],
        trained=[parameter for parameter, _ in gradients],
        count=count,
        is_mean=loss.mean is not None,
        terms=tuple(terms),
    )


def _held(model: nn.Module) -> list[Place]:
    """Return what decides about a model's operators, and where it is: parts, tensors and plain attributes."""
    found = list[Place]()
    for part in model.modules():
        for table in (part._parameters, part._buffers, part._modules):
            found += [(table, name, one) for name, one in table.items()]
        attributes = vars(part)
        found += [(attributes, name, one) for name, one in attributes.items() if type(one) in PLAIN]
    return found


def _owned(gradient: Tensor, parameter: nn.Parameter, taken: set[int]) -> Tensor:
    """Return a gradient as autograd leaves it: laid out as the parameter, in memory that is not taken; it is then."""
    if _memory_of(gradient) in taken or gradient.stride() != parameter.stride():
        return torch.empty_like(parameter, requires_grad=False).copy_(gradient)
    taken.add(_memory_of(gradient))
    return gradient


def _memory_of(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextmanager
def _count_known(run: Session, count: float) -> Generator[None]:
    """Let the loss take a count as known; it reads it from the labels, which `_key` has done before."""
    with replaced(type(run.loss_function), "count", lambda plain: lambda *_: count):
        yield


@contextmanager
def _undone(run: Session) -> Generator[None]:
    """Undo what passes in the body leave behind."""
    buffers = [(one, one.clone()) for one in run.model.buffers()]
    random, objects = random_state(), deepcopy(run.objects.state())
    try:
        yield
    finally:
        for parameter in run.parameters:
            parameter.grad = None
        with torch.no_grad():
            for one, old in buffers:
                one.copy_(old)
        set_random_state(random)
        run.objects.load_state(objects)


def _memory(run: Session) -> dict[str, Any]:
    """Return what Python remembers from one pass to the next, as far as it can be seen."""
    random = random_state()
    return {"objects": deepcopy(run.objects.state()), "python": random["python"], "numpy": random["numpy"]}


def _left_behind(run: Session, loss: Loss) -> dict[str, Any]:
    """Return all that a pass left behind, copied."""
    left = {
        "loss": loss.sum if loss.mean is None else loss.mean,
        "count": loss.count,
        "terms": dict(loss.parts or {}),
        "gradients": {name: one.grad for name, one in run.named_parameters.items()},
        "buffers": dict(run.model.named_buffers()),
        "random": random_state(),
        "objects": run.objects.state(),
    }
    return deepcopy(left)
