"""What copies of a model give for the first training batch, and for changed ones."""

import contextlib
import copy
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import UninitializedParameter
from torch.overrides import TorchFunctionMode
from torch.utils.data import BatchSampler

from hasten.base.records.wiring import Probe
from hasten.diagnosis.watching.copies import (
    LARGEST,
    aside,
    cloned,
    mapped,
    outputs_of,
    randomized,
    remove_hooks,
    unwrapped,
)
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import terms
from hasten.diagnosis.wiring.custom_backward import custom_calls, deviation
from hasten.diagnosis.wiring.one_place import elsewhere, sequence_in
from hasten.diagnosis.wiring.parameters import ParameterCollector
from hasten.diagnosis.wiring.reads_padding import reads_padding
from hasten.diagnosis.wiring.rows_joined import rows_joined
from hasten.measurement.tensors import tensors_in

SECONDS = 2.0
"""For all probes of a training together."""
PASSES = 12
"""Forward passes of the probes of a model."""
MODELS = 4
ROWS = 4
"""Samples in a batch below which they are not taken apart."""
ROUNDING = 1e-5
"""Of the largest output: what two calls of the same differ by, ten times as much as float32 may."""
_EXACT = (torch.float32, torch.float64)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_ORDERED = (*_RECURRENT, nn.MultiheadAttention, nn.Transformer)
"""Layers of which the first dimension may be time."""


