"""Tokens per second and MFU of a GPT-2 sized model, plain and with techniques, in turn; also the plain way twice (A/A).

MFU: the model's own FLOPs, counted once as the plain way makes them, over the measured peak of the products' format.
"""

import math
import os
import random
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.gpu.parts import device, options, wait, write
from hasten import Stop, Task
from hasten.base.errors import Refused
from hasten.machine import facts, measure
from hasten.measurement.statistics import ratio_interval
from hasten.profiling.work import count_work
from hasten.tasks.shakespeare import Size
from hasten.tasks.shakespeare import task as shakespeare
from hasten.techniques.applying import apply_all, make
from hasten.training.recipe import baseline
from hasten.training.session import build
from hasten.tuning.bench import Bench

WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "plain again": (),
    "tf32": ("tf32",),
    "bf16": ("bf16",),
    "bf16, fused": ("bf16", "fused_optimizer"),
    "bf16, fused, compile": ("bf16", "fused_optimizer", "compile"),
    "bf16, fused, graphs": ("bf16", "fused_optimizer", "cuda_graphs"),
    "fp8, fused, compile": ("bf16", "fused_optimizer", "compile", "fp8"),
}
FORMATS = {"fp8": "float8", "bf16": "bfloat16", "tf32": "tf32"}
"""Technique -> the number format of the products, the narrowest first; float32 without any of them."""
GPT2 = Size(layers=12, width=768, heads=12, length=1024)
TINY = Size(layers=2, width=32, heads=2, length=32)
TEXT = Path(os.environ.get("HASTEN_DATA", "data")) / "tinyshakespeare" / "input.txt"


def task(data: Path = TEXT, *, size: Size = GPT2, batch: int = 16, steps: int = 300) -> Task:
    """Return the task, for a training of so many steps."""
    return replace(
        shakespeare(data=data, size=size, batch_size=batch), stop=Stop(steps=steps, evaluate_every=steps // 3)
    )


def main() -> None:
    """Time every way in turn and write the record after every round."""
    parser = options(__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    made = task(given.data, size=TINY, batch=2) if given.smoke else task(given.data, steps=30_000)
    plain = baseline(made, device=device())
    benches, left_out = dict[str, Bench](), dict[str, str]()
    for name, techniques in WAYS.items():
        begin = perf_counter()
        try:
            benches[name] = Bench(apply_all([make(one) for one in techniques], plain, facts()))
        except Refused as error:
            left_out[name] = str(error)
            print(f"{name}: {error}")
            continue
        except Exception as error:  # noqa: BLE001  (one way that fails must not hide the others; the record has it)
            left_out[name] = f"{type(error).__name__}: {error}"[:2000]
            print(f"{name} failed: {left_out[name]}")
            continue
        print(f"{name}: ready after {perf_counter() - begin:.1f} s", flush=True)
    run = build(plain)
    flops = count_work(run, next(iter(run.batches()))[1]).flops
    del run
    machine = measure(quick=True)
    steps, names, shuffle = (2 if given.smoke else 10), list(benches), random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in benches}
    for turn in range(2 if given.smoke else given.rounds):
        shuffle.shuffle(names)
        for name in names:
            with benches[name] as bench:
                bench(1)
                wait()
                begin = perf_counter()
                bench(steps)
                wait()
                times[name].append((perf_counter() - begin) / steps)
        if not turn:
            continue  # an interval needs two
        content: dict[str, Any] = {"flops_per_step": flops, "left_out": left_out, "peaks": machine.peaks}
        write(given.record, {**content, "rows": rows(times, flops, machine, tokens=made_tokens(made))})
    for row in rows(times, flops, machine, tokens=made_tokens(made)):
        print(f"{row['way']:24} {row['ratio']}  {row['tokens_per_s']:.0f} tokens/s  {row['mfu']}")


def made_tokens(task: Task) -> int:
    """Return the tokens of a batch."""
    sample = task.data.train[0]
    assert task.batch_size is not None
    return task.batch_size * len(sample[0])


def rows(times: dict[str, list[float]], flops: int, machine: Any, *, tokens: int) -> list[dict[str, Any]]:
    """Return a row for each way: its ratio to the plain one with the interval, tokens per second, and MFU."""
    found = []
    for name, mine in times.items():
        words = WAYS[name]
        format_ = next((FORMATS[one] for one in FORMATS if one in words), "float32")
        peak = machine.peak("gemm", format_, device=device()) if device() == "cuda" else None
        logs = [math.log(one / other) for one, other in zip(times["plain"], mine, strict=True)]
        found.append({
            "way": name,
            "techniques": words,
            "ratio": ratio_interval(logs),
            "step_times_s": mine,
            "tokens_per_s": tokens / median(mine),
            "mfu": flops / median(mine) / peak.rate if peak else None,
        })  # fmt: skip
    return found


if __name__ == "__main__":
    main()
