"""Unusual modules: an autograd function of one's own, hooks, parametrizations, lazy modules, batch norm in parts."""

from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.any_training.training import (
    SEED,
    STEPS,
    Losses,
    Model,
    Training,
    adam,
    many_steps,
    normal,
    plain_loop,
    whole_numbers,
)
from hasten import Data, Stop, Task, Update

SAMPLES, CLASSES = 90, 3
STOP = Stop(steps=STEPS)


def samples() -> TensorDataset:
    """Return features and classes."""
    labels = whole_numbers(CLASSES, SAMPLES)
    return TensorDataset(normal(SAMPLES, 8) + labels[:, None], labels)


def loader() -> DataLoader[Any]:
    """Return the shuffled loader."""
    return DataLoader(samples(), 15, shuffle=True)


def classifier(name: str, model: Model, fresh: Model | None = None) -> Training:
    """Return the training of a classifier; `fresh` is the model by hand where that needs a line more."""
    return Training(
        name,
        lambda: plain_loop(fresh or model, adam, loader(), lambda net, batch: F.cross_entropy(net(batch[0]), batch[1])),
        lambda: Task(
            name=name,
            data=Data(train=loader(), valid=samples()),
            model=model,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


class StraightThrough(torch.autograd.Function):
    """The sign, with the gradient of a clipped identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return the sign of each number."""
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        """Return the gradient where the number is within [-1, 1]."""
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


class Binary(nn.Module):
    """A layer of signs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 32), nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores."""
        return self.two(StraightThrough.apply(self.one(x)))


def hooked() -> nn.Module:
    """Return a model with forward, forward-pre, full-backward and parameter hooks."""
    first, last = nn.Linear(8, 32), nn.Linear(32, CLASSES)
    first.register_forward_pre_hook(lambda module, inputs: (inputs[0].clamp(-2, 2),))
    first.register_forward_hook(lambda module, inputs, output: output * 0.5)
    last.register_full_backward_hook(lambda module, before, after: (before[0] * 0.9,))
    last.weight.register_hook(lambda gradient: gradient.clamp(-0.1, 0.1))
    return nn.Sequential(first, nn.ReLU(), last)


def parametrized() -> nn.Module:
    """Return a model whose weights are computed from others; spectral norm keeps buffers of its own."""
    return nn.Sequential(spectral_norm(nn.Linear(8, 32)), nn.ReLU(), weight_norm(nn.Linear(32, CLASSES)))


def lazy() -> nn.Module:
    """Return a model that learns its input sizes from the first batch."""
    return nn.Sequential(nn.LazyLinear(32), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(CLASSES))


def lazy_after_a_dry_run() -> nn.Module:
    """Return the same after the dry run that torch asks for before the optimizer is made."""
    net = lazy().eval()
    with torch.no_grad():
        net(samples().tensors[0][:2])
    return net.train()


class Clipped(optim.SGD):
    """SGD that clips gradients itself."""

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        """Clip, then update."""
        nn.utils.clip_grad_norm_([one for group in self.param_groups for one in group["params"]], 0.5)
        return super().step(closure)


def clipped() -> Training:
    """Gradient clipping inside an optimizer of one's own."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, CLASSES))

    def by_hand() -> tuple[Losses, nn.Module]:
        torch.manual_seed(SEED)
        net = model()
        updates = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def step(batch: list[Tensor]) -> Tensor:
            x, y = batch
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            updates.step()
            updates.zero_grad()
            return loss.detach()

        return many_steps(loader(), step, lambda: None), net

    return Training(
        "clipped-gradients",
        by_hand,
        lambda: Task(
            name="clipped-gradients",
            data=Data(train=loader(), valid=samples()),
            model=model,
            update=Update(optimizer=lambda net: Clipped(net.parameters(), lr=0.1, momentum=0.9)),
            stop=STOP,
        ),
    )


def batch_norm_in_parts() -> Training:
    """Batch norm under accumulation: each batch in two parts, each normalized by its own statistics."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, CLASSES))

    def in_two(net: nn.Module, batch: list[Tensor]) -> Tensor:
        x, y = batch
        half = (len(x) + 1) // 2
        terms = [F.cross_entropy(net(x[rows]), y[rows], reduction="sum") for rows in (slice(half), slice(half, None))]
        return (terms[0] + terms[1]) / len(x)

    return Training(
        "batch-norm-in-parts",
        lambda: plain_loop(model, adam, loader(), in_two),
        lambda: Task(
            name="batch-norm-in-parts",
            data=Data(train=loader(), valid=samples()),
            model=model,
            objective=in_two,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


TRAININGS = (
    classifier("autograd-function", Binary),
    classifier("hooks", hooked),
    classifier("parametrizations", parametrized),
    classifier("lazy-modules", lazy, lazy_after_a_dry_run),
    clipped(),
    batch_norm_in_parts(),
)
