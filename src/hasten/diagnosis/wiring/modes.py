"""In which mode, training or evaluation, the models are called: for training, and for evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.records.wiring import Model
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import leaves, nodes
from hasten.diagnosis.wiring.parameters import MODELS, ParameterCollector
from hasten.measurement.tensors import tensors_in

TRAVERSED = 50
"""Backward passes whose graph is read, to see which of several calls it uses."""
WAITING = 2
"""Updates after which a call that recorded gradients, and that no backward pass used, was made for evaluation."""
RARE = 1 / 3
"""Share of the updates between which calls without gradients are evaluation, where no loader tells it."""


class _Mode(StrEnum):
    TRAINING = "training"
    EVALUATION = "evaluation"
    MIXED = "mixed"  # as frozen batch norms while training, or dropout on purpose while evaluating


@dataclass
class _Pending:
    """A call until it is known what it was for."""

    model: int
    mode: _Mode
    grad: bool
    fetched: int  # batches so far
    data: int  # identity of the data set that gave the last batch
    updates: int  # so far
    key: tuple[Any, ...]  # of its first tensor
    moved: bool  # gradients of its inputs are wanted
    numbers: set[int] = field(default_factory=set)  # of the nodes that made its outputs


@dataclass
class _Repeats:
    """Calls without gradients since an update, for the inputs of the first of them."""

    updates: int
    given: Tensor
    calls: int = 0


@dataclass
class _Counts:
    trained: dict[_Mode, int] = field(default_factory=dict)
    evaluated: dict[_Mode, int] = field(default_factory=dict)
    recording: int = 0
    sampled: int = 0


class ModeCollector(Collector):
    """Tells calls for training from calls for evaluation, and counts both by mode.

    A call is for training if a backward pass uses what it gave. One without gradients is for evaluation, unless a
    backward pass follows on the same batch: a GAN and pseudo-labels do that. Where no loader gives the batches, it is
    for evaluation if its inputs come again, if such calls are rare, or if the training ends with it.
    """

    def __init__(self, parameters: ParameterCollector) -> None:
        self._parameters = parameters
        self._sensitive: dict[int, list[nn.Module]] = {}
        self._counts = [_Counts() for _ in range(MODELS)]
        self._pending: list[_Pending] = []
        self._used: list[_Pending] = []  # since the last update
        self._unsure: list[_Pending] = []
        self._repeats: dict[int, _Repeats] = {}  # of each model
        self._keys: dict[tuple[Any, ...], int] = {}  # inputs of calls without gradients -> updates before them
        self._training_data: set[int] = set()
        self._fetched = 0
        self._data = 0
        self._updates = 0
        self._traversed = 0

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: the steps that others need are a sample."""
        return NEVER

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Count the updates; calls whose backward pass was not watched tell nothing."""
        self._updates += steps
        self._used = []
        self._pending = [one for one in self._pending if not one.grad]

    def fetched(self, batch: Any, loader: Any) -> None:
        """Count the batches."""
        self._fetched += 1
        self._data = id(getattr(loader, "_dataset", None)) if loader is not None else 0

    def call_begins(self, call: Call) -> None:
        """Note the mode of a model that trains."""
        index = next((i for i, one in enumerate(self._parameters.models) if one is call.module), None)
        if index is None or len(self._pending) > 10_000:
            return
        mode = self._mode(index)
        if mode is None:
            return
        given = list(tensors_in([call.args, dict(call.kwargs)]))
        moved = mode is _Mode.EVALUATION and call.grad and _are_moved(given)
        first = next(iter(given), None)
        if first is not None and not call.grad:
            self._note_repeat(index, first)
        key = () if first is None or first.is_sparse else (index, first.data_ptr(), tuple(first.shape))
        self._pending.append(_Pending(index, mode, call.grad, self._fetched, self._data, self._updates, key, moved))

    def call_ended(self, call: Call, output: Any) -> None:
        """Note by which nodes a backward pass will tell that it uses this call."""
        if call.grad and self._pending and self._parameters.models[self._pending[-1].model] is call.module:
            self._pending[-1].numbers = {
                one.grad_fn._sequence_nr() for one in _outputs(output) if one.grad_fn is not None
            }

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Find the calls that this backward pass uses."""
        graded = [one for one in self._pending if one.grad]
        if len(graded) > 1 and self._traversed < TRAVERSED:
            self._traversed += 1
            numbers = {node._sequence_nr() for node, _ in nodes(losses)}
            used = [one for one in graded if one.numbers & numbers]
        else:
            used = graded
        self._used += used
        self._training_data |= {one.data for one in used}
        waiting = []
        for one in self._pending:
            if any(one is each for each in used):
                continue
            if one.grad:
                waiting.append(one)
            elif one.fetched < self._fetched:
                self._note_evaluation(one)
            elif not self._fetched:
                self._unsure.append(one)
        self._pending = waiting

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Count the step by the mode of the calls that it used."""
        self._updates += 1
        modes: dict[int, set[_Mode]] = {}
        for one in self._used:
            modes.setdefault(one.model, set()).add(one.mode)
        for model, seen in modes.items():
            mode = seen.pop() if len(seen) == 1 else _Mode.MIXED
            trained = self._counts[model].trained
            trained[mode] = trained.get(mode, 0) + 1
        self._used = []
        late = [one for one in self._pending if one.grad and one.updates + WAITING < self._updates]
        for one in late:
            self._note_recording(one)
        self._pending = [one for one in self._pending if not any(one is each for each in late)]

    def ended(self) -> None:
        """Take what waits for a backward pass as evaluation."""
        for one in self._pending:
            if self._updates and one.updates == self._updates:
                (self._note_recording if one.grad else self._note_evaluation)(one)
        self._pending, self._repeats = [], {}
        for model in range(MODELS):
            unsure = [one for one in self._unsure if one.model == model]
            again = [one for one in unsure if one.key and self._returns(one, unsure)]
            rare = len({one.updates for one in unsure}) <= RARE * self._updates
            for one in unsure if rare else again:
                self._note_evaluation(one)
        self._unsure = []

    def models(self) -> tuple[Model, ...]:
        """Return how each model was called."""
        return tuple(
            Model(
                name=type(model).__name__,
                sensitive=len(self._modules(index)),
                trained_training=counts.trained.get(_Mode.TRAINING, 0),
                trained_evaluation=counts.trained.get(_Mode.EVALUATION, 0),
                evaluated=sum(counts.evaluated.values()),
                evaluated_training=counts.evaluated.get(_Mode.TRAINING, 0),
                evaluated_mixed=counts.evaluated.get(_Mode.MIXED, 0),
                evaluated_recording=counts.recording,
                sampled=counts.sampled,
                norm_batches=min((seen for seen, _ in norms), default=0),
                norm_left=max((left for _, left in norms), default=0.0),
            )
            for index, (model, counts) in enumerate(
                zip(self._parameters.models, self._counts[: len(self._parameters.models)], strict=True)
            )
            for norms in [_norms(model)]
        )

    def _modules(self, index: int) -> list[nn.Module]:
        """Return the modules of a model that the mode changes."""
        found = self._sensitive.get(index)
        if found is None:
            found = [one for one in self._parameters.models[index].modules() if _is_sensitive(one)]
            self._sensitive[index] = found
        return found

    def _mode(self, index: int) -> _Mode | None:
        """Return the mode of a model; None while the statistics of its batch norms are taken anew."""
        modules = self._modules(index)
        if any(isinstance(one, _BatchNorm) and one.momentum is None for one in modules):
            return None
        model = self._parameters.models[index]
        whole = getattr(model, "_orig_mod", getattr(model, "module", model)).training
        part = any(one.training for one in modules) if modules else whole
        if whole and part:
            return _Mode.TRAINING
        return _Mode.MIXED if whole or part else _Mode.EVALUATION

    def _returns(self, one: _Pending, others: Sequence[_Pending]) -> bool:
        return any(each.key == one.key and each.updates != one.updates for each in others)

    def _note_repeat(self, model: int, given: Tensor) -> None:
        """Count calls for the same inputs, as the samples that Monte Carlo dropout averages."""
        seen = self._repeats.get(model)
        if seen is None or seen.updates != self._updates:
            seen = self._repeats[model] = _Repeats(self._updates, given)
        if _are_same(seen.given, given):
            seen.calls += 1
            self._counts[model].sampled = max(self._counts[model].sampled, seen.calls)

    def _note_evaluation(self, one: _Pending) -> None:
        evaluated = self._counts[one.model].evaluated
        evaluated[one.mode] = evaluated.get(one.mode, 0) + 1

    def _note_recording(self, one: _Pending) -> None:
        """Count an evaluation call that recorded gradients; the mode or the data set must tell that it is one."""
        if one.moved or not self._training_data:  # no backward pass at all
            return
        if one.mode is _Mode.EVALUATION or (one.data and one.data not in self._training_data):
            self._note_evaluation(one)
            self._counts[one.model].recording += 1


def _norms(model: nn.Module) -> list[tuple[int, float]]:
    """Return batches seen, and share of the start that is left, of each batch norm with running statistics."""
    return [
        (int(one.num_batches_tracked), (1 - one.momentum) ** int(one.num_batches_tracked))
        for one in model.modules()
        if isinstance(one, _BatchNorm) and one.num_batches_tracked is not None and one.momentum is not None
    ]


def _is_sensitive(module: nn.Module) -> bool:
    if isinstance(module, _BatchNorm):
        return module.running_mean is not None
    if isinstance(module, _DropoutNd):
        return module.p > 0
    dropout = getattr(module, "dropout", None)
    return isinstance(module, (nn.RNNBase, nn.MultiheadAttention)) and isinstance(dropout, float) and dropout > 0


def _are_same(one: Tensor, other: Tensor) -> bool:
    """Return whether tensors share their numbers, or have equal ones; no device is waited for."""
    if one.is_sparse or other.is_sparse or one.shape != other.shape or one.dtype != other.dtype:
        return one is other
    return one.data_ptr() == other.data_ptr() or (one.is_cpu and other.is_cpu and torch.equal(one, other))


def _are_moved(given: Sequence[Tensor]) -> bool:
    """Return whether gradients of the inputs are wanted, as of an attack or a saliency map: leaves, but no weights."""
    return any(not isinstance(one, nn.Parameter) for one in leaves([one for one in given if one.requires_grad]))


def _outputs(output: Any) -> list[Tensor]:
    """Return the tensors of what a model gave, also of one attribute deep in an object of its own."""
    found = list(tensors_in(output))
    if not found and hasattr(output, "__dict__"):
        found = list(tensors_in(list(vars(output).values())))
    return found
