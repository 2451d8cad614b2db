"""The GPT of the benchmarks, and the ways of training it that they compare."""

import argparse
from dataclasses import replace
from pathlib import Path

from hasten import Stop, Task
from hasten.machine import facts
from hasten.tasks.shakespeare import Size
from hasten.tasks.shakespeare import task as shakespeare
from hasten.techniques.applying import apply_all, make
from hasten.training.recipe import Recipe, baseline

_PRODUCTS = ("math_attention", "fused_optimizer")
_KERNEL = ("cpu_flash_attention", "fused_optimizer")
WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "onednn_fp32": ("onednn_fp32", "fused_optimizer"),
    "malloc_tuning": ("malloc_tuning",),
    "bf16": ("bf16", "fused_optimizer"),
    "bf16, kernel": ("bf16", *_KERNEL),
    "compile + bf16": ("compile", "bf16", "fused_optimizer"),
    "compile + bf16, products": ("compile", "bf16", *_PRODUCTS),
    "compile + bf16, kernel": ("compile", "bf16", *_KERNEL),
    "compile + int8": ("compile", "bf16", "int8_linear", "fused_optimizer"),
    "compile + int8, products": ("compile", "bf16", "int8_linear", *_PRODUCTS),
    "compile + int8, kernel": ("compile", "bf16", "int8_linear", *_KERNEL),
    "compile + int8, kernel, heap": ("compile", "bf16", "int8_linear", "malloc_tuning", *_KERNEL),
    "int8, kernel": ("bf16", "int8_linear", *_KERNEL),
    "int8, kernel, heap": ("bf16", "int8_linear", "malloc_tuning", *_KERNEL),
}
"""Name -> techniques. All promise EXACT, ROUNDING or PRECISION."""


def size_options(parser: argparse.ArgumentParser, *, layers: int, batch: int, length: int) -> None:
    """Add the options that say how large the model and its batch are."""
    parser.add_argument("--data", type=Path, required=True, help="a text file")
    parser.add_argument("--layers", type=int, default=layers)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--length", type=int, default=length)


def gpt_task(options: argparse.Namespace, *, steps: int, lr: float = 1e-3) -> Task:
    """Return the task `shakespeare` at the size that the options name, with so many updates."""
    size = Size(layers=options.layers, width=options.width, heads=6, length=options.length)
    task = shakespeare(data=options.data, size=size, batch_size=options.batch, lr=lr)
    return replace(task, stop=Stop(steps=steps, evaluate_every=steps))


def ways(task: Task, names: list[str]) -> dict[str, Recipe]:
    """Return name -> recipe of the ways of that name."""
    machine, plain = facts(), baseline(task)
    return {name: apply_all([make(one) for one in WAYS[name]], plain, machine) for name in names}


def parameters(task: Task) -> int:
    """Return how many parameters the task's model has, each counted once."""
    return sum(parameter.numel() for parameter in task.model().parameters())
