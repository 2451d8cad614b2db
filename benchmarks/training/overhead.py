"""What hasten's loop costs: its empty plan against the shortest hand-written loop that does the same, on six models.

Both sides train the same model on the same batches; at the same steps they read the loss of every step and judge the
model with the same torchmetrics metric. hasten also shows its live display (on a pseudo terminal). The sides run in
turn, from one evaluation to the next, in several processes one after another, and the parameters at the end must be
equal bit for bit. What comes before the second evaluation does not count: it has the start of the run.

    python -m benchmarks.training.overhead [--processes 6]

The same loop by hand runs a second time beside them: what the two differ by is noise.
"""

import argparse
import io
import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from statistics import median
from unittest.mock import patch

import torch
from rich.console import Console
from sklearn.datasets import make_classification
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.regression import MeanSquaredError

from benchmarks.profiling.workloads import Transformer, convolutional
from benchmarks.recording import record, told
from benchmarks.turns import Pause, in_turn, log_ratios, own_clock
from hasten import Data, Plan, Stop, Task, Update
from hasten.base.records.run import Evaluation, Event
from hasten.base.seeds import derive
from hasten.measurement.statistics import few_ratios, trimmed_mean
from hasten.report.terminal import Screen
from hasten.tasks.digits import task as digits_task
from hasten.tasks.linear import task as linear_task
from hasten.training import loop
from hasten.training.recipe import baseline
from hasten.training.running import run_training

HandWritten = Callable[[Pause], tuple[nn.Module, list[float], float]]
"""Trains, with a pause after each evaluation, and returns the model, the losses and the last metric."""
WARM_UP = 2
"""Blocks."""


@dataclass(frozen=True)
class Workload:
    """One task and the loop that a person would write for it."""

    name: str
    task: Task
    by_hand: HandWritten


def linear(blocks: int, *, every: int = 1000) -> Workload:
    """Full-batch gradient descent on four points, the smallest step there is; `every`: steps between evaluations."""
    steps = every * blocks
    task = replace(linear_task(), stop=Stop(steps=steps, evaluate_every=every))

    def by_hand(pause: Pause) -> tuple[nn.Module, list[float], float]:
        torch.manual_seed(task.seed)
        model = task.model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        error = MeanSquaredError()
        x, y = task.data.train.tensors
        losses, recent, metric = list[float](), list[Tensor](), 0.0
        for step in range(1, steps + 1):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recent.append(loss.detach())
            if step % every == 0:
                losses += torch.stack(recent).tolist()
                recent.clear()
                model.eval()
                with torch.no_grad():
                    output = model(x)
                    F.mse_loss(output, y).item()
                    error.update(output, y)
                metric = float(error.compute())
                error.reset()
                model.train()
                pause()
        return model, losses, metric

    return Workload(f"linear_{every}", task, by_hand)


def often(blocks: int) -> Workload:
    """The same, evaluated after every 30 ms: what reports and evaluations cost beside the shortest steps."""
    return linear(blocks, every=100)


def classification(
    name: str, inputs: Tensor, labels: Tensor, model: Callable[[], nn.Module], *, batch_size: int, epochs: int
) -> Workload:
    """A fifth of the samples is for validation."""
    size = len(inputs) * 4 // 5
    task = Task(
        name=name,
        data=Data(train=TensorDataset(inputs[:size], labels[:size]), valid=TensorDataset(inputs[size:], labels[size:])),
        model=model,
        update=Update(optimizer="adamw", lr=1e-3),
        batch_size=batch_size,
        valid_batch_size=max(256, batch_size),
        stop=Stop(epochs=epochs),
    )
    return Workload(name, task, partial(classification_by_hand, task, epochs))


def features(samples: int) -> tuple[Tensor, Tensor]:
    """Return rows of 20 numbers and their class, one of two."""
    x, y = make_classification(samples, 20, n_informative=10, random_state=0)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def mlp(blocks: int) -> Workload:
    """A small multilayer perceptron."""
    model = partial(multilayer, 64)
    return classification("mlp", *features(4000), model, batch_size=32, epochs=blocks)


def wide_mlp(blocks: int) -> Workload:
    """A multilayer perceptron whose products take milliseconds."""
    model = partial(multilayer, 2048)
    return classification("wide_mlp", *features(2000), model, batch_size=128, epochs=blocks)


def multilayer(width: int) -> nn.Module:
    """Return a multilayer perceptron with two hidden layers."""
    return nn.Sequential(
        nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 2)
    )


def digits(blocks: int) -> Workload:
    """The built-in task on scikit-learn's images of digits."""
    task = replace(digits_task(epochs=blocks, target=None), valid_batch_size=256)
    return Workload("digits", task, partial(classification_by_hand, task, blocks))


def cnn(blocks: int) -> Workload:
    """A convolutional network on images of 32 x 32."""
    images, labels = torch.randn(640, 3, 32, 32, generator=seeded(2)), torch.randint(0, 10, (640,), generator=seeded(3))
    return classification("cnn", images, labels, partial(convolutional, 16), batch_size=32, epochs=blocks)


