"""Optimizers by name: torch's own first, then those of pytorch_optimizer that train, save and load as any other."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import nn, optim
from torch.utils._pytree import tree_map

from hasten.base.errors import BadInput, unknown_name
from hasten.training.several_optimizers import SeveralOptimizers, as_one
from hasten.training.state_layout import keep_layout
from hasten.training.task import Update, is_optimizer_class

TORCH: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.Adagrad, {}),
    "rmsprop": (optim.RMSprop, {}),
    "adam": (optim.Adam, {}),
    "adamw": (optim.AdamW, {}),
}
"""Name -> class and the options that make the name true. Gradient descent is "sgd" with `batch_size=None`."""

_GROUPS = "it needs parameter groups of its own"
_GRAPH = "it needs second derivatives (backward with create_graph=True)"
_CLOSURE = "its step needs a closure that evaluates the loss again"
_STATE = "its state cannot be loaded as plain data (torch.load with weights_only=True)"
_MODEL = "it is made from the model and takes part in the backward pass"

NOT_OFFERED: dict[str, str] = {
    "a2grad": "its parameter groups have no learning rate for a schedule to move",
    "adago": _GROUPS,
    "adahessian": _GRAPH,
    "adalomo": _MODEL,
    "adammini": _MODEL,
    "adamuon": _GROUPS,
    "adashift": _STATE,
    "alig": _CLOSURE,
    "bsam": "it needs num_data, and its step a closure that evaluates the loss again",
    "conda": _STATE,
    "demo": "it needs the package einops and a process group",
    "distributedmuon": _GROUPS,
    "lomo": _MODEL,
    "lorarite": "it takes pairs of LoRA matrices only",
    "muon": _GROUPS,
    "muonclip": _GROUPS,
    "normuon": _GROUPS,
    "ranger21": "it needs the number of iterations",
    "scalableshampoo": _STATE,
    "scion": _STATE,
    "scionlight": _STATE,
    "sophiah": _GRAPH,
    "spectralsphere": "it takes matrices only",
}
"""Names of pytorch_optimizer that cannot train a model as it is, save and load; a test tries every name."""


def known_optimizers() -> list[str]:
    """Return every name that `make_optimizer` takes."""
    from pytorch_optimizer import get_supported_optimizers  # slow to import, and only needed for its names

    return sorted({*TORCH, *get_supported_optimizers()} - NOT_OFFERED.keys())


def build_optimizer(update: Update, model: nn.Module) -> optim.Optimizer:
    """Return the optimizer of an `Update` over a model, with its learning rate and with plain numbers as options.

    Raises:
        BadInput: if the name is unknown, an option does not exist, nothing is trainable, or a factory returns
            something else.
    """
    kind = update.optimizer
    if isinstance(kind, optim.Optimizer):
        name = type(kind).__name__
        raise BadInput(
            f"Update.optimizer must be a function that builds the optimizer of a new model; found a {name}, already "
            f"built.\n    Update(optimizer=lambda model: torch.optim.{name}(model.parameters(), lr=...))"
        )
    if isinstance(kind, str):
        assert update.lr is not None, "Update gives a named optimizer a default rate"
        optimizer = make_optimizer(kind, model, lr=update.lr, options=update.options)
    elif is_optimizer_class(kind):
        rate = {} if update.lr is None else {"lr": update.lr}
        optimizer = _over_parameters(getattr(kind, "__name__", repr(kind)), kind, model, rate, update.options)
    else:
        made = kind(model)  # type: ignore[arg-type, call-arg]  (a factory: the classes went the other way)
        optimizer = as_one(made)
        if optimizer is None:
            raise BadInput(
                "Update.optimizer must be a function (model) -> torch.optim.Optimizer, or several in a tuple, list or "
                f"dict, or an optimizer class, or a name; it returned {type(made).__name__}."
            )
        for group in optimizer.param_groups if update.lr is not None else ():
            group["lr"] = update.lr
    for group in optimizer.param_groups:
        if "lr" not in group:
            raise BadInput(
                f"every parameter group of an optimizer needs a learning rate `lr`, which the schedule moves; "
                f"{type(optimizer).__name__} has none. Choose another optimizer."
            )
        group.update(tree_map(_plain, {key: value for key, value in group.items() if key != "params"}))
    keep_layout(optimizer)
    return optimizer


def make_optimizer(name: str, model: nn.Module, *, lr: float, options: Mapping[str, Any]) -> optim.Optimizer:
    """Return the named optimizer over the model's trainable parameters.

    Raises:
        BadInput: if the name is unknown, an option does not exist, or nothing is trainable.
    """
    kind, defaults = _optimizer_class(name.lower())
    return _over_parameters(name, kind, model, {"lr": lr, **defaults}, options)


def _over_parameters(
    name: str, kind: Callable[..., Any], model: nn.Module, defaults: dict[str, Any], options: Mapping[str, Any]
) -> optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise BadInput("the model must have parameters to train; found none with requires_grad.")
    try:
        return kind(parameters, **{**defaults, **options})
    except TypeError as error:
        raise BadInput(
            f"the optimizer {name!r} does not take these options: {dict(options)}; found: {error}."
        ) from error


def _optimizer_class(name: str) -> tuple[Any, dict[str, Any]]:
    if name in TORCH:
        return TORCH[name]
    if name in NOT_OFFERED:
        raise BadInput(
            f"the optimizer {name!r} is not offered by name: {NOT_OFFERED[name]}. "
            "Choose another, or pass a function (model) -> optimizer as Update.optimizer."
        )
    if name not in known_optimizers():
        raise unknown_name("optimizer", name, known_optimizers())
    from pytorch_optimizer import load_optimizer

    return load_optimizer(name), {}


def _plain(value: Any) -> Any:
    """Return a NumPy number as a Python one, which a checkpoint can hold as plain data."""
    return value.item() if isinstance(value, np.generic) else value


def needs_closure(optimizer: optim.Optimizer) -> bool:
    """Return whether `optimizer.step` must be given a closure that evaluates the loss again, as that of LBFGS.

    Raises:
        BadInput: if it is one of several.
    """
    if isinstance(optimizer, SeveralOptimizers):
        for name, member in optimizer.members.items():
            if needs_closure(member):
                raise BadInput(
                    f"the optimizer {name!r} ({type(member).__name__}) evaluates the loss several times in a step, so "
                    "it cannot share one backward pass with others. Update with each of them in Task.step."
                )
        return False
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty
