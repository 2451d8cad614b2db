"""One stage of a pipeline, run by the model's own forward pass.

A stage begins and ends at modules whose input is all that the rest of the pass needs of what was computed before
(`stages.py` finds them). Its pass is a call of the whole model. What earlier stages compute is skipped; where the
stage begins, the module gets what the stage before sent; where the next one begins, the call ends. So code between
modules runs as its author wrote it, what it makes of the inputs (masks, positions) is there in every stage, and no
name of a parameter changes.

Nothing here talks to another process.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

Places: TypeAlias = Mapping[str, list[tuple[nn.Module, str]]]
"""Name of a parameter -> each module and attribute that hold it; several where it is tied."""
Skipped: TypeAlias = dict[Any, Any]
"""(name of a module, shapes of its arguments) -> what stands for its output. Grows as shapes come up."""


@dataclass(frozen=True)
class Stage:
    """One stage of a pipeline.

    Args:
        begin: name of the module that it begins with; None for the first stage.
        end: name of the module that the next stage begins with; None for the last stage.
        skipped: modules of earlier stages, which it does not run.
    """

    begin: str | None
    end: str | None
    skipped: tuple[str, ...] = ()


class EndOfStage(Exception):  # noqa: N818  (no error: it ends a forward pass early, and hooks must see it as one)
    """Ends a forward pass where the next stage begins."""

    def __init__(self, value: Tensor) -> None:
        super().__init__("a later stage computes the rest")
        self.value = value


def nothing() -> None:
    """Do nothing where a stage begins."""


def run_stage(
    model: nn.Module,
    stage: Stage,
    call: Callable[[], Any],
    received: Tensor | None,
    skipped: Skipped,
    begins: Callable[[], None] = nothing,
) -> Any:
    """Return what a stage computes: the tensor for the next stage, or of the last one what `call` returns.

    Args:
        model: with the parameters of this stage, and others that stand for those elsewhere (`exchanged`).
        stage: which part of the pass.
        call: calls the model.
        received: what the stage before has sent; None for the first.
        skipped: filled with what stands for outputs of modules that are skipped.
        begins: called where the stage itself begins.

    Raises:
        RuntimeError: if the pass does not come to the end of the stage.
    """
    with ExitStack() as stack:
        for name in stage.skipped:
            stack.enter_context(_skipping(name, model.get_submodule(name), skipped))
        if stage.begin is None:
            begins()
        else:
            assert received is not None, "only the first stage receives nothing"
            begin = model.get_submodule(stage.begin)
            stack.callback(begin.register_forward_pre_hook(partial(_enter, received, begins), prepend=True).remove)
        if stage.end is not None:
            end = model.get_submodule(stage.end)
            stack.callback(end.register_forward_pre_hook(_leave, prepend=True).remove)
        try:
            output = call()
        except EndOfStage as end_of_stage:
            return end_of_stage.value
    if stage.end is not None:
        raise RuntimeError(f"the forward pass did not call {stage.end!r}, where the next stage of the pipeline begins")
    return output


def _enter(received: Tensor, begins: Callable[[], None], module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    begins()
    return received.clone(), *args[1:]  # which may be changed in place


def _leave(module: nn.Module, args: tuple[Any, ...]) -> None:
    raise EndOfStage(args[0].contiguous())


@contextmanager
def _skipping(name: str, module: nn.Module, skipped: Skipped) -> Generator[None]:
    """Let a module return what stands for its output, without computing it but for the first call with some shapes."""
    forward, before = module.forward, vars(module).get("forward")

    def stand_in(*args: Any, **options: Any) -> Any:
        key = (name, *map(_shape, tree_leaves((args, options))))
        if key not in skipped:
            own_args, own_options = tree_map_only(Tensor, Tensor.clone, (args, options))  # to be changed in place
            with torch.no_grad():
                skipped[key] = tree_map_only(Tensor, _unknown_as, forward(*own_args, **own_options))
        return skipped[key]

    vars(module)["forward"] = stand_in
    try:
        yield
    finally:
        del vars(module)["forward"]
        if before is not None:
            vars(module)["forward"] = before


def _shape(value: Any) -> Any:
    return (value.shape, value.dtype) if isinstance(value, Tensor) else type(value)


def _unknown_as(one: Tensor) -> Tensor:
    return unknown(one.shape, one.dtype, one.device)


def unknown(shape: Iterable[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return what stands for a tensor of another stage, without memory: NaN everywhere, so that a use of it shows."""
    value = torch.nan if dtype.is_floating_point or dtype.is_complex else 0
    return torch.full((), value, dtype=dtype, device=device).expand(tuple(shape))


def places_of(model: nn.Module) -> Places:
    """Return the modules and attributes that hold each parameter, by its first name."""
    names = {id(one): name for name, one in model.named_parameters()}
    places: dict[str, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, one in module._parameters.items():
            if one is not None:
                places.setdefault(names[id(one)], []).append((module, name))
    return places


@contextmanager
def exchanged(places: Places, values: Mapping[str, nn.Parameter]) -> Generator[None]:
    """Let modules hold other parameters: name -> parameter, for the body. Recurrent layers notice, too."""
    before = [(module, own, module._parameters[own]) for name in values for module, own in places[name]]
    try:
        for name, value in values.items():
            for module, own in places[name]:
                setattr(module, own, value)
        yield
    finally:
        for module, own, value in before:
            setattr(module, own, value)
