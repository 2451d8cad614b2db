"""Are delays found where they are planted? 2, 5, 10 and 20 % of a step, in every part in turn.

A busy wait is planted into one part of every second stretch of ten steps, at random; the anatomy of the stretches
with it, less the anatomy of those without, must be the delay in that part and nothing in the others. Interleaving the
stretches keeps the drift of the machine out of it. The sum of the parts is held against the wall clock of the whole
loop. What a wait costs beside the time that it takes is kept small: one thread, for the pool's other threads fall
asleep during a wait and must be woken; and a model that fits the core's own cache, for what lies in the shared one is
lost to neighbors meanwhile.

    python -m benchmarks.profiling.attribution [--steps 3000]
"""

import argparse
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn, optim

from benchmarks.profiling.workloads import features, task, with_loader
from benchmarks.recording import record
from hasten import Data
from hasten.data.loading.loaders import gathered
from hasten.measurement.clock import Marks, step_times_ns
from hasten.profiling.anatomy import anatomy
from hasten.profiling.parts import time_between
from hasten.profiling.stepping import loop_steps, set_aside_stop_rules
from hasten.training.marks import OTHER, PARTS
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import build
from hasten.training.task import Stop
from hasten.training.transforms import Stateless

DELAYS = (0.02, 0.05, 0.10, 0.20)
STRETCH = 10
WARM = 20
PLACES = ("input", "transfer", "forward", "loss", "backward", "gradient", "update")


