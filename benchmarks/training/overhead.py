"""What hasten's loop costs: its empty plan against the shortest hand-written loop that does the same, on six models.

Both sides train the same model on the same batches, keep every step's loss, and judge the model at the same steps with
the same torchmetrics metric. hasten also shows its live display (on a pseudo terminal). The sides run in turn, in
random order, and the parameters at the end must be equal bit for bit.

    python -m benchmarks.training.overhead [--pairs 30]
"""

import argparse
import io
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from time import perf_counter

import torch
from rich.console import Console
from sklearn.datasets import make_classification
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.regression import MeanSquaredError

from benchmarks.profiling.workloads import Transformer, convolutional
from benchmarks.recording import ratio, record, told
from hasten import Data, Plan, Stop, Task, Update
from hasten.base.seeds import derive
from hasten.report.terminal import Screen
from hasten.tasks.digits import task as digits_task
from hasten.tasks.linear import task as linear_task
from hasten.training.recipe import baseline
from hasten.training.running import run_training

HandWritten = Callable[[], tuple[nn.Module, list[float], float]]
"""Trains and returns the model, the losses and the last metric."""


@dataclass(frozen=True)
class Workload:
    """One task and the loop that a person would write for it."""

    name: str
    task: Task
    by_hand: HandWritten


def linear() -> Workload:
    """Full-batch gradient descent on four points: the smallest step there is."""
    steps, every = 2000, 100
    task = replace(linear_task(), stop=Stop(steps=steps, evaluate_every=every))

    def by_hand() -> tuple[nn.Module, list[float], float]:
        torch.manual_seed(task.seed)
        model = task.model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        error = MeanSquaredError()
        x, y = task.data.train.tensors
        losses, metric = [], 0.0
        for step in range(1, steps + 1):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
            if step % every == 0:
                model.eval()
                with torch.no_grad():
                    output = model(x)
                    F.mse_loss(output, y).item()
                    error.update(output, y)
                metric = float(error.compute())
                error.reset()
                model.train()
        return model, torch.stack(losses).tolist(), metric

    return Workload("linear", task, by_hand)


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
    return Workload(name, task, lambda: classification_by_hand(task, epochs=epochs))


def features(samples: int) -> tuple[Tensor, Tensor]:
    """Return rows of 20 numbers and their class, one of two."""
    x, y = make_classification(samples, 20, n_informative=10, random_state=0)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def mlp() -> Workload:
    """A small multilayer perceptron."""
    model = partial(multilayer, 64)
    return classification("mlp", *features(4000), model, batch_size=32, epochs=8)


def wide_mlp() -> Workload:
    """A multilayer perceptron whose products take milliseconds."""
    model = partial(multilayer, 2048)
    return classification("wide_mlp", *features(2000), model, batch_size=128, epochs=10)


def multilayer(width: int) -> nn.Module:
    """Return a multilayer perceptron with two hidden layers."""
    return nn.Sequential(
        nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 2)
    )


def digits() -> Workload:
    """The built-in task on scikit-learn's images of digits."""
    task = replace(digits_task(epochs=4, target=None), valid_batch_size=256)
    return Workload("digits", task, lambda: classification_by_hand(task, epochs=4))


def cnn() -> Workload:
    """A convolutional network on images of 32 x 32."""
    images, labels = torch.randn(640, 3, 32, 32, generator=seeded(2)), torch.randint(0, 10, (640,), generator=seeded(3))
    return classification("cnn", images, labels, partial(convolutional, 16), batch_size=32, epochs=3)


def transformer() -> Workload:
    """Four transformer blocks on 128 tokens."""
    tokens, labels = (
        torch.randint(0, 100, (160, 128), generator=seeded(4)),
        torch.randint(0, 10, (160,), generator=seeded(5)),
    )
    return classification("transformer", tokens, labels, partial(Transformer, 128, 4, 4), batch_size=8, epochs=1)


def seeded(seed: int) -> torch.Generator:
    """Return a generator that starts from a seed."""
    return torch.Generator().manual_seed(seed)


def classification_by_hand(task: Task, epochs: int) -> tuple[nn.Module, list[float], float]:
    """Train a classifier with a DataLoader, and take its accuracy after every epoch."""
    torch.manual_seed(task.seed)
    model = task.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=task.update.lr)
    accuracy = MulticlassAccuracy(task_classes(task), average="micro", validate_args=False)
    size = len(task.data.train)
    losses = []
    for epoch in range(epochs):
        order = torch.randperm(size, generator=seeded(derive(task.seed, "order", epoch)))
        own = seeded(0)
        for x, y in DataLoader(task.data.train, task.batch_size, sampler=order.tolist(), generator=own):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
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
    return model, torch.stack(losses).tolist(), metric


def task_classes(task: Task) -> int:
    """Return how many classes the training labels have."""
    return int(task.data.train.tensors[1].max()) + 1


def with_hasten(task: Task) -> tuple[nn.Module, int]:
    """Train with hasten and its display, and return the model and the number of steps."""
    screen = Screen(Console(file=io.StringIO(), force_terminal=True, width=100))
    trained = run_training(baseline(task), Plan(task=task.name), show=screen.show)
    return trained.model, trained.result.steps


def compare(workload: Workload, pairs: int) -> dict[str, object]:
    """Time both sides in turn and return the ratio of their step times."""
    shuffle = random.Random(0)
    sides = ["hasten", "by hand"]
    logs, times = [], {"hasten": [], "by hand": []}
    for pair in range(pairs + 2):
        taken: dict[str, float] = {}
        models: dict[str, nn.Module] = {}
        shuffle.shuffle(sides)
        for side in sides:
            start = perf_counter()
            if side == "hasten":
                models[side], steps = with_hasten(workload.task)
            else:
                models[side], losses, _ = workload.by_hand()
            taken[side] = perf_counter() - start
        assert len(losses) == steps, "both sides must make the same steps"
        same = all(torch.equal(a, b) for a, b in zip(*(m.parameters() for m in models.values()), strict=True))
        assert same, f"{workload.name}: the parameters differ"
        if pair >= 2:  # the first two warm up
            logs.append(math.log(taken["hasten"] / taken["by hand"]))
            for side, seconds in taken.items():
                times[side].append(seconds / steps)
    return {"workload": workload.name, "steps": steps, "ratio": ratio(logs), "step_times_s": times, "same_bits": True}


def main() -> None:
    """Measure every workload, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    pairs = parser.parse_args().pairs
    rows = [compare(make(), pairs) for make in (linear, mlp, digits, wide_mlp, cnn, transformer)]
    print("step time of hasten with an empty plan over the hand-written loop (bar: at most 1.03)")
    for row in rows:
        by_hand_ms = 1e3 * median(row["step_times_s"]["by hand"])
        print(f"  {row['workload']:12} {told(row['ratio'])}, {row['steps']} steps of {by_hand_ms:.3g} ms by hand")
    print("the parameters at the end are equal bit for bit")
    print(record("overhead", {"pairs": pairs, "rows": rows}))


if __name__ == "__main__":
    main()
