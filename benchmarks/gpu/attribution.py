"""Are delays found where they are planted on a GPU? 5 and 20 % of a step, in each part that runs on the device.

A kernel that only waits is queued in one part of every second stretch of ten steps, chosen at random. The anatomy of
the stretches with it, less that of those without, must be the delay in that part and nothing in the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from benchmarks.gpu.parts import device, options, wait, write
from benchmarks.profiling.workloads import features, task, with_loader
from hasten.base.device import Device
from hasten.measurement.clock import marks_of, step_times_ns
from hasten.profiling.anatomy import anatomy
from hasten.profiling.stepping import loop_steps, set_aside_stop_rules
from hasten.training.marks import OTHER, PARTS
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import build
from hasten.training.transforms import Stateless

DELAYS = (0.05, 0.20)
PLACES = ("transfer", "forward", "loss", "backward", "gradient", "update")
STRETCH = 10


class Delay:
    """Queues a wait on the device; `wait_s` 0 queues nothing."""

    def __init__(self) -> None:
        self.wait_s = 0.0
        self.cycles_per_s = cycles_per_s()

    def __call__(self) -> None:
        if not self.wait_s:
            return
        if device() == "cuda":
            torch.cuda._sleep(int(self.wait_s * self.cycles_per_s))
            return
        end = perf_counter() + self.wait_s
        while perf_counter() < end:
            pass


def cycles_per_s() -> float:
    """Return how many cycles of the device's wait take a second."""
    if device() != "cuda":
        return 0.0
    cycles = 200_000_000
    torch.cuda._sleep(cycles)
    wait()
    begin = perf_counter()
    torch.cuda._sleep(cycles)
    wait()
    return cycles / (perf_counter() - begin)


class InBackward(torch.autograd.Function):
    """The identity; waits in its backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, delay: Callable[[], None]) -> Tensor:
        ctx.delay = delay
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.delay()
        return gradients[0], None


class Waiting(nn.Module):
    """A wide MLP that waits in its forward or in its backward pass."""

    def __init__(self, width: int, forward: Callable[[], None], backward: Callable[[], None]) -> None:
        super().__init__()
        self.waits = (forward, backward)
        self.layers = nn.Sequential(
            nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        self.waits[0]()
        return InBackward.apply(self.layers(x), self.waits[1])


class WaitingAdam(optim.AdamW):
    """An optimizer that waits."""

    delay: Callable[[], None]

    def step(self, closure: Any = None) -> Any:
        self.delay()
        return super().step(closure)


def planted(part: str, delay: Delay, *, width: int, batch: int) -> Recipe:
    """Return a recipe that waits in one part of its step."""

    def at(name: str) -> Callable[[], None]:
        return delay if name == part else lambda: None

    def optimizer(model: nn.Module) -> optim.Optimizer:
        made = WaitingAdam(model.parameters(), lr=1e-4, fused=True)
        made.delay = at("update")
        return made

    made = task("planted", features(2 * batch, 64), lambda: Waiting(width, at("forward"), at("backward")), batch=batch)
    plain = baseline(made, device=device())
    data = [column.to(device()) for column in made.data.train.tensors]  # type: ignore[attr-defined]

    def loader(_: Any, size: int) -> Any:
        def fetch(ids: Tensor) -> Iterator[Any]:
            for some in ids.split(size):
                yield some, tuple(column[: len(some)] for column in data)

        return fetch

    plain = with_loader(plain, loader)
    loss = plain.forward.loss

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
        input=replace(plain.input, batch_transforms=(prepare,)),
        forward=replace(plain.forward, wrappers=(around_loss,)),
        gradient=(Stateless(gradient_step),),
        update=replace(plain.update, optimizer=optimizer, options={}),
    )


def recovered(part: str, share: float, *, steps: int, width: int, batch: int) -> dict[str, object]:
    """Plant a delay of a share of the step in every other stretch, and return what the anatomy finds of it."""
    delay = Delay()
    run = build(planted(part, delay, width=width, batch=batch))
    set_aside_stop_rules(run)
    loop_steps(run, STRETCH)
    wait()
    begin = perf_counter()
    loop_steps(run, STRETCH)
    wait()
    step_s = (perf_counter() - begin) / STRETCH
    first = np.random.default_rng(0).random(steps // (2 * STRETCH) + 1) < 0.5
    waits = np.stack([first, ~first], axis=1).ravel().repeat(STRETCH)
    clock, step = marks_of(Device(device())), 0

    def mark(index: int) -> None:
        nonlocal step
        clock.mark(index)
        if index == OTHER:
            step += 1
            delay.wait_s = share * step_s if waits[step] else 0.0

    loop_steps(run, steps, mark)
    times = step_times_ns(clock, parts=len(PARTS), last=OTHER).astype(np.float64) * 1e-9
    slow = waits[: len(times)]
    with_delay, without = anatomy(times[slow]), anatomy(times[~slow])
    differences = np.array(with_delay.parts_s) - np.array(without.parts_s)
    total_s, place = with_delay.step_s.value, PARTS.index(part)
    wrong = differences / total_s
    wrong[place] -= share * step_s / total_s
    others = np.delete(wrong, place)
    return {"part": part, "planted_share": share, "step_s": total_s, "recovered_s": float(differences[place]),
            "error_pp": 100 * float(wrong[place]), "worst_other_pp": 100 * float(others[np.abs(others).argmax()]),
            "steps": steps}  # fmt: skip


def main() -> None:
    """Plant every delay in every part; print and record what is found."""
    given = options(__doc__).parse_args()
    size = {"steps": 40, "width": 64, "batch": 64} if given.smoke else {"steps": 240, "width": 4096, "batch": 4096}
    found = []
    for part in PLACES:
        for share in DELAYS:
            found.append(row := recovered(part, share, **size))
            print(f"{part:10} {share:4.0%}  error {row['error_pp']:+6.2f} pp, others {row['worst_other_pp']:+6.2f} pp")
            write(given.record, {"rows": found})


if __name__ == "__main__":
    main()
