"""An optimizer moved onto other parameters, or given other options, with its groups and its state."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn, optim
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim.lr_scheduler import LambdaLR

from hasten.base.errors import Refused
from hasten.training.optimizers import build_optimizer
from hasten.training.task import Update

Named = Mapping[str, nn.Parameter]
_SCALING = "_step_supports_amp_scaling"  # says to GradScaler that a fused kernel takes the loss scale out itself


def follow(optimizer: optim.Optimizer, before: Named, after: Named) -> None:
    """Let an optimizer hold the parameters that a model has now, in place; they are matched by name.

    State goes along where the shape stayed. A parameter with a new name joins the group of the parameter whose name
    has the longest part in common with its own, and starts without state; one whose name is gone is dropped.
    """
    if all(after.get(name) is parameter for name, parameter in before.items()) and len(after) == len(before):
        return
    names = {id(parameter): name for name, parameter in before.items()}
    new = {name: parameter for name, parameter in after.items() if name not in before and parameter.requires_grad}
    places = {name: _nearest_group(name, optimizer, names) for name in new}
    for number, group in enumerate(optimizer.param_groups):
        kept = [after[names[id(old)]] for old in group["params"] if names[id(old)] in after]
        for old in group["params"]:
            _move_state(optimizer, old, after.get(names[id(old)]))
        group["params"] = kept + [new[name] for name, place in places.items() if place == number]


def built_with(optimizer: optim.Optimizer) -> dict[str, Any]:
    """Return the defaults of an optimizer that its class takes as arguments."""
    arguments = inspect.signature(type(optimizer)).parameters
    return {key: value for key, value in optimizer.defaults.items() if key in arguments}


def set_options(optimizer: optim.Optimizer, options: Mapping[str, Any]) -> Callable[[], None]:
    """Change options of every group of an optimizer, in place, as if it were built with them; return what undoes it.

    Raises:
        Refused: if the optimizer does not take them; nothing is changed then.
    """
    kind: Any = type(optimizer)
    try:
        built = kind([{**group, **options} for group in optimizer.param_groups], **{**built_with(optimizer), **options})
    except (TypeError, ValueError, RuntimeError) as error:
        raise Refused(f"the optimizer {kind.__name__} does not take {dict(options)} here: {error}") from error
    before = [{key: group[key] for key in options if key in group} for group in optimizer.param_groups]
    defaults = {key: optimizer.defaults[key] for key in options if key in optimizer.defaults}
    scaling = getattr(optimizer, _SCALING, None)

    def put(groups: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any], scaling: object) -> None:
        for group, own in zip(optimizer.param_groups, groups, strict=True):
            group.update(own)
        optimizer.defaults.update(defaults)
        optimizer.load_state_dict(optimizer.state_dict())  # which moves counters to where a fused kernel reads them
        if scaling is not None:
            setattr(optimizer, _SCALING, scaling)
        elif hasattr(optimizer, _SCALING):
            delattr(optimizer, _SCALING)

    put([options] * len(before), options, getattr(built, _SCALING, None))
    return partial(put, before, defaults, scaling)


def differing_groups(optimizer: optim.Optimizer) -> str | None:
    """Return why another optimizer cannot take the place of one: its groups differ in their options; None if not."""
    first, *others = [_options(group) for group in optimizer.param_groups]
    if all(other == first for other in others):
        return None
    return (
        f"the {len(optimizer.param_groups)} parameter groups of the optimizer have different options, which the "
        "optimizer that it builds would not have"
    )


def replaced(optimizer: optim.Optimizer, update: Update, model: nn.Module) -> tuple[optim.Optimizer, bool]:
    """Return the optimizer of an `Update` over the final model, and whether it has the state of the given one."""
    made = build_optimizer(update, model)
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    reads = isinstance(made, type(optimizer)) and len(made.param_groups) == len(optimizer.param_groups)
    reads = reads and held == [id(parameter) for group in made.param_groups for parameter in group["params"]]
    if reads and optimizer.state:
        made.load_state_dict({**optimizer.state_dict(), "param_groups": made.state_dict()["param_groups"]})
    return made, reads or not optimizer.state


def rebind(scheduler: Any, optimizer: optim.Optimizer) -> Callable[[], None]:
    """Let a torch scheduler, with those that it holds, move another optimizer; return what undoes it.

    The rates that the other was built with become the base rates, and move on from where the scheduler stands.

    Raises:
        Refused: if the number of parameter groups differs.
    """
    old = scheduler.optimizer
    if len(old.param_groups) != len(optimizer.param_groups):
        raise Refused(
            f"the scheduler moves {len(old.param_groups)} parameter groups, and {type(optimizer).__name__} has "
            f"{len(optimizer.param_groups)}: build it over the optimizer that the plan asks for"
        )
    LambdaLR(optimizer, lambda step: 1.0)  # marks `step` as schedulers expect it; sets `initial_lr`
    bases = [float(group["initial_lr"]) for group in optimizer.param_groups]
    for theirs, ours in zip(old.param_groups, optimizer.param_groups, strict=True):
        base = float(theirs.get("initial_lr", theirs["lr"]))
        ours["lr"] = ours["initial_lr"] * float(theirs["lr"]) / base if base else ours["lr"]
    parts = (scheduler, *getattr(scheduler, "_schedulers", ()))
    before = [(one, one.optimizer, getattr(one, "base_lrs", None)) for one in parts]
    for one in parts:
        one.optimizer = optimizer
        if hasattr(one, "base_lrs"):
            one.base_lrs = list(bases)

    def undo() -> None:
        for one, optimizer_before, bases_before in before:
            one.optimizer = optimizer_before
            if bases_before is not None:
                one.base_lrs = bases_before

    return undo


def scale_rates(optimizer: optim.Optimizer, scheduler: Any, factor: float) -> None:
    """Multiply the learning rates of an optimizer, and the base rates of a scheduler over it."""
    for group in optimizer.param_groups:
        group["lr"] *= factor
        if "initial_lr" in group:
            group["initial_lr"] *= factor
    for one in (scheduler, *getattr(scheduler, "_schedulers", ())) if scheduler is not None else ():
        if hasattr(one, "base_lrs"):
            one.base_lrs = [rate * factor for rate in one.base_lrs]


def remove_new_hooks(parameters: Iterable[nn.Parameter]) -> Callable[[], None]:
    """Return what removes the hooks that parameters get from now on (an optimizer that works inside backward)."""
    before = [(one, set(one._post_accumulate_grad_hooks or ())) for one in parameters]

    def undo() -> None:
        for parameter, known in before:
            hooks: Any = parameter._post_accumulate_grad_hooks or {}
            for key in [key for key in hooks if key not in known]:
                del hooks[key]

    return undo


def _nearest_group(name: str, optimizer: optim.Optimizer, names: Mapping[int, str]) -> int:
    def common(other: str) -> int:
        mine, theirs = name.split("."), other.split(".")
        return next((place for place, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), len(mine))

    def likeness(number: int) -> int:
        group = optimizer.param_groups[number]
        return max((common(names[id(one)]) for one in group["params"]), default=-1)

    return max(range(len(optimizer.param_groups)), key=likeness)


def _move_state(optimizer: optim.Optimizer, old: nn.Parameter, new: nn.Parameter | None) -> None:
    if new is old or old not in optimizer.state:
        return
    state = optimizer.state.pop(old)
    if new is not None and new.shape == old.shape:
        optimizer.state[new] = {key: _like(value, old, new) for key, value in state.items()}


def _like(value: Any, old: nn.Parameter, new: nn.Parameter) -> Any:
    """Return a value of a parameter's state where another parameter has its own: on its device, sharded as it is."""
    if not isinstance(value, Tensor) or value.shape != old.shape or value.ndim == 0:
        return value
    if isinstance(value, DTensor) and not isinstance(new, DTensor):
        value = value.full_tensor()
    value = value.to(new.device)
    if isinstance(new, DTensor) and not isinstance(value, DTensor):
        return distribute_tensor(value, new.device_mesh, new.placements)
    return value


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}
