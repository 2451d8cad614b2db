"""How much longer steps take than their operations at the peaks: what `hasten plan` assumes of steps that do not fit.

    python -m benchmarks.parallel.counted_steps [--rounds 3] [--smoke]

Some models that do fit are counted on tensors without memory, and measured. The ratio of both times, for the larger of
two micro-batches, update included, is what `hasten.tuning.layouts.counting.SLOWER` spans; the ratio of both memories
stands beside it. --smoke counts and measures the smallest model once and writes nothing.
"""

import argparse
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks.recording import record
from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.base.records.layout import StepTimes
from hasten.machine import load_cached
from hasten.tasks.shakespeare import GPT, Size
from hasten.techniques.parallel.layouts import layouts
from hasten.training.recipe import baseline
from hasten.tuning.layouts.counting import Counted, counted_step, peaks
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.readings import measured_memory, measured_times


def vectors(width: int, layers: int) -> Task:
    """Return a perceptron."""
    x = torch.randn(256, width, generator=torch.Generator().manual_seed(1))

    def model() -> nn.Module:
        blocks = [one for _ in range(layers) for one in (nn.Linear(width, width), nn.ReLU())]
        return nn.Sequential(*blocks, nn.Linear(width, 10))

    return made(f"perceptron-{width}x{layers}", x, torch.arange(256) % 10, model, 128)


def images(channels: int) -> Task:
    """Return a convolutional network of four layers on images of 32 x 32."""
    x = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(1))

    def model() -> nn.Module:
        sizes = (3, channels, channels, 2 * channels, 2 * channels)
        blocks = [
            part
            for place in range(4)
            for part in (
                nn.Conv2d(sizes[place], sizes[place + 1], 3, padding=1, stride=1 + place % 2),
                nn.BatchNorm2d(sizes[place + 1]),
                nn.ReLU(),
            )
        ]
        return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * channels, 10))

    return made(f"convolutions-{channels}", x, torch.arange(64) % 10, model, 32)


def tokens(width: int, layers: int) -> Task:
    """Return a GPT on sequences of 128 tokens."""
    x = torch.randint(0, 512, (64, 128), generator=torch.Generator().manual_seed(1))
    size = Size(layers=layers, width=width, heads=width // 64, length=128)
    return made(f"gpt-{width}x{layers}", x, x, lambda: GPT(512, size), 16, loss=CrossEntropy(class_dim=-1))


def made(name: str, x: Tensor, y: Tensor, model: Callable[[], nn.Module], batch_size: int, **changes: Any) -> Task:
    """Return a task of these samples."""
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:8], y[:8]))
    update = Update(optimizer="adamw", lr=1e-3)
    stop = Stop(steps=10)
    return Task(name=name, data=data, model=model, update=update, batch_size=batch_size, stop=stop, **changes)


TASKS = (vectors(256, 3), vectors(2048, 4), images(32), images(96), tokens(256, 4), tokens(512, 4))


def step_s(times: StepTimes, samples: int) -> float:
    """Return the seconds of a step in one pass."""
    return times.pass_s + samples * times.sample_s + times.update_s


def main() -> None:
    """Print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    asked = parser.parse_args()
    machine, rows = load_cached(quick=True), list[dict[str, Any]]()
    for task in TASKS[:1] if asked.smoke else TASKS:
        counted, recipe = counted_step(task, machine, 2), baseline(task)
        assert counted.memory is not None, counted.why_not
        samples = counted.samples[1]
        least_s = step_s(Counted(counted, machine, "cpu").alone.times[0], samples)
        readings = [one for _ in range(asked.rounds) for one in measured_times(recipe, 2, threads=None)]
        ratios = [step_s(one, samples) / least_s for one in readings]
        alone, *_ = layouts(1, recipe.input.batch_size)
        memory = memory_bytes(alone, counted.memory) / memory_bytes(alone, measured_memory(recipe, 2))
        rows.append({"model": task.name, "least_s": least_s, "measured_over_least": ratios, "memory_ratio": memory})
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"  {task.name:<24} {median(ratios):5.2f} times as long ({spread}), memory {memory:.3f}", flush=True)
    if not asked.smoke:
        gemm, memory_peak = peaks(machine, "cpu")
        record("counted_steps", {"rows": rows, "flops_s": gemm.rate, "bytes_s": memory_peak.rate})


if __name__ == "__main__":
    main()
