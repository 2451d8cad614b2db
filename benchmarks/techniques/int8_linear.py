"""Forward and backward of one linear layer: int8 against bfloat16 autocast and float32, through MKL and oneDNN.

Every side has the same weights and inputs and returns the gradients of input, weight and bias. The sides run in turn,
in random order within a round; the ratios are paired within a round. int8 takes and returns float32, or bfloat16 under
autocast, and quantizes its weight in every pass, as it does once a step in training. `errors` are relative to float32.

    python -m benchmarks.techniques.int8_linear [--rounds 15]
    python -m benchmarks.techniques.int8_linear --cpu-time    # one thread, by CPU time: for a shared machine
    CXX=none python -m benchmarks.techniques.int8_linear      # without a C++ compiler
"""

import argparse
import math
import random
import statistics
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.recording import ratio, record, told
from hasten.techniques.forward.int8.linear import Int8Linear, Int8Settings
from hasten.techniques.forward.int8.quantize import KERNELS
from hasten.techniques.forward.int8.support import unsupported
from hasten.techniques.native import library

SHAPES = (
    (2048, 768, 3072),  # the layer of the claim
    (2048, 3072, 768),
    (2048, 768, 768),
    (4096, 512, 2048),
    (4096, 384, 1536),
    (2048, 384, 384),
    (2048, 256, 256),
    (8192, 256, 256),
    (512, 768, 768),
    (256, 768, 768),
)
"""Tokens, input features, output features."""
BASELINES = ("fp32", "fp32_onednn", "bf16_autocast")

Shape = tuple[int, int, int]
Pass = Callable[[], tuple[Tensor, Tensor, Tensor]]


def passes(shape: Shape) -> dict[str, Pass]:
    """Return one forward and backward pass for each side."""
    tokens, *features = shape
    plain, int8 = nn.Linear(*features), Int8Linear(*features)
    int8.load_state_dict(plain.state_dict())
    int8.settings = Int8Settings(least_work=0)
    inputs, grad = torch.randn(tokens, features[0], requires_grad=True), torch.randn(tokens, features[1])
    low = grad.bfloat16()

    def once(layer: nn.Linear, *, autocast: bool) -> tuple[Tensor, Tensor, Tensor]:
        inputs.grad = None
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = layer(inputs)
        out.backward(low if autocast else grad)
        return inputs.grad, layer.weight.grad, layer.bias.grad

    def through_onednn() -> tuple[Tensor, Tensor, Tensor]:
        torch.set_float32_matmul_precision("medium")
        try:
            return once(plain, autocast=False)
        finally:
            torch.set_float32_matmul_precision("highest")

    return {
        "fp32": lambda: once(plain, autocast=False),
        "fp32_onednn": through_onednn,
        "bf16_autocast": lambda: once(plain, autocast=True),
        "int8": lambda: once(int8, autocast=False),
        "int8_autocast": lambda: once(int8, autocast=True),
    }


def times_of(sides: dict[str, Pass], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Return the seconds of each side in each round."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    order, shuffle = list(sides), random.Random(0)
    for side in sides.values():
        side(), side()  # compiles, and grows what memory is kept
    for _ in range(rounds):
        shuffle.shuffle(order)
        for name in order:
            start = clock()
            sides[name]()
            times[name].append(clock() - start)
    return times


def errors_of(sides: dict[str, Pass]) -> dict[str, dict[str, float]]:
    """Return the relative error of each gradient of each side, against float32."""
    exact = [grad.clone() for grad in sides["fp32"]()]
    found: dict[str, dict[str, float]] = {}
    for name in ("bf16_autocast", "int8", "int8_autocast"):
        pairs = zip(("input", "weight", "bias"), sides[name](), exact, strict=True)
        found[name] = {what: ((grad - twin).norm() / twin.norm()).item() for what, grad, twin in pairs}
    return found


def measured(shape: Shape, rounds: int, clock: Callable[[], float]) -> dict[str, Any]:
    """Return the row of one shape: median times, ratios of int8 to every baseline, errors."""
    torch.manual_seed(0)
    sides = passes(shape)
    times = times_of(sides, rounds, clock)
    ratios = {
        f"{base} / {name}": ratio([math.log(a / b) for a, b in zip(times[base], times[name], strict=True)])
        for name in ("int8", "int8_autocast")
        for base in BASELINES
    }
    medians = {name: statistics.median(one) for name, one in times.items()}
    print("x".join(map(str, shape)), "  ".join(f"{name} {1e3 * time:.2f} ms" for name, time in medians.items()))
    for name, one in ratios.items():
        print(f"    {name:30} {told(one)}", flush=True)
    return {"shape": shape, "median_s": medians, "times_s": times, "ratios": ratios, "errors": errors_of(sides)}


def main() -> None:
    """Measure every shape, print the ratios, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    if options.cpu_time:
        torch.set_num_threads(1)
    reason = unsupported()
    if reason is not None:
        raise SystemExit(f"nothing to measure: {reason}")
    compiled = library(KERNELS, torch.float32) is not None
    name = "int8_linear" + ("" if compiled else "_uncompiled") + ("_one_thread" if options.cpu_time else "")
    clock = thread_time if options.cpu_time else perf_counter
    rows = [measured(shape, options.rounds, clock) for shape in SHAPES]
    told_as = "processor time of one thread" if options.cpu_time else "wall time"
    print(record(name, {"clock": told_as, "compiled": compiled, "rounds": options.rounds, "rows": rows}))


if __name__ == "__main__":
    main()
