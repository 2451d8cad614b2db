"""How fast does each way of loading feed a GPU? Steps of a small CNN in turn: plain, gathered, prefetched, resident."""

import math
import random
from time import perf_counter
from typing import Any

from benchmarks.gpu import cifar10
from benchmarks.gpu.parts import device, options, wait, write
from hasten.base.errors import Refused
from hasten.machine import facts
from hasten.measurement.statistics import ratio_interval
from hasten.techniques.applying import apply_all, make
from hasten.training.recipe import baseline
from hasten.tuning.bench import Bench

WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "batched_gather": ("batched_gather",),
    "prefetch": ("batched_gather", "prefetch"),
    "resident": ("resident",),
    "fastest_loader": ("fastest_loader",),
}


def main() -> None:
    """Time every way in turn; print and record the ratios."""
    given = options(__doc__).parse_args()
    made = cifar10.small() if given.smoke else cifar10.task(width=16)
    plain = baseline(made, device=device())
    benches, left_out = dict[str, Bench](), dict[str, str]()
    for name, techniques in WAYS.items():
        try:
            benches[name] = Bench(apply_all([make(one) for one in techniques], plain, facts()))
        except Refused as error:
            left_out[name] = str(error)
            print(error)
    times: dict[str, list[float]] = {name: [] for name in benches}
    names, steps, shuffle = list(benches), (2 if given.smoke else 20), random.Random(0)
    for turn in range(2 if given.smoke else 9):
        shuffle.shuffle(names)
        for name in names:
            with benches[name] as bench:
                bench(2)
                wait()
                begin = perf_counter()
                bench(steps)
                wait()
                times[name].append((perf_counter() - begin) / steps)
        if not turn:
            continue  # an interval needs two
        rows: list[dict[str, Any]] = [
            {
                "way": name,
                "ratio": ratio_interval([math.log(a / b) for a, b in zip(times["plain"], mine, strict=True)]),
                "step_times_s": mine,
            }
            for name, mine in times.items()
        ]
        write(given.record, {"batch": made.batch_size, "rows": rows, "left_out": left_out})
    for row in rows:
        print(row["way"], row["ratio"])


if __name__ == "__main__":
    main()