class Delay:
    """A busy wait that can be switched on and off, and adds up how long it really took.

    It computes a little meanwhile: a wait that only reads the clock, or counts, makes the work after it slower.
    """

    def __init__(self) -> None:
        self.wait_s = 0.0
        self.every = 1  # waits at every so many calls
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
    """Hands its input on, and waits in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, wait: Callable[[], None]) -> Tensor:
        ctx.wait = wait
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.wait()
        return gradients[0], None


class Waiting(nn.Module):
    """A model that waits in its forward or in its backward pass."""

    def __init__(self, forward: Callable[[], None], backward: Callable[[], None]) -> None:
        super().__init__()
        self.waits = (forward, backward)
        hidden = [layer for _ in range(2) for layer in (nn.Linear(128, 128), nn.ReLU())]
        self.layers = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), *hidden, nn.Linear(128, 10))

    def forward(self, x: Tensor) -> Tensor:
        self.waits[0]()
        return InBackward.apply(self.layers(x), self.waits[1])


class WaitingAdam(optim.AdamW):
    """An optimizer that waits."""

    wait: Callable[[], None]

    def step(self, closure: Any = None) -> Any:
        self.wait()
        return super().step(closure)


def planted(part: str, delay: Delay) -> Recipe:
    """Return a recipe that waits in one part of its step."""

    def at(name: str) -> Callable[[], None]:
        return delay if name == part else lambda: None

    def optimizer(model: nn.Module) -> optim.Optimizer:
        made = WaitingAdam(model.parameters(), lr=1e-4, fused=True)
        made.wait = at("update")
        return made

    made = task("planted", features(2048, 64), lambda: Waiting(at("forward"), at("backward")), batch=128)
    plain = with_loader(baseline(made), gathered)
    loader, loss = plain.input.loader, plain.forward.loss

    def slow_loader(dataset: Any, size: int) -> Any:
        fetch = loader(dataset, size)

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

    def gradient_step(parameters: Any) -> bool:
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
    """Return which steps wait: of each pair of stretches one, drawn by a coin; what comes every few steps hits both."""
    first = np.random.default_rng(0).random(steps // (2 * STRETCH) + 1) < 0.5
    return np.stack([first, ~first], axis=1).ravel().repeat(STRETCH)


def recovered(part: str, share: float, steps: int) -> dict[str, object]:
    """Plant a delay of a share of the step in every other stretch, and return what the anatomy makes of it."""
    delay = Delay()
    run = build(planted(part, delay))
    set_aside_stop_rules(run)
    loop_steps(run, WARM)
    begin = perf_counter()
    loop_steps(run, WARM)
    step_s = (perf_counter() - begin) / WARM
    place, step, waits = PARTS.index(part), 0, in_stretches(steps)
    clock = Marks()

    def mark(index: int) -> None:
        nonlocal step
        clock.mark(index)
        if index == OTHER:
            step += 1
            delay.wait_s = share * step_s if waits[step] else 0.0

    begin = perf_counter()
    loop_steps(run, steps, mark)
    wall_s = perf_counter() - begin
    times = step_times_ns(clock, parts=len(PARTS), last=OTHER).astype(np.float64) * 1e-9
    slow = waits[: len(times)]
    with_delay, without = anatomy(times[slow]), anatomy(times[~slow])
    differences = np.array(with_delay.parts_s) - np.array(without.parts_s)
    total_s = with_delay.step_s.value
    wrong = differences / total_s
    wrong[place] -= float(np.median(delay.spent)) / total_s
    others = np.delete(wrong, place)
    return {
        "part": part,
        "planted_share": share,
        "planted_s": float(np.median(delay.spent)),
        "step_s": total_s,
        "recovered_s": float(differences[place]),
        "error_pp": 100 * float(wrong[place]),
        "worst_other_pp": 100 * float(others[np.abs(others).argmax()]),
        "parts_over_wall": float(times.sum()) / wall_s,
        "steps": steps,
    }


def recovered_evaluation(share: float, repeats: int) -> dict[str, object]:
    """Plant a delay into evaluations, a share of one, and return what is found; with and without, in random order.

    It stands behind the last forward pass: a wait makes the work after it slower, and that is not the delay.
    """
    delay, shuffle = Delay(), random.Random(0)
    recipe = planted("loss", delay)
    train = recipe.task.data.train
    run = build(replace(recipe, task=replace(recipe.task, data=Data(train=train, valid=train))))  # some batches of it
    set_aside_stop_rules(run)
    loop_steps(run, WARM)
    delay.calls, delay.every = 0, 2 * sum(1 for _ in run.validation_batches())  # the first of two only warms up
    stop = Stop(steps=100, evaluate_every=WARM)
    usual_s = time_between(run, stop).evaluation_s
    found_s: dict[bool, list[float]] = {False: [], True: []}
    spent, sides = [], [False, True]
    with run.contexts:
        for _ in range(repeats):
            shuffle.shuffle(sides)
            for waits in sides:
                delay.wait_s, delay.spent = share * usual_s if waits else 0.0, []
                found_s[waits].append(time_between(run, stop).evaluation_s)
                if waits:
                    spent.append(delay.spent[-1])  # of the last evaluation, which is the one that counts
    slow_s = found_s[True]
    found, planted_s = float(np.median(np.subtract(slow_s, found_s[False]))), float(np.median(spent))
    return {"part": "evaluation", "planted_share": share, "planted_s": planted_s, "recovered_s": found,
            "error_pp": 100 * (found - planted_s) / float(np.median(slow_s)), "repeats": repeats}  # fmt: skip


def main() -> None:
    """Plant every delay in every part, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--smoke", action="store_true", help="two parts; results are not kept")
    given = parser.parse_args()
    torch.set_num_threads(1)
    places = ("backward", "update") if given.smoke else PLACES
    rows = [recovered(part, share, given.steps) for part in places for share in DELAYS]
    rows += [recovered_evaluation(share, 4 if given.smoke else 500) for share in DELAYS]
    print("planted delay, what was found of it, and the worst change of another part, in percentage points of the step")
    for row in rows:
        others, sums = row.get("worst_other_pp", 0.0), row.get("parts_over_wall", 1.0)
        print(f"  {row['part']:10} {100 * row['planted_share']:4.0f} %  error {row['error_pp']:+6.2f}  "
              f"others {others:+6.2f}  parts/wall {sums:.4f}")  # fmt: skip
    within = sum(abs(float(str(row["error_pp"]))) <= 1 for row in rows)
    print(f"{within} of {len(rows)} within 1 percentage point")
    if not given.smoke:
        print(record("profile_attribution", {"rows": rows, "within_1_pp": within}))


if __name__ == "__main__":
    main()