@dataclass
class _Copied:
    """A model as it was before its first call, with what it was called with."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    rows: int | None  # of the batch, as its loader says
    begun: float  # time at which the call began
    call: Call | None  # until it ends
    axes: tuple[int, ...] = ()  # possible dimensions of the samples in the first input, as the targets tell
    whole: bool = False  # the model fails for a part of the batch


class ProbeCollector(Collector):
    """Copies the models before their first call for training, and calls the copies."""

    def __init__(self, parameters: ParameterCollector) -> None:
        self._parameters = parameters
        self._rows: int | None = None
        self._left = SECONDS
        self._copied: dict[int, _Copied] = {}  # index of a model
        self._unsure: list[int] = []  # models whose samples no loader tells apart
        self._probes: dict[int, Probe] = {}
        self._states: dict[int, tuple[nn.Module, list[Tensor]]] = {}  # model, and its state after its first call

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: the first call of a model is in the steps that others need."""
        return NEVER

    def fetched(self, batch: Any, loader: Any) -> None:
        """Note the number of samples of a batch."""
        if len(self._probes) < MODELS:
            self._rows = _rows_of(list(tensors_in(batch)), loader)

    def call_begins(self, call: Call) -> None:
        """Copy a model before its first call."""
        self._look_at_state(call)
        if not call.grad or len(self._probes) >= MODELS:
            return
        index = next((i for i, one in enumerate(self._parameters.models) if one is call.module), None)
        if index is None or index in self._probes or index in self._copied:
            return
        plain = unwrapped(call.module)
        if any(isinstance(one, UninitializedParameter) for one in plain.parameters()):
            return  # its first call makes them
        if sum(one.numel() for one in plain.parameters()) > LARGEST:
            self._probes[index] = Probe(model=index, why=f"the model has more than {LARGEST:,} parameters")
            return
        try:
            copied = copy.deepcopy(plain)
        except Exception as error:  # noqa: BLE001  (a class may not allow it, in any way)
            self._probes[index] = Probe(model=index, why=f"the model cannot be copied: {error}"[:200])
            return
        remove_hooks(copied)
        args, kwargs = mapped(cloned, (call.args, dict(call.kwargs)))
        self._copied[index] = _Copied(copied, args, kwargs, self._rows, time.thread_time(), call)

    def call_ended(self, call: Call, output: Any) -> None:
        """Call the copies, if that takes no longer than what is left of the time."""
        index = next((i for i, one in self._copied.items() if one.call is call), None)
        if index is None:
            return
        made = self._copied[index]
        made.call = None
        begin = time.thread_time()
        if PASSES * (begin - made.begun) > self._left:
            self._probes[index] = Probe(model=index, why=f"a forward pass takes {begin - made.begun:.2f} s")
            return
        with aside():
            self._probes[index] = _probed(index, made)
        self._left -= time.thread_time() - begin
        if self._probes[index].stateful and any(isinstance(one, _RECURRENT) for one in call.module.modules()):
            self._states[index] = call.module, [one.detach().clone() for one in _state(call.module)]
        if made.rows is None and self._probes[index].mixes is None and self._left > 0:
            self._unsure.append(index)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Take the batch apart as the targets of the loss tell, where no loader does."""
        if not self._unsure:
            return
        begin = time.thread_time()
        targets = [one.target for one in terms(losses) if one.target is not None]
        for index in self._unsure:
            made = self._copied[index]
            made.rows, made.axes = _samples_in(made, targets)
            seen = self._probes[index]
            if made.axes and not seen.random and not seen.stateful and not seen.why:
                with aside(), contextlib.suppress(Exception):  # a forward pass that fails for a changed batch
                    self._probes[index] = msgspec.structs.replace(
                        seen, mixes=_mixes(made), one_place=_one_place(made), whole=made.whole
                    )
        self._unsure = []
        self._left -= time.thread_time() - begin

    def _look_at_state(self, call: Call) -> None:
        """See whether the second call of a model begins with the state that the first one left."""
        index = next((i for i, (model, _) in self._states.items() if model is call.module), None)
        if index is None or not call.grad:
            return
        _, left = self._states.pop(index)
        now = _state(call.module)
        same = len(now) == len(left) and all(map(torch.equal, now, left)) and any(bool(one.any()) for one in now)
        self._probes[index] = msgspec.structs.replace(self._probes[index], carries=same)

    def ended(self) -> None:
        """Load what was trained into the copies from before."""
        for index, made in self._copied.items():
            if index in self._probes and not self._probes[index].why and not self._probes[index].random:
                plain = unwrapped(self._parameters.models[index])
                with aside(), contextlib.suppress(Exception):  # one that cannot be loaded or called tells nothing
                    reloads = _reloaded(made, plain)
                    self._probes[index] = msgspec.structs.replace(self._probes[index], reloads=reloads)
        self._copied = {}

    def probes(self) -> tuple[Probe, ...]:
        """Return what the copies gave."""
        return tuple(self._probes.values())


def _rows_of(tensors: Sequence[Tensor], loader: Any) -> int | None:
    """Return the number of samples of a batch: the most frequent first size, unless only second ones are the loader's.

    Some functions that put samples together give (length, batch).
    """
    sizes = Counter(len(one) for one in tensors if one.ndim)
    sampler = getattr(loader, "_index_sampler", None)
    drawn = sampler.batch_size if isinstance(sampler, BatchSampler) else None
    if drawn not in sizes and any(one.ndim > 1 and one.shape[1] == drawn for one in tensors):
        return drawn
    return sizes.most_common(1)[0][0] if sizes else None


def _state(model: nn.Module) -> list[Tensor]:
    """Return the tensors of floating point in the plain attributes of the modules of a model, also in tuples."""
    found: list[Tensor] = []
    for module in model.modules():
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                inside = value if isinstance(value, (list, tuple)) else (value,)
                tensors = [one for one in inside if isinstance(one, Tensor) and not isinstance(one, nn.Parameter)]
                found += [one for one in tensors if one.is_floating_point()]
    return found


def _probed(index: int, made: _Copied) -> Probe:
    """Return what can be measured; a forward pass that fails for a changed batch leaves None."""
    found = Probe(model=index)
    try:
        active = _ActiveDropout()
        first = outputs_of(copy.deepcopy(made.model), made.args, made.kwargs, seed=1)
        other = copy.deepcopy(made.model)
        with active:
            second = outputs_of(other, made.args, made.kwargs, seed=2)
    except Exception as error:  # noqa: BLE001  (a forward pass of any kind)
        return Probe(model=index, why=f"a copy could not be called in evaluation mode: {error}"[:200])
    random = not _alike(first, second)
    found = msgspec.structs.replace(found, random=random, drops=active.seen and random)
    with contextlib.suppress(Exception):
        found = msgspec.structs.replace(found, ignores_input=_ignores_input(made))
    if not random:
        with contextlib.suppress(Exception):
            stateful = not _alike(second, outputs_of(other, made.args, made.kwargs, seed=2))
            mixes = None if stateful else _mixes(made)
            place = None if stateful else _one_place(made)
            found = msgspec.structs.replace(found, stateful=stateful, mixes=mixes, one_place=place, whole=made.whole)
            found = msgspec.structs.replace(found, backwards=_backwards(made))
            if not stateful and _is_recurrent(made.model):
                model = randomized(copy.deepcopy(made.model), seed=12)
                found = msgspec.structs.replace(found, padding=reads_padding(model, made.args, made.kwargs))
    return found


def _backwards(made: _Copied) -> dict[str, float]:
    """Return, for each autograd function of the person's own, how much of its gradient is not its derivative."""
    with custom_calls() as calls:
        outputs_of(copy.deepcopy(made.model), made.args, made.kwargs, seed=2)
    found: dict[str, float] = {}
    for call in calls:
        with contextlib.suppress(Exception):  # a function may not take float64, or not be called alone
            value = deviation(call)
            if value is not None:
                found[call.kind.__name__] = value
    return found


