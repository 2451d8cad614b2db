"""Observers look at a step from inside and change nothing: diagnosis, loggers.

An observer is asked every so many steps. During such a step it is shown, without gradients being recorded:

    "activations"  output of each layer without children, layer by layer as the forward pass makes them
    "gradients"    of each trained parameter: unscaled and reduced, before any other transform
    "updates"      of each trained parameter, after the update: its change; zero where the update was skipped

Gradients and activations are the live tensors: read them, never write. Whatever an observer draws from the global
random generators is undone. Cost: nothing in other steps; "updates" copies the parameters, "activations" adds one call
a layer. Layers inside compiled code run no hooks, so their activations are not seen.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from hasten.base.seeds import preserved
from hasten.measurement.tensors import tensors_in
from hasten.training.session import Session
from hasten.training.transforms import Parameters

Named: TypeAlias = Mapping[str, Tensor]


class Observer(Protocol):
    """Looks at every `every`-th step; `wants` names what it is shown."""

    every: int
    wants: frozenset[str]

    def see(self, what: str, named: Named) -> None:
        """Look at tensors: parameter or layer name -> tensor."""
        ...

    def report(self, step: int) -> object | None:
        """Return a record of what was seen in this step, counted from 1, or None."""
        ...


def due(observers: Sequence[Observer], step: int) -> list[Observer]:
    """Return the observers of this step, counted from 1: the first step, then every `every`-th after it."""
    return [one for one in observers if (step - 1) % one.every == 0]


@contextmanager
def observed(run: Session, observers: Sequence[Observer]) -> Generator[None]:
    """Show one step of a session, made in the body, to the observers."""
    show = {what: _shown_to(what, observers) for what in ("activations", "gradients", "updates")}
    before: dict[str, Tensor] = {}
    with ExitStack() as undo:
        if show["activations"]:
            for name, module in run.model.named_modules():
                if not any(module.children()):
                    undo.callback(module.register_forward_hook(_hook(name, show["activations"])).remove)
        if show["gradients"]:
            undo.callback(setattr, run, "on_gradients", run.on_gradients)
            run.on_gradients = _gradients_to(show["gradients"])
        if show["updates"]:
            before = {name: parameter.detach().clone() for name, parameter in run.named_parameters.items()}
        yield
    if show["updates"]:
        with torch.no_grad():
            show["updates"]({name: parameter - before[name] for name, parameter in run.named_parameters.items()})


def _shown_to(what: str, observers: Sequence[Observer]) -> Callable[[Named], None] | None:
    looking = [one for one in observers if what in one.wants]

    def show(named: Named) -> None:
        with torch.no_grad(), preserved():
            for one in looking:
                one.see(what, named)

    return show if looking else None


def _gradients_to(show: Callable[[Named], None]) -> Callable[[Parameters], None]:
    return lambda parameters: show({name: one.grad for name, one in parameters.items() if one.grad is not None})


def _hook(name: str, show: Callable[[Named], None]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        found = [one.detach() for one in tensors_in((output,))]
        if found:
            show({name if len(found) == 1 else f"{name}[{number}]": one for number, one in enumerate(found)})

    return hook
