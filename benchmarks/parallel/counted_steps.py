"""How much longer steps take than their operations at the peaks: what `hasten plan` assumes of steps that do not fit.

    python -m benchmarks.parallel.counted_steps [--steps 10] [--smoke]

Some models that do fit are counted on tensors without memory, and make steps. Both the steps and the peaks are timed by
the processor's time of one thread, which other work on the machine hardly changes. The ratio, for the larger of two
micro-batches, update included, is what `hasten.tuning.layouts.counting.SLOWER` spans; the ratio of counted to watched
memory stands beside it. --smoke tries the smallest model and writes nothing.
"""

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from time import process_time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks.recording import record
from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.machine import facts
from hasten.profiling.stepping import one_batch, resized
from hasten.tasks.shakespeare import GPT, Size
from hasten.techniques.parallel.layouts import layouts
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step
from hasten.tuning.layouts.counting import counted_step, least_times
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.readings import measured_memory


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


def peak_rates() -> tuple[float, float]:
    """Return the operations per second of a product, and the bytes per second of a copy, on one thread."""
    left, large = torch.rand(1024, 1024), torch.rand(2**25)
    copied = large.clone()
    product_s = min(processor_s(lambda: torch.mm(left, left), 5))
    copy_s = min(processor_s(lambda: copied.copy_(large), 5))
    return 2 * 1024**3 / product_s, 2 * large.nbytes / copy_s


def processor_s(work: Callable[[], object], times: int) -> list[float]:
    """Return the seconds of the processor that some work takes, each time."""
    found = list[float]()
    for _ in range(times):
        begin = process_time()
        work()
        found.append(process_time() - begin)
    return found


def main() -> None:
    """Print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--smoke", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    (flops_s, bytes_s), rows = peak_rates(), list[dict[str, Any]]()
    for task in TASKS[:1] if asked.smoke else TASKS:
        counted, recipe = counted_step(task, facts(), 2), baseline(task)
        assert counted.memory is not None, counted.why_not
        samples, least = counted.samples[1], least_times(counted, flops_s, bytes_s)
        least_s = least.pass_s + samples * least.sample_s + least.update_s
        run = build(recipe)
        batch = resized(one_batch(run), samples)
        step(run, batch)
        ratios = [one / least_s for one in processor_s(partial(step, run, batch), asked.steps)]
        alone, *_ = layouts(1, recipe.input.batch_size)
        memory = memory_bytes(alone, counted.memory) / memory_bytes(alone, measured_memory(recipe, 2))
        rows.append({"model": task.name, "least_s": least_s, "measured_over_least": ratios, "memory_ratio": memory})
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}, n = {len(ratios)}"
        print(f"  {task.name:<20} {median(ratios):5.2f} times as long ({spread}), memory {memory:.3f}", flush=True)
    if not asked.smoke:
        record("counted_steps", {"rows": rows, "flops_s": flops_s, "bytes_s": bytes_s})


if __name__ == "__main__":
    main()