def _ignores_input(made: _Copied) -> bool | None:
    """Return whether the outputs are equal for other inputs, with random weights; None where that cannot be told.

    Random weights tell what is computed from what: a layer that begins at zero, or units that are off, do not matter.
    """
    other = mapped(_shuffled, (made.args, made.kwargs))
    given = [one for one in tensors_in([made.args, made.kwargs]) if _can_be_shuffled(one)]
    now = [one for one in tensors_in(list(other)) if _can_be_shuffled(one)]
    if not given or all(torch.equal(one, two) for one, two in zip(given, now, strict=True)):
        return None
    model = randomized(copy.deepcopy(made.model), seed=3)
    twin = copy.deepcopy(model)
    one = outputs_of(model, made.args, made.kwargs, seed=4)
    two = outputs_of(twin, *other, seed=4)
    if not one or not all(bool(torch.isfinite(each).all()) for each in one) or not any(map(torch.any, one)):
        return None
    return _equal(one, two)


def _is_recurrent(model: nn.Module) -> bool:
    return any(isinstance(one, _RECURRENT) for one in model.modules())


def _one_place(made: _Copied) -> tuple[str, int] | None:
    """Return the only place of a sequence that the outputs depend on, with random weights, and of how many."""
    axes = _batch_axes(made)
    if len(axes) != 1:
        return None
    found = sequence_in(made.args, made.kwargs, axes[0], recurrent=_is_recurrent(made.model))
    if found is None:
        return None
    sequence, axis = found
    model = randomized(copy.deepcopy(made.model), seed=9)
    one = outputs_of(copy.deepcopy(model), made.args, made.kwargs, seed=10)
    if any(sequence.shape[axis] in each.shape[1:] for each in one):  # an output for each place
        return None
    for name, place in (("first", 0), ("last", -1)):
        other = elsewhere(made.args, made.kwargs, sequence, axis, place)
        if other is not None and _equal(one, outputs_of(copy.deepcopy(model), *other, seed=10)):
            return name, sequence.shape[axis]
    return None


def _mixes(made: _Copied) -> float | None:
    """Return by how much the outputs of some samples change without the others, relative to the largest."""
    if any(_uses_batch_statistics(one) for one in made.model.modules()):
        return None
    found = [_mixes_along(axis, made) for axis in _batch_axes(made)]
    return min((one for one in found if one is not None), default=None)


