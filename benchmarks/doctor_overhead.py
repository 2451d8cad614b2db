"""What watching the dynamics of a training costs: blocks of steps with the collector against blocks without, in turn.

Six trainings from 0.3 ms to 100 ms a step. One watch looks at every second block, in an order drawn by a coin; the
first steps, which are sampled densely, are made before and told apart. Then both ways are trained anew from the same
seed, and the parameters must be equal bit for bit.

    python -m benchmarks.doctor_overhead [--pairs 30] [--seconds 20]
"""

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from benchmarks.recording import ratio, record, told
from hasten.diagnosis.dynamics.collector import DynamicsCollector
from hasten.diagnosis.watching.hooks import TrainingWatch

WARM, WARM_S = 150, 3.0  # steps, or as many as take so long: what is sampled at first does not depend on its cost
BLOCK_S = 0.05


def dense(width: int, depth: int, rows: int) -> tuple[nn.Module, Tensor]:
    """Return a network of linear layers, and inputs."""
    layers = [part for _ in range(depth) for part in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 10)), torch.randn(rows, width)


def convolutional(channels: int, rows: int) -> tuple[nn.Module, Tensor]:
    """Return a convolutional network with batch normalization, and images."""

    def block(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]

    head = [nn.Flatten(), nn.LazyLinear(10)]
    return nn.Sequential(*block(3, channels), *block(channels, 2 * channels), *head), torch.randn(rows, 3, 32, 32)


class Transformer(nn.Module):
    """An encoder and a mean over positions."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits of (rows, positions, width)."""
        return self.head(self.encoder(inputs).mean(1))


WORKLOADS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "linear": lambda: dense(16, 0, 16),
    "mlp_small": lambda: dense(64, 2, 32),
    "mlp": lambda: dense(512, 4, 128),
    "cnn": lambda: convolutional(16, 32),
    "transformer": lambda: (Transformer(64, 2), torch.randn(16, 32, 64)),
    "transformer_large": lambda: (Transformer(128, 4), torch.randn(16, 64, 128)),
}


def stepper(name: str, seed: int = 0) -> tuple[Callable[[], None], nn.Module]:
    """Return a function that makes one training step, and its model."""
    torch.manual_seed(seed)
    model, inputs = WORKLOADS[name]()
    model(inputs)
    targets = torch.randint(0, 10, (len(inputs),))
    optimizer = optim.Adam(model.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()

    return step, model


def timed(step: Callable[[], None], steps: int) -> float:
    """Return the seconds of a step, averaged over some."""
    begin = perf_counter()
    for _ in range(steps):
        step()
    return (perf_counter() - begin) / steps


def same(name: str, steps: int = 40) -> bool:
    """Return whether a watched training ends with the same parameters bit for bit."""
    ends = []
    for watched in (False, True):
        step, model = stepper(name)
        with TrainingWatch([DynamicsCollector()]) if watched else nullcontext():
            timed(step, steps)
        ends.append([one.detach() for one in model.parameters()])
    return all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def measured(name: str, pairs: int, seconds: float) -> dict[str, object]:
    """Return what watching costs one training."""
    step, _ = stepper(name)
    timed(step, 5)
    step_s = timed(step, 10)
    watch = TrainingWatch([DynamicsCollector()])
    with watch:
        warm_s = timed(step, WARM)
        timed(step, round(WARM_S / step_s))
    steps = max(3, round(BLOCK_S / step_s))
    coin, logs, began = np.random.default_rng(0), list[float](), perf_counter()
    while len(logs) < pairs and (len(logs) < 5 or perf_counter() - began < seconds):
        times = {}
        for watched in coin.permutation([False, True]):
            with watch if watched else nullcontext():
                times[bool(watched)] = timed(step, steps)
        logs.append(float(np.log(times[True] / times[False])))
    found = ratio(logs)
    print(
        f"{name:18} step {1e3 * step_s:.2f} ms  x{told(found)}  first {WARM} steps x{warm_s / step_s:.2f}", flush=True
    )
    return {
        "step_ms": 1e3 * step_s,
        "ratio": found,
        "pairs": len(logs),
        "first_steps_ratio": warm_s / step_s,
        "bitwise_equal": same(name),
        "failed": watch.failed,
    }


def main() -> None:
    """Measure all workloads and record the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20.0, help="at most, for each training")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(record("doctor_overhead", {name: measured(name, given.pairs, given.seconds) for name in WORKLOADS}))


if __name__ == "__main__":
    main()
