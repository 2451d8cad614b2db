"""Functions of torch that tell a watch that they were called, and are as they were otherwise."""

from collections.abc import Callable, Mapping
from functools import wraps
from threading import get_ident
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn, optim
from torch.amp.grad_scaler import GradScaler

from hasten.measurement.tensors import tensors_in

Function: TypeAlias = Callable[..., Any]
_LOSSES = (
    "cross_entropy",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)
"""Loss functions of torch whose results are told of in evaluations. Those of training are seen by `backward()`."""
_TERMS = ("kl_div", "triplet_margin_loss", "poisson_nll_loss", "gaussian_nll_loss", "cosine_similarity")
"""Further functions that terms of losses are made of."""
_SIGNED = {"cosine_embedding_loss": 2, "margin_ranking_loss": 2, "hinge_embedding_loss": 1, "soft_margin_loss": 1}
"""Loss functions of torch that take targets of -1 and 1 -> the place of their targets."""


class Watch(Protocol):
    """What is told, and what it says of itself."""

    thread: int  # that is watched
    watching: bool  # this step
    every: bool  # step
    inside: int  # calls of modules that have not returned
    in_backward: bool

    def tell(self, event: str, *args: Any) -> None:
        """Tell every collector of an event."""
        ...

    def looks(self) -> bool:
        """Return whether to look at a call."""
        ...

    def see_hand(self) -> None:
        """Take a change of leaves since the last backward pass for an update."""
        ...


Telling: TypeAlias = Callable[[Watch, Function], Function]


def load(watch: Watch, plain: Function) -> Function:
    """Tell of a state before a module loads it."""

    @wraps(plain)
    def load(module: nn.Module, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        if get_ident() == watch.thread:
            watch.tell("loaded", module, state_dict)
        return plain(module, state_dict, *args, **kwargs)

    return load


def load_optimizer(watch: Watch, plain: Function) -> Function:
    """Tell of an optimizer that has loaded a state."""

    @wraps(plain)
    def load(optimizer: optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        result = plain(optimizer, *args, **kwargs)
        if get_ident() == watch.thread:
            watch.tell("state_loaded", optimizer)
        return result

    return load


def read_file(watch: Watch, plain: Function) -> Function:
    """Tell of what was read from a file."""

    @wraps(plain)
    def read(*args: Any, **kwargs: Any) -> Any:
        content = plain(*args, **kwargs)
        if get_ident() == watch.thread:
            watch.tell("file_read", content)
        return content

    return read


def grad(watch: Watch, plain: Function) -> Function:
    """Tell of gradients that are asked for outside of a backward pass."""

    @wraps(plain)
    def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if watch.looks() and not watch.in_backward:
            graph = bool(args[2] if len(args) > 2 else kwargs.get("create_graph", False))
            watch.tell("gradient_taken", list(tensors_in(outputs)), list(tensors_in(inputs)), graph)
        return plain(outputs, inputs, *args, **kwargs)

    return grad


def fetch(watch: Watch, plain: Function) -> Function:
    """Tell of a batch of a `DataLoader`."""

    def fetch(iterator: Any) -> Any:
        batch = plain(iterator)
        watch.see_hand()
        if watch.looks():
            watch.tell("fetched", batch, iterator)
        return batch

    return fetch


def loss(watch: Watch, plain: Function) -> Function:
    """Tell of a loss in an evaluation, and of one of training that has no gradient."""

    @wraps(plain)  # torch gives this function to `__torch_function__`, by its name in torch.nn.functional
    def loss(*args: Any, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        if watch.watching and watch.looks():
            if torch.is_grad_enabled():
                _look_at_term(watch, plain.__name__, result)
            else:
                watch.tell("loss_computed", result, tuple(tensors_in([*args, kwargs])))
        return result

    return loss


def term(watch: Watch, plain: Function) -> Function:
    """Tell of a term of a loss that has no gradient."""

    @wraps(plain)
    def loss(*args: Any, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        if watch.watching and watch.looks() and torch.is_grad_enabled():
            _look_at_term(watch, plain.__name__, result)
        return result

    return loss


def signed(watch: Watch, plain: Function) -> Function:
    """Tell of the targets of a loss that takes -1 and 1."""

    @wraps(plain)
    def loss(*args: Any, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        place = _SIGNED[plain.__name__]
        target = args[place] if len(args) > place else kwargs.get("target")
        if isinstance(target, Tensor) and torch.is_grad_enabled() and watch.looks():
            watch.tell("signed_loss", plain.__name__, target)
        return result

    return loss


def zero_grad(watch: Watch, plain: Function) -> Function:
    """Tell of cleared gradients."""

    def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
        result = plain(owner, *args, **kwargs)
        if watch.looks():
            watch.tell("zeroed", owner)
        return result

    return zero_grad


def autocast(watch: Watch, plain: Function) -> Function:
    """Tell that autocast begins."""

    def enter(context: Any) -> Any:
        result = plain(context)
        if watch.looks() and is_autocast():
            watch.tell("autocast_begins", watch.inside > 0)
        return result

    return enter


def unscale(watch: Watch, plain: Function) -> Function:
    """Tell of unscaled gradients."""

    def unscale(scaler: GradScaler, optimizer: optim.Optimizer) -> Any:
        result = plain(scaler, optimizer)
        if watch.looks() and scaler.is_enabled():
            watch.tell("unscaled", optimizer)
        return result

    return unscale


def scaled_update(watch: Watch, plain: Function) -> Function:
    """Tell of an update through a `GradScaler`."""

    def scaled_update(scaler: GradScaler, optimizer: optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        if watch.looks() and scaler.is_enabled():
            watch.tell("scaled_update", optimizer)
        return plain(scaler, optimizer, *args, **kwargs)

    return scaled_update


def _look_at_term(watch: Watch, name: str, result: Any) -> None:
    if watch.every and isinstance(result, Tensor) and not result.requires_grad:
        watch.tell("loss_without_gradient", name)


def is_autocast() -> bool:
    """Return whether autocast is on for the processor or the GPU."""
    return torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")


ALWAYS: tuple[tuple[Any, str, Telling], ...] = (
    (nn.Module, "load_state_dict", load),
    (optim.Optimizer, "load_state_dict", load_optimizer),
    (torch, "load", read_file),
)
"""Owner, name and what takes its place in all steps."""
EVERY_STEP: tuple[tuple[Any, str, Telling], ...] = (
    (nn.Module, "zero_grad", zero_grad),
    (optim.Optimizer, "zero_grad", zero_grad),
    (torch.amp.autocast, "__enter__", autocast),
    (GradScaler, "unscale_", unscale),
    (torch.autograd, "grad", grad),
    *((nn.functional, name, signed) for name in _SIGNED),
    (GradScaler, "step", scaled_update),
)
"""The same, while every step is watched."""
LOSSES: tuple[tuple[Any, str, Telling], ...] = (
    *((nn.functional, name, loss) for name in _LOSSES),
    *((nn.functional, name, term) for name in _TERMS),
)
"""The same, where evaluations may follow, or the next step is watched."""