def _mixes_along(axis: int, made: _Copied) -> float | None:
    given = list(tensors_in([made.args, made.kwargs]))
    rows = next(one.shape[axis] for one in given if one.ndim > axis)
    if rows_joined(given, rows):
        return None
    kept = max(2, rows // 8)
    model = randomized(copy.deepcopy(made.model), seed=5)
    twin = copy.deepcopy(model)
    whole = outputs_of(model, made.args, made.kwargs, seed=6)
    try:
        part = _outputs_without(_last, twin, made, axis, rows, kept)
    except Exception:  # noqa: BLE001  (a model may need a batch of this size)
        made.whole = True
        part = _outputs_without(_first_for_others, copy.deepcopy(model), made, axis, rows, kept)
    if len(whole) != len(part):
        return None
    worst: float | None = None
    for one, two in zip(whole, part, strict=True):
        place = 0 if one.ndim and one.shape[0] == rows else 1
        if one.ndim <= place or one.shape[place] != rows or two.shape[place] not in (kept, rows):
            continue
        one = one.narrow(place, rows - kept, kept)
        two = two.narrow(place, two.shape[place] - kept, kept)
        size = float(one.abs().max()) if one.numel() and one.dtype in _EXACT else 0.0
        if one.shape == two.shape and size > 0 and math.isfinite(size):
            worst = max(worst or 0.0, float((one - two).abs().max()) / size)
    return worst


def _outputs_without(
    change: Callable[[Tensor, int, int, int], Tensor], model: nn.Module, made: _Copied, axis: int, rows: int, kept: int
) -> list[Tensor]:
    """Return the outputs of a batch in which the other samples than the last ones are changed."""
    args, kwargs = mapped(lambda one: change(one, axis, rows, kept), (made.args, made.kwargs))
    return outputs_of(model, args, kwargs, seed=6)


def _batch_axes(made: _Copied) -> list[int]:
    """Return the possible dimensions of the samples in the first input; none where nothing tells them."""
    given = [one for one in tensors_in([made.args, made.kwargs]) if one.ndim]
    if not given or (made.rows is not None and made.rows < ROWS):
        return []
    first = given[0]
    if made.axes:
        return list(made.axes)
    if first.ndim == 2 and first.shape[0] == first.shape[1]:  # neighbors of nodes, which are meant to mix
        return []
    if made.rows is None:  # no loader tells it: only rows of features, and images
        ordered = any(isinstance(one, _ORDERED) for one in made.model.modules())
        alone = len(given) == 1 and first.ndim in (2, 4) and first.is_floating_point() and not ordered
        return [0] if alone and len(first) >= ROWS else []
    features = first.ndim == 2 and first.is_floating_point()
    return [axis for axis, size in enumerate(first.shape[: 1 if features else 2]) if size == made.rows]


def _samples_in(made: _Copied, targets: Sequence[Tensor]) -> tuple[int | None, tuple[int, ...]]:
    """Return the number of samples and the dimensions of the first input that may be theirs.

    A target for each sample tells it, not one for each position: the samples of a single series depend on each other.
    Gray images are (batch, 1, height, width); any other second dimension of one is a single series.
    """
    first = next((one for one in tensors_in([made.args, made.kwargs]) if one.ndim), None)
    if first is None or first.ndim < 2 or len(first) < 2 or (first.shape[1] < 2 and first.ndim != 4):
        return None, ()
    for target in targets:
        if target.ndim and len(target) >= ROWS and target.numel() not in (first.shape[0] * first.shape[1], 0):
            axes = tuple(axis for axis, size in enumerate(first.shape[:2]) if size == len(target))
            further = [size for size in target.shape[1:] if size > 1]  # nll_loss adds a dimension of one
            each = not further or further[0] not in first.shape[:2]
            if axes and each:
                return len(target), axes
    return None, ()


def _last(tensor: Tensor, axis: int, rows: int, kept: int) -> Tensor:
    """Return the last samples of a tensor of the batch, which other inputs may have at another place."""
    for place in (axis, 1 - axis):
        if place < tensor.ndim and tensor.shape[place] == rows:
            return tensor.narrow(place, rows - kept, kept).clone()
    return tensor


def _first_for_others(tensor: Tensor, axis: int, rows: int, kept: int) -> Tensor:
    """Return a tensor of the batch with its first sample in the place of all but the last ones."""
    for place in (axis, 1 - axis):
        if place < tensor.ndim and tensor.shape[place] == rows:
            order = torch.arange(rows, device=tensor.device)
            order[: rows - kept] = 0
            return tensor.index_select(place, order)
    return tensor


def _uses_batch_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is None


def _reloaded(made: _Copied, trained: nn.Module) -> float | None:
    """Return by how much a copy from before differs with the state dict of now, relative to the largest output."""
    model = copy.deepcopy(trained)
    remove_hooks(model)
    made.model.load_state_dict(model.state_dict())
    one = outputs_of(model, made.args, made.kwargs, seed=7)
    again = outputs_of(model, made.args, made.kwargs, seed=7)
    if not _alike(one, again):  # it goes on from call to call, as with a hidden state
        return None
    two = outputs_of(made.model, made.args, made.kwargs, seed=7)
    worst = 0.0
    for now, loaded in zip(one, two, strict=True):
        size = float(now.abs().max()) if now.numel() else 0.0
        if now.shape != loaded.shape or not math.isfinite(size):
            return None
        worst = max(worst, float((now - loaded).abs().max()) / size if size and now.numel() else 0.0)
    return worst


def _can_be_shuffled(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and tensor.numel() > 1 and tensor.dtype is not torch.bool


def _shuffled(tensor: Tensor) -> Tensor:
    """Return the same numbers at other places."""
    if not _can_be_shuffled(tensor):
        return tensor
    order = torch.randperm(tensor.numel(), generator=torch.Generator().manual_seed(8)).to(tensor.device)
    return tensor.flatten()[order].reshape(tensor.shape)


def _equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(
        a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(one, other, strict=True)
    )


def _alike(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Return whether outputs are equal but for rounding: a sum may depend on where its numbers are in memory."""
    return len(one) == len(other) and all(
        a.shape == b.shape and bool((a - b).nan_to_num().abs().max() <= ROUNDING * a.nan_to_num().abs().max())
        for a, b in zip(one, other, strict=True)
        if a.numel() or b.numel()
    )


class _ActiveDropout(TorchFunctionMode):
    """Notes whether dropout is computed."""

    seen = False

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Look at a call, and make it."""
        kwargs = kwargs or {}
        if function in _DROPOUT:
            chance = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
            self.seen = self.seen or bool(chance and (args[2] if len(args) > 2 else kwargs.get("training", True)))
        elif function is F.scaled_dot_product_attention:
            self.seen = self.seen or bool(args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0))
        return function(*args, **kwargs)


_DROPOUT = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout, torch.dropout)