def transformer(blocks: int) -> Workload:
    """Four transformer blocks on 128 tokens."""
    tokens, labels = (
        torch.randint(0, 100, (160, 128), generator=seeded(4)),
        torch.randint(0, 10, (160,), generator=seeded(5)),
    )
    return classification("transformer", tokens, labels, partial(Transformer, 128, 4, 4), batch_size=8, epochs=blocks)


def seeded(seed: int) -> torch.Generator:
    """Return a generator that starts from a seed."""
    return torch.Generator().manual_seed(seed)


def classification_by_hand(task: Task, epochs: int, pause: Pause) -> tuple[nn.Module, list[float], float]:
    """Train a classifier with a DataLoader, and take its accuracy after every epoch."""
    torch.manual_seed(task.seed)
    model = task.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=task.update.lr)
    accuracy = MulticlassAccuracy(task_classes(task), average="micro", validate_args=False)
    size = len(task.data.train)
    losses, recent, metric = list[float](), list[Tensor](), 0.0
    for epoch in range(epochs):
        order = torch.randperm(size, generator=seeded(derive(task.seed, "order", epoch)))
        own = seeded(0)
        for x, y in DataLoader(task.data.train, task.batch_size, sampler=order.tolist(), generator=own):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recent.append(loss.detach())
        losses += torch.stack(recent).tolist()
        recent.clear()
        model.eval()
        valid_loss = 0.0
        with torch.no_grad():
            for x, y in DataLoader(task.data.valid, task.valid_batch_size, generator=own):
                output = model(x)
                valid_loss += F.cross_entropy(output, y, reduction="sum").item()
                accuracy.update(output, y)
        metric = float(accuracy.compute())
        accuracy.reset()
        model.train()
        pause()
    return model, losses, metric


def task_classes(task: Task) -> int:
    """Return how many classes the training labels have."""
    return int(task.data.train.tensors[1].max()) + 1


def with_hasten(task: Task, pause: Pause) -> nn.Module:
    """Train with hasten and its display, and return the model."""
    screen = Screen(Console(file=io.StringIO(), force_terminal=True, width=100), clock=own_clock)

    def show(event: Event) -> None:
        screen.show(event)
        if isinstance(event, Evaluation):
            pause()

    with patch.object(loop, "perf_counter", own_clock):
        return run_training(baseline(task), Plan(task=task.name), show=show).model


def compare(make: Callable[[int], Workload], blocks: int) -> dict[str, list[float]]:
    """Run both sides in turn; return side -> seconds of a step in each block."""
    steps = 0

    def by_hand(pause: Pause) -> nn.Module:
        nonlocal steps
        model, losses, _ = workload.by_hand(pause)
        steps = len(losses)
        return model

    workload = make(WARM_UP + blocks)
    hasten = partial(with_hasten, workload.task)
    sides = in_turn({"hasten": hasten, "by hand": by_hand, "by hand again": by_hand})
    trained = [side.result.parameters() for side in sides.values()]
    if not all(torch.equal(first, one) for first, *others in zip(*trained, strict=True) for one in others):
        raise SystemExit(f"{workload.name}: the parameters differ")
    each = steps / (WARM_UP + blocks)
    return {name: [seconds / each for seconds in side.blocks_s[WARM_UP:]] for name, side in sides.items()}


def over_processes(make: Callable[[int], Workload], blocks: int, processes: int) -> dict[str, object]:
    """Compare in several processes, one after another; each gives one ratio.

    In one process a side can be 3 to 15 % faster than an equal one to the end, by where its code and data lie in the
    caches: more blocks do not show that, other processes do.
    """
    found = list[dict[str, list[float]]]()
    for _ in range(processes):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found.append(pool.submit(compare, make, blocks).result())
    ratios = {
        name: few_ratios([math.exp(trimmed_mean(log_ratios(one[name], one["by hand"], warm_up=0))) for one in found])
        for name in ("hasten", "by hand again")
    }
    return {
        "workload": make(1).name,
        "ratio": ratios["hasten"],
        "noise": ratios["by hand again"],
        "step_times_s": found,
        "same_bits": True,
    }


def main() -> None:
    """Measure every workload, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=6, help="of each workload")
    processes = parser.parse_args().processes
    print("step time of hasten with an empty plan over the hand-written loop (bar: at most 1.03)")
    rows = []
    workloads = ((linear, 12), (often, 40), (mlp, 16), (digits, 3), (wide_mlp, 5), (cnn, 6), (transformer, 3))
    for make, blocks in workloads:
        row = over_processes(make, blocks, processes)
        by_hand_ms = 1e3 * median(seconds for one in row["step_times_s"] for seconds in one["by hand"])
        noise = f"equal sides {told(row['noise'])}"
        print(f"  {row['workload']:12} {told(row['ratio'])}, {noise}, {by_hand_ms:.3g} ms a step by hand", flush=True)
        rows.append(row)
    print("the parameters at the end are equal bit for bit")
    print(record("overhead", {"processes": processes, "rows": rows}))


if __name__ == "__main__":
    main()
