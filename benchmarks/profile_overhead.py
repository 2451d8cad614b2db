"""What profiling costs: the loop with marks against the loop without, in turn, on steps from 0.2 ms to 2 s.

Both sides are the real loop on one session, in blocks of steps, in random order within each pair. Then both are trained
anew from the same seed, and the parameters must be equal bit for bit.

    python benchmarks/profile_overhead.py [--pairs 60] [--most-s 120]
"""

import argparse
import math
from collections.abc import Callable
from itertools import islice
from time import perf_counter

import torch

from hasten.measurement.clock import Marks
from hasten.measurement.paired import timed_pairs
from hasten.profiling.spread import collector_watched
from hasten.profiling.stepping import loop_steps, set_aside_stop_rules
from hasten.training.loop import Mark, unmarked
from hasten.training.session import build

from profile_workloads import Workload, workloads
from recording import ratio, record, told

BLOCK_S = 0.1


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
    loop_steps(run, 3)
    begin = perf_counter()
    loop_steps(run, 3)
    step_s = (perf_counter() - begin) / 3
    steps = max(2, math.ceil(BLOCK_S / step_s))
    pairs = max(8, min(pairs, int(most_s / (2 * (steps + 1) * step_s))))

    def marked(count: int) -> None:
        with collector_watched():
            loop_steps(run, count, Marks().mark)

    timed = timed_pairs(marked, lambda count: loop_steps(run, count), steps=steps, seed=0)
    logs = [math.log(with_marks / without) for with_marks, without in islice(timed, pairs)]
    same = all(
        torch.equal(a, b)
        for a, b in zip(trained(workload, lambda: Marks().mark, 5), trained(workload, lambda: unmarked, 5), strict=True)
    )
    return {"workload": workload.name, "step_s": step_s, "steps_per_block": steps, "ratio": ratio(logs),
            "log_ratios": logs, "same_bits": same}  # fmt: skip


def main() -> None:
    """Measure every workload, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--most-s", type=float, default=120.0, help="seconds for one workload, roughly")
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
