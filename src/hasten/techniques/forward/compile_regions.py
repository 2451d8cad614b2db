"""Compile the repeated block of a model once, instead of the whole model.

What it does
    Compiles the forward pass of each kind of block in a list or sequence with `torch.compile`; all blocks of a kind
    share the compiled code. What lies between blocks runs as it is.

Why it helps
    A model of twelve equal blocks compiles in the time of one, and most of what `compile` gives is inside the blocks.

When it hurts
    Models without repeated blocks. What could be fused across blocks is not.

Numerics
    The same mathematics in another order.

Known problems
    Blocks that differ in shape compile once each. Validation runs uncompiled.

Source
    PyTorch recipe "Reducing torch.compile cold start compilation time with regional compilation" (2024).
"""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.blocks import Forward, repeated_blocks, unwrap_forward, wrap_forward
from hasten.techniques.source import Source
from hasten.training.effects import Seen, compiled_code
from hasten.training.recipe import Recipe

SHORTEST_RUN_STEPS = 200
"""Below this many updates no compilation of a block has been seen to pay."""


@cache
def _compiled(forward: Forward) -> Forward:
    return torch.compile(forward)


def compiled_in_training(block: nn.Module, forward: Forward) -> Forward:
    """Return the block's forward pass, compiled where gradients are recorded."""
    return _compiled(forward) if torch.is_grad_enabled() else forward


def compile_blocks(model: nn.Module) -> nn.Module:
    """Let every repeated block run compiled, in place."""
    for block in repeated_blocks(model).values():
        wrap_forward(block, compiled_in_training)
    return model


def uncompile_blocks(model: nn.Module) -> nn.Module:
    """Let every block run as it was, in place."""
    return unwrap_forward(model, compiled_in_training)


@dataclass(frozen=True)
class CompileRegions:
    """Compile the repeated block of a model once."""

    card: ClassVar[Card] = Card(
        name="compile_regions",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="torch.compile the repeated block once instead of the whole model",
        source="PyTorch recipe on regional compilation (2024)",
        treats=("small_kernels", "host_bound", "low_compute_efficiency", "cold_start"),
        needs=("a C++ compiler on a CPU", "a model with a repeated block"),
        conflicts=("compile",),
        setup_s=20.0,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse without a compiler, without repeated blocks, and where the run is too short."""
        if recipe.device.is_host and machine.compiler is None:
            return "compiling for a CPU needs a C++ compiler (g++ or clang++), and none was found"
        steps = recipe.subject.planned_steps
        if steps is not None and steps < SHORTEST_RUN_STEPS:
            return f"the run makes at most {steps} updates, too few for a compilation to pay off"
        kinds = [type(block) for block in repeated_blocks(recipe.subject.model()).values()]
        if len(kinds) == len(set(kinds)):
            return "the model has no block that repeats; compile does the whole of it"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Compile the blocks of the model."""
        return recipe.with_surgery(compile_blocks, undo=uncompile_blocks)

    def effect(self, seen: Seen) -> str | None:
        """Expect compiled code."""
        return compiled_code(seen)

    def source(self, recipe: Recipe) -> Source:
        """Return the compilation of each block; blocks of a kind share the code."""
        names = list(repeated_blocks(recipe.subject.model()))
        shown = ", ".join(f'"{name}"' for name in names)
        return Source(model=f"for name in ({shown},):\n    model.get_submodule(name).compile()")
