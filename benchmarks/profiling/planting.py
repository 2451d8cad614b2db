"""Plant a delay in one part of a training step, and measure what the anatomy of the step finds of it.

The delay waits in one of every two stretches of ten steps, chosen at random. The anatomy of the stretches with it, less
that of those without, must be the delay in that part and nothing in the others. Interleaving the stretches cancels the
drift of the machine.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn, optim

from benchmarks.profiling.workloads import features, task
from hasten.base.device import Device
from hasten.data.loading.loaders import Loader
from hasten.measurement.clock import marks_of, step_times_ns
from hasten.profiling.anatomy import anatomy
from hasten.profiling.stepping import loop_steps, set_aside_stop_rules
from hasten.training.building import build
from hasten.training.marks import OTHER, PARTS
from hasten.training.recipe import Recipe, baseline
from hasten.training.transforms import Stateless

FEATURES = 64
STRETCH = 10
WARM = 20


class Delay(Protocol):
    """Waits `wait_s` at a call, 0 for no wait; `spent` holds the seconds that each wait took."""

    wait_s: float
    spent: list[float]

    def __call__(self) -> None: ...


class BusyWait:
    """A busy wait of the processor, at every `every`-th call.

    It computes a little meanwhile: a wait that only reads the clock, or counts, makes the work after it slower.
    """

    def __init__(self) -> None:
        self.wait_s = 0.0
        self.every = 1
        self.calls = 0
        self.spent: list[float] = []
        self.numbers, self.results = torch.rand(512), torch.empty(512)

    def __call__(self) -> None:
        self.calls += 1
        if self.wait_s and self.calls % self.every == 0:
            begin = perf_counter()
            with torch.no_grad():
                while perf_counter() - begin < self.wait_s:
                    torch.addcmul(self.numbers, self.numbers, self.numbers, out=self.results)
            self.spent.append(perf_counter() - begin)


class InBackward(torch.autograd.Function):
    """The identity; waits in its backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, wait: Callable[[], None]) -> Tensor:
        ctx.wait = wait
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.wait()
        return gradients[0], None


class Waiting(nn.Module):
    """An MLP that waits in its forward or in its backward pass."""

    def __init__(self, hidden: tuple[int, ...], forward: Callable[[], None], backward: Callable[[], None]) -> None:
        super().__init__()
        self.waits = (forward, backward)
        sizes = zip((FEATURES, *hidden), hidden, strict=False)
        layers = [layer for before, width in sizes for layer in (nn.Linear(before, width), nn.ReLU())]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], 10))

    def forward(self, x: Tensor) -> Tensor:
        self.waits[0]()
        return InBackward.apply(self.layers(x), self.waits[1])


class WaitingAdam(optim.AdamW):
    """An optimizer that waits."""

    wait: Callable[[], None]

    def step(self, closure: Any = None) -> Any:
        self.wait()
        return super().step(closure)


def planted(
    part: str,
    delay: Delay,
    *,
    loader: Callable[[Recipe], Loader],
    hidden: tuple[int, ...],
    samples: int,
    batch: int,
    device: str = "cpu",
) -> Recipe:
    """Return a recipe of an MLP that waits in one part of its step.

    Args:
        part: where it waits, as in `PARTS`.
        delay: is called there.
        loader: the loader of the recipe without delay.
        hidden: widths of the hidden layers.
        samples: length of the training data.
        batch: batch size.
        device: where it trains.
    """

    def at(name: str) -> Callable[[], None]:
        return delay if name == part else lambda: None

    def optimizer(model: nn.Module) -> optim.Optimizer:
        made = WaitingAdam(model.parameters(), lr=1e-4, fused=True)
        made.wait = at("update")
        return made

    made = task(
        "planted", features(samples, FEATURES), lambda: Waiting(hidden, at("forward"), at("backward")), batch=batch
    )
    plain = baseline(made, device=device)
    usual, loss = loader(plain), plain.forward.loss

    def slow_loader(dataset: Any, size: int) -> Any:
        fetch = usual(dataset, size)

        def slow(ids: Tensor) -> Iterator[Any]:
            for fetched in fetch(ids):
                at("input")()
                yield fetched

        return slow

    def around_loss(compute: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*args: Any) -> Any:
            if compute is loss:
                at("loss")()
            return compute(*args)

        return slow

    def prepare(batch: Any) -> Any:
        at("transfer")()
        return batch

    def gradient_step(_: Any) -> bool:
        at("gradient")()
        return True

    return replace(
        plain,
        input=replace(plain.input, loader=slow_loader, batch_transforms=(prepare,)),
        forward=replace(plain.forward, wrappers=(around_loss,)),
        gradient=(Stateless(gradient_step),),
        update=replace(plain.update, optimizer=optimizer, options={}),
    )


def in_stretches(steps: int) -> NDArray[np.bool_]:
    """Return which steps wait: one stretch of each pair at random, so that periodic costs hit both alike."""
    first = np.random.default_rng(0).random(steps // (2 * STRETCH) + 1) < 0.5
    return np.stack([first, ~first], axis=1).ravel().repeat(STRETCH)


def recovered(recipe: Recipe, part: str, share: float, delay: Delay, *, steps: int) -> dict[str, object]:
    """Run a recipe of `planted` with a delay of a share of the step, and return what the anatomy finds of it."""
    run, device = build(recipe), Device(recipe.parallel.device)
    set_aside_stop_rules(run)
    loop_steps(run, WARM)
    device.synchronize()
    begin = perf_counter()
    loop_steps(run, WARM)
    device.synchronize()
    step_s = (perf_counter() - begin) / WARM
    place, step, waits = PARTS.index(part), 0, in_stretches(steps)
    clock = marks_of(device)

    def mark(index: int) -> None:
        nonlocal step
        clock.mark(index)
        if index == OTHER:
            step += 1
            delay.wait_s = share * step_s if waits[step] else 0.0

    begin = perf_counter()
    loop_steps(run, steps, mark)
    device.synchronize()
    wall_s = perf_counter() - begin
    times = step_times_ns(clock, parts=len(PARTS), last=OTHER).astype(np.float64) * 1e-9
    slow = waits[: len(times)]
    with_delay, without = anatomy(times[slow]), anatomy(times[~slow])
    differences = np.array(with_delay.parts_s) - np.array(without.parts_s)
    planted_s, total_s = float(np.median(delay.spent)), with_delay.step_s.value
    wrong = differences / total_s
    wrong[place] -= planted_s / total_s
    others = np.delete(wrong, place)
    return {
        "part": part,
        "planted_share": share,
        "planted_s": planted_s,
        "step_s": total_s,
        "recovered_s": float(differences[place]),
        "error_pp": 100 * float(wrong[place]),
        "worst_other_pp": 100 * float(others[np.abs(others).argmax()]),
        "parts_over_wall": float(times.sum()) / wall_s,
        "steps": steps,
    }
