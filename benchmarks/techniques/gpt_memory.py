"""Peak memory of activations and time of a 12-layer GPT under EXACT techniques, against plain PyTorch.

The peak of activations is what forward and backward pass hold at most beyond weights, optimizer state and gradients
(which are there already when the step is watched). Times are taken in turn. The fused optimizer is on every side.

    python -m benchmarks.techniques.gpt_memory --data FILE [--rounds 7] [--layers 12 --width 384 --batch 8 --length 256]
"""

import argparse
import math
import random
from time import perf_counter

import torch

from benchmarks.recording import ratio, record, told
from benchmarks.techniques.gpt_ways import gpt_task, parameters, size_options
from hasten.machine import facts
from hasten.measurement.memory import peak_memory
from hasten.techniques.applying import apply_all, make
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.step import step
from hasten.tuning.bench import Bench

WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "activation_checkpointing_selective": ("activation_checkpointing_selective",),
    "activation_checkpointing": ("activation_checkpointing",),
}


def activation_peak_bytes(recipe: Recipe) -> int:
    """Return what a step holds at most beyond what is there before it, gradients included."""
    run = build(recipe)
    batch = next(iter(run.batches()))[1]
    step(run, batch)
    for parameter in run.parameters:
        parameter.grad = torch.zeros_like(parameter)
    peak = peak_memory(lambda: step(run, batch))
    return peak.peak_bytes - peak.resident_bytes


def main() -> None:
    """Measure every way, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size_options(parser, layers=12, batch=8, length=256)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    task, machine = gpt_task(options, steps=1000), facts()
    recipes = {
        name: apply_all([make(one) for one in ("fused_optimizer", *names)], baseline(task), machine)
        for name, names in WAYS.items()
    }
    peaks = {name: activation_peak_bytes(recipe) for name, recipe in recipes.items()}
    benches = {name: Bench(recipe) for name, recipe in recipes.items()}
    times: dict[str, list[float]] = {name: [] for name in benches}
    shuffle, names = random.Random(0), list(benches)
    for _ in range(options.rounds):
        shuffle.shuffle(names)
        for name in names:
            begin = perf_counter()
            benches[name](2)
            times[name].append((perf_counter() - begin) / 2)
    rows = []
    for name, techniques in WAYS.items():
        slower = ratio([math.log(mine / usual) for mine, usual in zip(times[name], times["plain"], strict=True)])
        share = peaks[name] / peaks["plain"]
        rows.append({"way": name, "techniques": techniques, "activation_peak_bytes": peaks[name], "share": share,
                     "time": slower, "step_times_s": times[name]})  # fmt: skip
        print(f"  {name:28} {share:.3f} of the plain peak of activations at {told(slower)} of the time")
    size = {"layers": options.layers, "width": options.width, "batch": options.batch, "length": options.length}
    print(record("gpt_memory", {"size": size, "parameters": parameters(task), "rows": rows}))


if __name__ == "__main__":
    main()
