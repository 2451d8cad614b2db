"""Copies of a model, called beside the training without changing anything of it."""

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.replaced import replaced
from hasten.base.seeds import preserved, seed_all
from hasten.measurement.tensors import tensors_in

LARGEST = 20_000_000
"""Numbers in a model, above which it is not copied."""

_depth = 0  # of `aside`


def is_aside() -> bool:
    """Return whether what is computed is no part of the training."""
    return _depth > 0


@contextlib.contextmanager
def aside() -> Generator[None]:
    """Leave the random generators as they are, print nothing, and compute in the precision of the weights.

    Warnings are not counted either: one that was, would not be shown where the training itself gives it. Remedies leave
    alone what is computed here.
    """
    with (
        _counted(),
        preserved(),
        contextlib.redirect_stdout(io.StringIO()),
        replaced(warnings, "warn", lambda plain: _nothing),
        torch.autocast("cpu", enabled=False),
    ):
        if torch.cuda.is_available():
            with torch.autocast("cuda", enabled=False):
                yield
        else:
            yield


@contextlib.contextmanager
def _counted() -> Generator[None]:
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def _nothing(*args: object, **kwargs: object) -> None:
    """Say nothing."""


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module that `torch.compile` or a wrapper for several devices calls."""
    plain = getattr(model, "_orig_mod", model)
    return plain.module if isinstance(plain, (nn.DataParallel, nn.parallel.DistributedDataParallel)) else plain


def outputs_of(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], *, seed: int) -> list[Tensor]:
    """Return the floating-point outputs of a model in evaluation mode for copies of the arguments."""
    seed_all(seed)
    output = model.eval()(*mapped(cloned, args), **mapped(cloned, dict(kwargs)))
    return [one.detach() for one in tensors_in(_fields(output)) if one.is_floating_point()]


def randomized(model: nn.Module, *, seed: int, frozen: bool = True) -> nn.Module:
    """Give a model random weights of the usual size, also where its own are zero; frozen ones if asked for."""
    seed_all(seed)
    for one in model.parameters():
        if not one.is_floating_point() or not one.numel() or not (one.requires_grad or frozen):
            continue
        if one.ndim > 1:
            one.normal_(0.0, 1 / math.sqrt(max(one[0].numel(), 1)))
        else:
            center = 1.0 if abs(float(one.mean())) > 0.5 else 0.0
            one.normal_(center, 0.1)
    return model


def cloned(tensor: Tensor) -> Tensor:
    """Return a copy of a tensor without its graph."""
    return tensor.detach().clone()


def mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Return nested tuples, lists and dictionaries with their tensors changed; anything else as it is."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(mapped(change, one) for one in value)
    if type(value) is dict:
        return {key: mapped(change, one) for key, one in value.items()}
    return value


def remove_hooks(model: nn.Module) -> None:
    """Remove the person's own hooks from a copy, since they may keep what they see; torch's compute weights."""
    for module in model.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [key for key, hook in hooks.items() if not _is_of_torch(hook)]:
                del hooks[key]


def _is_of_torch(hook: Any) -> bool:
    return (getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.")


def _fields(output: Any) -> Any:
    """Return the fields of an object of the person's own, such as a data class."""
    if isinstance(output, (Tensor, list, tuple, dict)) or not hasattr(output, "__dict__"):
        return output
    return vars(output)
