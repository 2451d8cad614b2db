"""What the doctor costs a training: in steps that it does not watch, in those that it does, and at the start.

Six trainings from 0.3 ms to 100 ms a step, each with the collector of the dynamics alone and with those of all tiers.
Steps that are not watched are timed against plain ones of the same training, in blocks in turn, in an order drawn by a
coin: with as many losses read as in a long training (`thinning.distance`), and with all of them read as in its first
steps. What watched steps take beyond the others is added up in a training without interruption, after the first steps
and apart for those. Times are of the processor on one core, since preemption by other processes is no cost of ours.
Calls of Python and C functions beyond a plain step are counted, too. Then both ways are trained anew from the same
seed, and the parameters must be equal bit for bit.

    python -m benchmarks.doctor_overhead [--pairs 100] [--seconds 9]
"""

import argparse
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from statistics import median
from time import perf_counter, thread_time

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

import hasten
from benchmarks.counting import calls
from benchmarks.recording import ratio, record, told
from hasten.diagnosis.dynamics.collector import DynamicsCollector
from hasten.diagnosis.watching.events import NEVER
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.diagnosis.watching.thinning import Thinning, distance

BLOCK_S = 0.05
START_S = 4.0  # told apart
FEW = 20  # steps whose losses are all read, where a training is short
NEAR = 20  # unwatched steps before and after a watched one that tell what it would take


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
    """Return the seconds of the processor of a step, averaged over some."""
    begin = thread_time()
    for _ in range(steps):
        step()
    return (thread_time() - begin) / steps


def same(name: str, watch: Callable[[], TrainingWatch], steps: int = 60) -> bool:
    """Return whether a watched training ends with the same parameters bit for bit."""
    ends = []
    for watched in (False, True):
        step, model = stepper(name)
        made = watch()
        made._thinning = Thinning(FEW)
        with made if watched else nullcontext():
            timed(step, steps)
        ends.append([one.detach() for one in model.parameters()])
    return all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def calls_in(step: Callable[[], None], steps: int = 5) -> float:
    """Return the calls of Python and C functions in a step."""
    return calls(lambda: [step() for _ in range(steps)]) / steps


def through(step: Callable[[], None], watch: TrainingWatch, seconds: float) -> tuple[float, float]:
    """Return what watched steps cost in a training: their share of the time, and seconds for the first ones."""
    times, watched, began, start = list[float](), list[bool](), perf_counter(), 0
    while (passed := perf_counter() - began) < START_S + seconds:
        start = len(times) if passed < START_S else start
        before, begin = watch._watching, thread_time()
        step()
        times.append(thread_time() - begin)
        watched.append(before or watch._watching)  # the step that ends with putting hooks in belongs to them
    own = [time for time, one in zip(times, watched, strict=True) if not one] or times

    def extra_s(at: int) -> float:
        near = [times[i] for i in range(max(0, at - NEAR), min(len(times), at + NEAR)) if not watched[i]]
        return times[at] - median(near or own) if watched[at] else 0.0

    share = sum(extra_s(at) for at in range(start, len(times))) / sum(times[start:])
    return share, sum(extra_s(at) for at in range(start))


@contextmanager
def plain(watch: TrainingWatch) -> Generator[None]:
    """Leave no hook in."""
    for stack in (watch._of_classes, watch._of_losses, watch._of_updates, watch._of_backward, watch._undo):
        stack.close()
    watch._lean, watch._losses_out, watch._reads = True, True, False
    yield
    watch._put_in()
    watch._put_in_classes()


@contextmanager
def reading(watch: TrainingWatch, distance: int) -> Generator[None]:
    """Read the losses at a distance."""
    watch._thinning._distance, watch._thinning.again = distance, NEVER
    watch._look_ahead()
    yield


def in_turn(step: Callable[[], None], watch: TrainingWatch, pairs: int, seconds: float) -> list[dict[str, float]]:
    """Return the seconds of plain steps, of such whose losses are thinned, and of such that are all read, in turn."""
    watch._wake = NEVER
    step_s = timed(step, 20)
    thin = distance(step_s)
    steps = thin * max(1, round(BLOCK_S / step_s / thin))
    kinds = {
        "plain": lambda: plain(watch),
        "thinned": lambda: reading(watch, thin),
        "read": lambda: reading(watch, 1),
    }
    coin, found, began = np.random.default_rng(0), list[dict[str, float]](), perf_counter()
    while len(found) < pairs and (len(found) < 8 or perf_counter() - began < seconds):
        times = {}
        for kind in coin.permutation(list(kinds)):
            with kinds[str(kind)]():
                step()
                times[str(kind)] = timed(step, steps)
        found.append(times)
    return found


def measured(name: str, kind: str, pairs: int, seconds: float) -> dict[str, object]:
    """Return what watching costs one training."""
    make = WATCHES[kind]
    step, _ = stepper(name)
    timed(step, 5)
    plain_calls = calls_in(step)
    step_s = timed(step, 10)
    watch = make()
    with watch:
        share, start_s = through(step, watch, seconds)
        while watch._watching:
            step()
        times = in_turn(step, watch, pairs, seconds)
        with reading(watch, NEVER):
            extra_calls = calls_in(step) - plain_calls
    unwatched, read = (
        ratio([float(np.log(one[kind] / one["plain"])) for one in times]) for kind in ("thinned", "read")
    )
    whole = {key: getattr(unwatched, key) * (1 + share) for key in ("value", "low", "high")}
    interval = f"{whole['value']:.4f} [{whole['low']:.4f}, {whole['high']:.4f}]"
    print(
        f"{name:18} {kind:9} step {1e3 * step_s:.2f} ms  x{interval}: "
        f"unwatched x{told(unwatched)}, all losses read x{told(read)}, watched steps {share:.2%}; "
        f"first {START_S:.0f} s {start_s:.2f} s; {extra_calls:.0f} calls",
        flush=True,
    )
    return {
        "step_ms": 1e3 * step_s,
        "ratio": whole,
        "unwatched_ratio": unwatched,
        "read_ratio": read,
        "distance": distance(step_s),
        "watched_share": share,
        "start_s": start_s,
        "extra_calls": extra_calls,
        "bitwise_equal": same(name, make),
        "failed": watch.failed,
    }


WATCHES: dict[str, Callable[[], TrainingWatch]] = {
    "dynamics": lambda: TrainingWatch([DynamicsCollector()]),
    "all": lambda: hasten.diagnosing("overhead"),
}


def main() -> None:
    """Measure all workloads and record the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=9.0, help="for each part of each training")
    parser.add_argument("--only", default="", help="workloads, separated by commas; nothing is recorded then")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    names = given.only.split(",") if given.only else list(WORKLOADS)
    found = {name: {kind: measured(name, kind, given.pairs, given.seconds) for kind in WATCHES} for name in names}
    if not given.only:
        print(record("doctor_overhead", found))


if __name__ == "__main__":
    main()
