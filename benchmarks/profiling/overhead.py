"""What profiling costs: steps with marks against steps without, in turn, from 0.2 ms to 2 s.

One session makes two steps after each other by the real loop, one of them with marks; which one comes first is drawn by
a coin. Two neighbors have the same machine: drift and foreign load hit both alike. Then both ways are trained anew
from the same seed, and the parameters must be equal bit for bit.

    python -m benchmarks.profiling.overhead [--pairs 3000] [--most-s 60]
"""

import argparse
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch

from benchmarks.profiling.workloads import Workload, workloads
from benchmarks.recording import ratio, record, told
from hasten.measurement.clock import Marks
from hasten.profiling.step_variance import collector_watched
from hasten.profiling.stepping import loop_steps, set_aside_stop_rules
from hasten.training.building import build
from hasten.training.marks import OTHER, Mark, unmarked

WARM = 10


class InTurn:
    """The marks of a loop of which one step in two is profiled, and the seconds of every step."""

    def __init__(self, pairs: int, seed: int = 0) -> None:
        first = np.random.default_rng(seed).random(pairs) < 0.5
        self.profiled = np.stack([first, ~first], axis=1).ravel().tolist()
        self.step_s = list[float]()
        self.profile = Marks().mark
        self.begin(0)

    def begin(self, step: int) -> None:
        """Begin the next step, with marks or without."""
        self.of_step = self.profile if self.profiled[step] else unmarked
        self.began = perf_counter()

    def mark(self, part: int) -> None:
        """Mark the end of a part, and tell the time of the step at its end."""
        self.of_step(part)
        if part == OTHER:
            self.step_s.append(perf_counter() - self.began)
            self.begin(len(self.step_s) % len(self.profiled))

    def log_ratios(self) -> list[float]:
        """Return the logarithm of the time with marks over the time without, of every pair."""
        pairs = np.log(self.step_s).reshape(-1, 2)
        difference = pairs[:, 0] - pairs[:, 1]
        return np.where(self.profiled[::2], difference, -difference).tolist()


def trained(workload: Workload, mark: Callable[[], Mark], steps: int) -> list[torch.Tensor]:
    """Return the parameters after some steps from the seed."""
    run = build(workload.recipe)
    set_aside_stop_rules(run)
    loop_steps(run, steps, mark())
    return [parameter.detach() for parameter in run.parameters]


def overhead(workload: Workload, *, pairs: int, most_s: float) -> dict[str, object]:
    """Return the time with marks over the time without, with what it was measured on."""
    run = build(workload.recipe)
    set_aside_stop_rules(run)
    loop_steps(run, WARM)
    begin = perf_counter()
    loop_steps(run, WARM)
    step_s = (perf_counter() - begin) / WARM
    turns = InTurn(max(8, min(pairs, int(most_s / (2 * step_s)))))
    with collector_watched():
        loop_steps(run, len(turns.profiled), turns.mark)
    logs = turns.log_ratios()
    same = all(
        torch.equal(a, b)
        for a, b in zip(trained(workload, lambda: Marks().mark, 5), trained(workload, lambda: unmarked, 5), strict=True)
    )
    return {"workload": workload.name, "step_s": step_s, "ratio": ratio(logs), "log_ratios": logs,
            "same_bits": same}  # fmt: skip


def main() -> None:
    """Measure every workload, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--most-s", type=float, default=60.0, help="seconds for one workload, roughly")
    parser.add_argument("--smoke", action="store_true", help="first three workloads; results are not kept")
    given = parser.parse_args()
    chosen = workloads()[:3] if given.smoke else workloads()
    rows = []
    print("time of a step with marks over that without (bar: median 1.01, upper end 1.02)")
    for workload in chosen:
        rows.append(row := overhead(workload, pairs=given.pairs, most_s=given.most_s))
        bits = "same bits" if row["same_bits"] else "DIFFERENT BITS"
        print(f"  {row['workload']:18} {row['step_s'] * 1e3:9.2f} ms  {told(row['ratio'])}  {bits}", flush=True)
    if not given.smoke:
        print(record("profile_overhead", {"rows": rows}))


if __name__ == "__main__":
    main()
