"""Remedies of the functions that a model and its loss call: activations, losses, roots and logarithms.

They see functions, so it does not matter whether a program writes `nn.Softmax`, `F.softmax` or `output.softmax(-1)`.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hasten.diagnosis.remedies.remedy import Intervention
from hasten.diagnosis.watching.copies import is_aside
from hasten.diagnosis.watching.events import Call

_ENDING = frozenset(("softmax", "log_softmax", "sigmoid", "tanh", "relu", "relu6", "hardtanh"))
_SHAPES = frozenset(
    (
        "squeeze",
        "unsqueeze",
        "view",
        "reshape",
        "flatten",
        "transpose",
        "permute",
        "expand",
        "expand_as",
        "contiguous",
        "__getitem__",
    )
)
"""Functions that arrange numbers anew between the model's last layer and the loss."""
_LOSSES = frozenset(
    (
        "cross_entropy",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "binary_cross_entropy_with_logits",
    )
)
_KEPT = 32  # outputs of activations of which the input is remembered
_LEAST = 1e-8


class _OfFunctions(Intervention):
    """Changes calls of functions of torch while the training runs; one that never changed any says so at its end."""

    missing = ""  # what a training lacks that this cannot change

    def __init__(self) -> None:
        self.changed = False

    def context(self) -> AbstractContextManager[object]:
        """Return the context in which functions go through `call`."""
        return _Through(self.call)

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a function, or another one in its place."""
        raise NotImplementedError

    def ended(self) -> None:
        """Say where nothing was changed."""
        if not self.changed:
            raise LookupError(self.missing)


class _Through(TorchFunctionMode):
    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self._call = call

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return func(*args, **kwargs) if is_aside() else self._call(func, args, kwargs)


class Scores(_OfFunctions):
    """Gives the loss what the model's last layer computes, before the activation that follows it."""

    missing = "no loss function of torch gets the output of an activation"

    def __init__(self) -> None:
        super().__init__()
        self._before: deque[tuple[Tensor, Tensor]] = deque(maxlen=_KEPT)  # output of an activation, and its input

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Remember inputs of activations, and give them to the loss."""
        name = getattr(function, "__name__", "")
        scores = self._of(args[0]) if args else None
        result = self._called(function, name, scores, args, kwargs)
        if name in _ENDING and isinstance(result, Tensor):
            self._before.append((result, args[0] if args else kwargs["input"]))
        elif name in _SHAPES and isinstance(result, Tensor) and scores is not None:
            self._before.append((result, function(scores, *args[1:], **kwargs)))
        return result

    def update_begins(self, optimizer: torch.optim.Optimizer) -> None:
        """Forget the graphs of the step."""
        self._before.clear()

    def _called(
        self,
        function: Callable[..., Any],
        name: str,
        scores: Tensor | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Call a function, which gets the scores in place of the activation where it is a loss and they are known."""
        if name in _LOSSES and scores is not None:
            self.changed = True
            args = (scores, *args[1:])
        return function(*args, **kwargs)

    def _of(self, output: object) -> Tensor | None:
        return next((before for after, before in self._before if after is output), None)


class CrossEntropy(Scores):
    """Computes the cross-entropy of the scores in the place of a negative log-likelihood.

    Args:
        measured: the training stays as it is; only the value of the loss is that of the cross-entropy, so that
            trainings with and without the change can be compared.
    """

    missing = "the loss is no nll_loss of torch"

    def __init__(self, *, measured: bool = False) -> None:
        super().__init__()
        self._measured = measured

    def _called(
        self,
        function: Callable[..., Any],
        name: str,
        scores: Tensor | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        if name != "nll_loss":
            return function(*args, **kwargs)
        self.changed = True
        found = F.cross_entropy(args[0] if scores is None else scores, *args[1:], **kwargs)
        if not self._measured:
            return found
        plain = function(*args, **kwargs)
        return found.detach() + (plain - plain.detach())


class HiddenActivations(_OfFunctions):
    """Puts leaky ReLUs in the place of hidden activations that can die or saturate, from the second call of a model on.

    The first call shows which of them makes the output, and is left as it is.

    Args:
        names: of the functions to replace.
    """

    missing = "the model calls no such activation between its layers"

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names: Collection[str] = names
        self._made: list[Tensor] = []  # by the activations of the call under way
        self._last: dict[int, int] = {}  # model -> place of the activation that makes its output, -1 for none
        self._model: int | None = None

    def call_begins(self, call: Call) -> None:
        """Count the activations of a call."""
        self._model, self._made = id(call.module), []

    def call_ended(self, call: Call, output: Any) -> None:
        """Note which activation made the output."""
        made = [place for place, one in enumerate(self._made) if one is output]
        self._last.setdefault(id(call.module), made[0] if made else -1)
        self._model, self._made = None, []

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Replace hidden activations."""
        if getattr(function, "__name__", "") not in self._names or not self._last:
            result = function(*args, **kwargs)
            if getattr(function, "__name__", "") in self._names:
                self._made.append(result)
            return result
        place = len(self._made)
        hidden = self._model is None or place != self._last.get(self._model, place)
        self.changed = self.changed or hidden
        value = args[0] if args else kwargs["input"]
        result = F.leaky_relu(value, 0.01) if hidden else function(*args, **kwargs)
        self._made.append(result)
        return result


class Guarded(_OfFunctions):
    """Keeps the arguments of roots and logarithms at 1e-8 and above."""

    missing = "no root or logarithm of 0 was computed"

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Clamp the argument."""
        value = args[0] if args else None
        if getattr(function, "__name__", "") in ("sqrt", "log", "log2", "log10", "rsqrt") and isinstance(value, Tensor):
            clamped = value.clamp_min(_LEAST)
            self.changed = self.changed or bool((value.detach() < _LEAST).any())
            args = (clamped, *args[1:])
        return function(*args, **kwargs)
