"""Record the GPU's work of a forward and backward pass once, and replay it with one call.

What it does
    Compiles the forward pass in torch's mode "reduce-overhead": generated kernels are recorded as a CUDA graph, and
    each further pass, forward and backward, replays them. The loss stays outside, for its result is kept from step to
    step.

Why it helps
    Starting a kernel costs the processor some microseconds. Where kernels are shorter than that (small batches, small
    layers) the GPU waits; a replay starts all of them at once.

When it hurts
    Large kernels hide their starts anyway. A batch of another shape (the last one of an epoch) is recorded again, and
    each recording keeps memory of its own.

Numerics
    As compiled: the same mathematics in another order.

Known problems
    What the model does on the CPU in between is not recorded: printing, reading a number from the device, inputs on
    the CPU. Parts that cannot be recorded run as compiled code.

Source
    CUDA graphs in PyTorch (Nguyen et al., 2021, pytorch.org/blog/accelerating-pytorch-with-cuda-graphs); through
    torch.compile(mode="reduce-overhead").
"""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.forward.compile import SHORTEST_RUN_STEPS
from hasten.training.calls import Function
from hasten.training.effects import Seen, compiled_code
from hasten.training.recipe import Recipe


def recorded(function: Function) -> Function:
    """Return a forward pass, (model, batch) -> output, that is recorded in training; other functions as they are."""
    fast: Function = torch.compile(function, mode="reduce-overhead")

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        if not isinstance(args[0], nn.Module) or not torch.is_grad_enabled():
            return function(*args)
        torch.compiler.cudagraph_mark_step_begin()  # what earlier passes made may be overwritten
        return fast(*args)

    return wrapped


@dataclass(frozen=True)
class CudaGraphs:
    """Record the GPU's work of a forward and backward pass once, and replay it."""

    card: ClassVar[Card] = Card(
        name="cuda_graphs",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="CUDA graphs: record the kernels of forward and backward once, replay them with one call",
        source="Nguyen et al., 2021, pytorch.org/blog/accelerating-pytorch-with-cuda-graphs",
        treats=("small_kernels", "host_bound"),
        needs=("a CUDA device", "a run long enough to earn the compilation back"),
        conflicts=(
            "compile",
            "compile_regions",
            "lossless_saved",
            "int8_saved",
            "micro_batch",
            "progressive_length",
            "progressive_resolution",
        ),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse CPUs, short runs, and inputs whose shape changes."""
        if not recipe.device.is_cuda:
            return f"CUDA graphs need a CUDA device; the run is on {recipe.device}"
        steps = recipe.subject.planned_steps
        if steps is not None and steps < SHORTEST_RUN_STEPS:
            return f"the run makes at most {steps} updates, too few for a compilation to pay off"
        if recipe.input.curriculum:
            return "the shape of the batches changes during the run, and each shape would be recorded anew"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Wrap the forward pass."""
        return recipe.wrap(recorded)

    def effect(self, seen: Seen) -> str | None:
        """Expect compiled code."""
        return compiled_code(seen)
