"""Tokens per second and MFU of a GPT-2 sized model, plain and with techniques, in turn; also the plain way twice (A/A).

MFU: the model's own FLOPs, counted once as the plain way makes them, over the measured peak of the products' format.
"""

import os
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.gpu.parts import Ways, compared, device, in_turn, options, write
from hasten import Stop, Task
from hasten.base.records.machine import Machine
from hasten.machine import measure
from hasten.profiling.work import count_work
from hasten.tasks.shakespeare import Size
from hasten.tasks.shakespeare import task as shakespeare
from hasten.training.building import build
from hasten.training.recipe import baseline

WAYS: Ways = {
    "bf16": ("bf16",),
    "bf16, fused": ("bf16", "fused_optimizer"),
    "tf32": ("tf32",),
    "plain": (),
    "plain again": (),
    "bf16, fused, compile": ("bf16", "fused_optimizer", "compile"),
    "bf16, fused, graphs": ("bf16", "fused_optimizer", "cuda_graphs"),
    "fp8, fused, compile": ("bf16", "fused_optimizer", "compile", "fp8"),
}
"""In the order of the first turn: a compilation takes about a minute, so those ways come last."""
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
    """Time every way in turn and write the record after each timing."""
    parser = options(__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    made = task(given.data, size=TINY, batch=2) if given.smoke else task(given.data, steps=30_000)
    plain = baseline(made, device=device())
    run = build(plain)
    flops = count_work(run, next(iter(run.batches()))[1]).flops
    del run
    machine, tokens = measure(quick=True), made_tokens(made)
    left_out, rows = dict[str, str](), list[dict[str, Any]]()
    turns, steps = (2, 2) if given.smoke else (given.rounds, 10)
    for times in in_turn(WAYS, plain, left_out, turns=turns, steps=steps):
        rows = [row | throughput(row, flops, machine, tokens=tokens) for row in compared(times)]
        content = {"flops_per_step": flops, "left_out": left_out, "peaks": machine.peaks, "rows": rows}
        write(given.record, content)
    for row in rows:
        print(f"{row['way']:24} {row['ratio']}  {row['tokens_per_s']:.0f} tokens/s  {row['mfu']}")


def made_tokens(task: Task) -> int:
    """Return the tokens of a batch."""
    sample = task.data.train[0]
    assert task.batch_size is not None
    return task.batch_size * len(sample[0])


def throughput(row: dict[str, Any], flops: int, machine: Machine, *, tokens: int) -> dict[str, Any]:
    """Return the techniques of a way, its tokens per second, and its MFU, None on a CPU."""
    words, step_s = WAYS[row["way"]], median(row["step_times_s"])
    format_ = next((FORMATS[one] for one in FORMATS if one in words), "float32")
    peak = machine.peak("gemm", format_, device=device()) if device() == "cuda" else None
    mfu = flops / step_s / peak.rate if peak else None
    return {"techniques": words, "tokens_per_s": tokens / step_s, "mfu": mfu}


if __name__ == "__main__":
    main()
