"""Compile the forward pass, the loss and their backward into fused kernels.

What it does
    Wraps the forward pass and the loss in `torch.compile`, which captures them and their gradients as graphs and
    generates fused code (C++ on a CPU, Triton on a GPU).

Why it helps
    Elementwise operations, normalizations and reductions run in one pass over memory, and Python's cost per operation
    goes away.

When it hurts
    Compiling takes from seconds to minutes, so short trainings lose. Shapes that change make it compile again. On
    CPUs, random numbers (dropout) are slow in compiled code.

Numerics
    The same mathematics in another order.

Known problems
    Needs a C++ compiler on a CPU. Validation runs uncompiled, so that it costs no second compilation.

Source
    Ansel et al., 2024, "PyTorch 2", ASPLOS, doi:10.1145/3620665.3640366.
"""

import functools
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.calls import Function
from hasten.training.effects import Seen, compiled_code
from hasten.training.recipe import Recipe

SHORTEST_RUN_STEPS = 500
"""Below this many updates no compilation has been seen to pay: at 10 ms saved a step it would save 5 s."""


Mode = Literal["default", "max-autotune-no-cudagraphs"]


def compiled(function: Function, mode: Mode = "default") -> Function:
    """Return the function compiled for training; without gradients it runs as it was."""
    fast = torch.compile(function, mode=mode)

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        return fast(*args) if torch.is_grad_enabled() else function(*args)

    return wrapped


@dataclass(frozen=True)
class Compile:
    """Compile the forward pass, the loss and their backward."""

    mode: Annotated[Mode, Meta(description="of torch.compile; the second one times kernels for each product")] = (
        "default"
    )

    card: ClassVar[Card] = Card(
        name="compile",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="torch.compile: forward, loss and backward as fused kernels",
        source="Ansel et al., 2024, doi:10.1145/3620665.3640366",
        treats=("small_kernels", "host_bound", "low_compute_efficiency"),
        needs=("a C++ compiler on a CPU", "a run long enough to earn the compilation back"),
        setup_s=20.0,  # 38 s were measured for a CNN of three layers on two cores
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse without a compiler, and where the run is too short to earn the compilation back."""
        if recipe.device.is_host and machine.compiler is None:
            return "compiling for a CPU needs a C++ compiler (g++ or clang++), and none was found"
        steps = recipe.subject.planned_steps
        if steps is not None and steps < SHORTEST_RUN_STEPS:
            return f"the run makes at most {steps} updates, too few for a compilation to pay off"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Wrap the forward pass and the loss in torch.compile."""
        return recipe.wrap(partial(compiled, mode=self.mode))

    def nearby(self) -> tuple["Compile", ...]:
        """Return the mode that times kernels, which takes longer once."""
        return (replace(self, mode="max-autotune-no-cudagraphs"),) if self.mode == "default" else ()

    def effect(self, seen: Seen) -> str | None:
        """Expect compiled code."""
        return compiled_code(seen)

    def source(self, recipe: Recipe) -> Source:
        """Return the compiled forward pass; validation calls the model itself."""
        mode = "" if self.mode == "default" else f", mode={self.mode!r}"
        return Source(forward=f"torch.compile(model{mode})")
