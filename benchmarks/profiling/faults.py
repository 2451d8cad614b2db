"""Twenty-one trainings with one planted fault each, and twenty healthy ones, for the benchmark of verdicts.

What else is true of a training is kept out of it, so that its fault is the largest thing to mend: products are made in
bfloat16 where a machine's faster format would be the larger gain, and tiny operations on one thread.
"""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import Dataset

from benchmarks.profiling.workloads import Block, Transformer, convolutional, features, task, tokens, with_loader
from hasten import Data, Stop, Update
from hasten.data.loading.loaders import gathered, per_sample
from hasten.machine.set_threads import threads_set
from hasten.techniques.forward.bf16 import Bf16
from hasten.training.recipe import Recipe, baseline

Wrapper = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Case:
    """One training and what may be said of it.

    Args:
        name: of the case.
        recipe: builds the training.
        first: symptoms of which one must be told first; empty for a healthy training.
        true: symptoms that may be told besides, for they are so.
        around: what is switched on while it is profiled.
    """

    name: str
    recipe: Callable[[], Recipe]
    first: tuple[str, ...] = ()
    true: tuple[str, ...] = ()
    around: Wrapper = field(default=nullcontext)


def wide(width: int = 512, depth: int = 3) -> nn.Module:
    """Return a multilayer perceptron on 256 features."""
    layers: list[nn.Module] = [nn.Linear(256, width), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def plain(name: str, model: Callable[[], nn.Module] = wide, *, batch: int = 256, **changes: Any) -> Recipe:
    """Return a recipe without known faults on 256 features, with parts of its task replaced."""
    made = replace(task(name, features(4096, 256), model, batch=batch), **changes)
    return with_loader(baseline(made), gathered)


def narrow() -> nn.Module:
    """Return six layers of 64."""
    return wide(64, 6)


def in_bf16(recipe: Recipe) -> Recipe:
    """Compute products in bfloat16, so that no narrower format lies idle."""
    return Bf16().apply(recipe)


class Reading(Dataset[Any]):
    """Does something for every sample that is read."""

    def __init__(self, of: Dataset[Any], work: Callable[[], object]) -> None:
        self.of, self.work = of, work

    def __len__(self) -> int:
        return len(self.of)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        self.work()
        return self.of[index]


class Calling(nn.Module):
    """Does something in every forward pass of training."""

    def __init__(self, inner: nn.Module, work: Callable[[int], object]) -> None:
        super().__init__()
        self.inner, self.work, self.calls = inner, work, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
            self.work(self.calls)
        return self.inner(x)


class OneByOne(nn.Module):
    """Loops over the samples of its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = wide(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.inner(x[index]) for index in range(len(x))])


class Recomputing(nn.Module):
    """Recomputes every block in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(100, 128)
        self.blocks = nn.ModuleList(Block(128, 4) for _ in range(3))
        self.head = nn.Linear(128, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return self.head(x.mean(1))


class SlowGradient(torch.autograd.Function):
    """Hands its input on and computes for nothing in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        spin(0.1)
        return gradients[0]


class Slow(nn.Module):
    """Slows the backward pass down."""

    def forward(self, x: Tensor) -> Tensor:
        return SlowGradient.apply(x)


class Spelled(nn.Module):
    """Attention of narrow heads in three operations over long sequences: most of its time is spent between products."""

    def __init__(self, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.tokens = nn.Embedding(100, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        for _ in range(2):
            split = x.unflatten(2, (self.heads, -1)).transpose(1, 2)
            mixed = (split @ split.transpose(2, 3) / split.shape[-1] ** 0.5).softmax(-1) @ split
            x = mixed.transpose(1, 2).flatten(2)
        return self.head(x.mean(1))


class Jittering(nn.Module):
    """Cuts every batch to another number of features before a compiled function."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = wide()
        self.compiled = torch.compile(self._scaled, backend="eager", dynamic=False)
        self.calls = 0

    def _scaled(self, x: Tensor) -> Tensor:
        return x * 2

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        self.compiled(x[:, : 16 + self.calls % 200])
        return self.inner(x)


def spin(seconds: float) -> None:
    """Keep a core busy."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        pass


def slow_reading(name: str, work: Callable[[], object]) -> Recipe:
    """Return a recipe whose samples are dear to read."""
    made = plain(name)
    slow = replace(made.task, data=Data(train=Reading(made.task.data.train, work), valid=made.task.data.valid))
    return replace(with_loader(made, per_sample), task=slow)


def working(name: str, work: Callable[[int], object]) -> Recipe:
    """Return a recipe that does something in every forward pass."""
    return in_bf16(plain(name, lambda: Calling(wide(), work)))


def slow_gradient() -> Recipe:
    """Return a recipe whose backward pass does something besides."""
    return plain("gradient", lambda: nn.Sequential(wide(), Slow()))


def many_parameters() -> Recipe:
    """Return a recipe whose optimizer updates many small tensors, one after another."""
    return plain("single-tensor", lambda: wide(16, 80), batch=512, update=Update(optimizer="adamw", lr=1e-4))


def heavy_optimizer() -> Recipe:
    """Return a recipe with many weights for few samples, and an optimizer that passes over them often."""
    return plain("big-update", lambda: wide(2048, 3), batch=8, update=Update(optimizer="adamw", lr=1e-4))


def frequent_evaluation() -> Recipe:
    """Return a recipe that judges its model after every step."""
    update = Update(optimizer="sgd", lr=1e-3)
    return in_bf16(plain("evaluation", stop=Stop(epochs=10, evaluate_every=1), batch=64, update=update))


def padded() -> Recipe:
    """Return a recipe whose sequences are mostly padding."""
    sequences = tokens(1024, 64) + 1
    lengths = torch.randint(8, 24, (1024,), generator=torch.Generator().manual_seed(2))
    sequences[torch.arange(64) >= lengths[:, None]] = 0
    return in_bf16(with_loader(baseline(task("padded", sequences % 100, small_transformer, batch=64)), gathered))


def small_transformer() -> nn.Module:
    """Return a transformer of three blocks."""
    return Transformer(128, 3, 4)


def doubled() -> Recipe:
    """Return a recipe in double precision."""
    made = task("float64", features(4096, 256).double(), lambda: wide().double(), batch=256)
    return with_loader(baseline(made), gathered)


def of_tokens(name: str, model: Callable[[], nn.Module], length: int = 64, batch: int = 64) -> Recipe:
    """Return a recipe over random tokens."""
    return with_loader(baseline(task(name, tokens(1024, length), model, batch=batch)), gathered)


def spelled_out() -> Recipe:
    """Return a recipe whose attention is written by hand."""
    return of_tokens("spelled", Spelled, length=1024, batch=4)


def leaking() -> Recipe:
    """Return a recipe whose model keeps what it should let go."""
    kept: list[Tensor] = []
    return working("leak", lambda calls: kept.append(torch.ones(1 << 18)))


@contextmanager
def anomaly() -> Generator[None]:
    """Leave autograd's anomaly detection on."""
    with torch.autograd.set_detect_anomaly(True):
        yield


@contextmanager
def neighbors() -> Generator[None]:
    """Let two other processes, which are not this one's children, keep two cores busy."""
    start = f"{sys._base_executable} -c 'while True: pass' >/dev/null 2>&1 & echo $!"
    others = [int(subprocess.run(["sh", "-c", start], capture_output=True, check=True).stdout) for _ in range(2)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGKILL)


@contextmanager
def endless_compilations() -> Generator[None]:
    """Let a function be compiled for as many shapes as come."""
    from torch._dynamo import config

    with config.patch(recompile_limit=10**6, accumulated_recompile_limit=10**6):
        yield


def with_threads(count: int) -> Wrapper:
    """Return what lets torch use so many threads."""
    return lambda: threads_set(count)


def _every(period: int, work: Callable[[], object]) -> Callable[[int], object]:
    return lambda calls: work() if calls % period == 0 else None


def _cycles() -> object:
    """Make and collect garbage in circles."""
    for _ in range(20000):
        circle: list[Any] = []
        circle.append(circle)
    return gc.collect()


OVERHEAD = ("host_bound", "small_kernels")

PLANTED: tuple[Case, ...] = (
    Case("samples wait for a disk", lambda: slow_reading("disk", partial(time.sleep, 2e-4)), ("input_bound",)),
    Case("samples are dear to decode", lambda: slow_reading("decode", partial(spin, 2e-4)), ("input_bound",)),
    Case("a little slow to read", lambda: slow_reading("slow", partial(spin, 2e-5)), ("input_bound",)),
    Case("many tensors, one by one", many_parameters, ("optimizer_heavy", *OVERHEAD), ("optimizer_heavy",)),
    Case("large update, small batch", heavy_optimizer, ("optimizer_heavy",)),
    Case("a loop over samples", lambda: plain("loop", OneByOne, batch=64), ("static_anti_patterns",)),
    Case("evaluates all the time", frequent_evaluation, ("eval_ckpt_overhead",)),
    Case("mostly padding", padded, ("padding_waste",)),
    Case("double precision", doubled, ("static_anti_patterns",)),
    Case(
        "needless checkpointing",
        lambda: in_bf16(of_tokens("activation_checkpointing", Recomputing)),
        ("needless_checkpointing",),
    ),
    Case("own backward is slow", slow_gradient, ("backward_anomaly",)),
    Case("hiccups every 20 steps", lambda: working("hiccup", _every(20, partial(spin, 0.3))), ("step_outliers",)),
    Case("collects garbage", lambda: working("garbage", _every(12, _cycles)), ("step_outliers",)),
    Case("anomaly detection", partial(plain, "anomaly", narrow, batch=64), ("static_anti_patterns",), around=anomaly),
    Case("keeps memory", leaking, ("memory_leak",)),
    Case("tiny batches", lambda: plain("tiny", lambda: wide(32, 8), batch=4), OVERHEAD, around=with_threads(1)),
    Case("many tiny layers", lambda: plain("layers", lambda: wide(16, 60), batch=32), OVERHEAD, around=with_threads(1)),
    Case("attention spelled out", spelled_out, ("attention_unfused",)),
    Case("compiles again and again", lambda: plain("jitter", Jittering), ("recompiles",), around=endless_compilations),
    Case(
        "too many threads",
        partial(plain, "threads", narrow, batch=64),
        ("thread_oversubscription",),
        around=with_threads(16),
    ),
    Case("busy neighbors", lambda: plain("neighbors"), ("thermal_or_contention",), around=neighbors),
)


ALWAYS_TRUE = ("low_compute_efficiency", "precision_unused", "memory_headroom")
"""What the machine's own peaks say of any model that is not made of large products; a remark, and no alarm."""


def _healthy() -> Iterator[Case]:
    for width in (512, 768, 1024, 1536):
        for batch in (512, 1024):
            yield Case(f"mlp {width}, batch {batch}", partial(plain, "mlp", partial(wide, width), batch=batch))
    for channels in (16, 32, 48):
        images = partial(task, "cnn", features(512, 3, 32, 32), partial(convolutional, channels), batch=64)
        yield Case(f"cnn {channels}", lambda images=images: with_loader(baseline(images()), gathered))
    for width, blocks in ((64, 2), (128, 2), (128, 4), (256, 2)):
        model = partial(Transformer, width, blocks, 4)
        yield Case(f"transformer {width} x {blocks}", partial(of_tokens, "transformer", model))
        yield Case(f"the same in bf16, {width} x {blocks}", lambda model=model: in_bf16(of_tokens("bf16", model)))
    yield Case("sgd", partial(plain, "sgd", partial(wide, 1024), update=Update(optimizer="momentum", lr=1e-3)))


SLOW_KERNEL = ("backward_anomaly",)
"""True of attention in bf16 here: torch's fused kernel takes twelve times as long backward as forward (see LOG.md)."""

HEALTHY: tuple[Case, ...] = tuple(
    replace(case, true=ALWAYS_TRUE + SLOW_KERNEL * ("bf16" in case.name)) for case in _healthy()
)


def accepted(case: Case, symptoms: list[str]) -> bool:
    """Return whether the symptoms told are right for a case: the planted one first, or nothing false."""
    if case.first:
        return bool(symptoms) and symptoms[0] in case.first
    return set(symptoms) <= set(case.true)
