"""The gradient of a batch accumulated over parts of unequal size, against that of the whole batch, in float32.

For every kind of loss, with and without clipping. One step of gradient descent at rate 1 moves each parameter by its
gradient; the error of both ways is taken against the same step in float64, relative to the size of the gradient.

    python -m benchmarks.training.accumulation
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from benchmarks.recording import record
from hasten import Data, Stop, Task, Update
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.training.building import build
from hasten.training.loss import CrossEntropy
from hasten.training.recipe import Recipe, baseline
from hasten.training.step import step

SAMPLES, FEATURES, CLASSES, LENGTH = 37, 20, 5, 6
PARTS = (1, 4, 8, 36)
CLIPPING: tuple[tuple[str, dict[str, float]], ...] = (
    ("none", {}),
    ("clip_norm", {"max_norm": 0.05}),
    ("clip_value", {"limit": 0.01}),
    ("clip_adaptive", {}),
)


class PerPosition(nn.Module):
    """Scores for every position of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x[:, None] * torch.linspace(0.5, 1.5, LENGTH, dtype=x.dtype)[:, None])


def mlp(outputs: int) -> nn.Module:
    """Return a small perceptron."""
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, outputs))


def tasks() -> dict[str, Task]:
    """Return a task for every kind of loss."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, FEATURES, generator=draw)
    labels = torch.randint(CLASSES, (SAMPLES,), generator=draw)
    sequences = torch.randint(CLASSES, (SAMPLES, LENGTH), generator=draw)
    kinds: dict[str, tuple[Tensor, object, Callable[[], nn.Module]]] = {
        "mse": (torch.randn(SAMPLES, 1, generator=draw), "mse", lambda: mlp(1)),
        "cross_entropy": (labels, "cross_entropy", lambda: mlp(CLASSES)),
        "cross_entropy, sequences": (sequences, "cross_entropy", PerPosition),
        "cross_entropy, some labels ignored": (sequences, CrossEntropy(ignore_index=0), PerPosition),
        "cross_entropy, soft labels": (F.one_hot(labels, CLASSES).float(), "cross_entropy", lambda: mlp(CLASSES)),
        "a callable that returns a mean": (torch.randn(SAMPLES, 1, generator=draw), F.smooth_l1_loss, lambda: mlp(1)),
    }
    return {
        name: Task(name="accumulation", data=Data(train=TensorDataset(x, y), valid=TensorDataset(x, y)), model=model,
                   loss=loss, metric="loss", update=Update(optimizer="sgd", lr=1.0), batch_size=SAMPLES,
                   stop=Stop(steps=1))
        for name, (y, loss, model) in kinds.items()
    }  # fmt: skip


def moved(recipe: Recipe, dtype: torch.dtype) -> Tensor:
    """Return what one step adds to all parameters, in float64."""
    run = build(recipe)
    run.model.to(dtype)
    batch = tuple(column.to(dtype) if column.is_floating_point() else column for column in next(iter(run.batches()))[1])
    before = [parameter.detach().clone() for parameter in run.parameters]
    step(run, batch)
    changes = [(after.detach() - old).double().flatten() for after, old in zip(run.parameters, before, strict=True)]
    return torch.cat(changes)


def main() -> None:
    """Measure every loss with every clipping, print the worst of each, keep the results."""
    machine, rows = facts(), []
    for name, task in tasks().items():
        for clipping, knobs in CLIPPING:
            recipe = apply_all([make(clipping, dict(knobs))] if clipping != "none" else [], baseline(task), machine)
            exact = moved(recipe, torch.float64)
            errors = {
                size: float((moved(replace(recipe, backward=replace(recipe.backward, micro_batch=size)), torch.float32)
                             - exact).norm() / exact.norm())
                for size in (SAMPLES, *PARTS)
            }  # fmt: skip
            rows.append({"loss": name, "clipping": clipping, "relative_errors": errors})
            worst = max(errors[size] for size in PARTS)
            print(f"  {name:36} {clipping:14} whole {errors[SAMPLES]:.1e}, in parts at most {worst:.1e}")
    worst = max(max(row["relative_errors"].values()) for row in rows)
    print(f"at most {worst:.1e} of the gradient (float32 rounds at {torch.finfo(torch.float32).eps:.1e})")
    print(record("accumulation", {"samples": SAMPLES, "parts": PARTS, "rows": rows}))


if __name__ == "__main__":
    main()
