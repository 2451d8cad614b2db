"""Are operations and memory predicted right? Counts against counts by hand; predicted peaks against measured ones.

    python -m benchmarks.profiling.flops [--data DIR]

Operations: a linear layer, convolutions (plain, strided, grouped), attention and a GPT block, forward and backward.
Memory: the peak of a step on digits, fashion-mnist and shakespeare, predicted from steps on a quarter and on half of
the batch. Nothing here depends on how busy the machine is.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.profiling.workloads import Block
from benchmarks.recording import record
from hasten.data.batch import nbytes_of
from hasten.machine import facts
from hasten.measurement.flops import complexity_of
from hasten.measurement.resident import rss_peak
from hasten.profiling.memory import memory_account
from hasten.profiling.stepping import one_batch, resized
from hasten.tasks.loading import load_task
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step

FOLDERS = {"digits": None, "fashion-mnist": "fashion_mnist", "shakespeare": "tinyshakespeare/input.txt"}


class Attention(nn.Module):
    """Fused attention alone."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return scaled_dot_product_attention(query, key, value)


def counted(model: nn.Module, *inputs: Tensor) -> tuple[int, int]:
    """Return the operations of forward and backward pass, with gradients of the inputs too."""
    leaves = [one.requires_grad_() for one in inputs]
    found = complexity_of(model, lambda: model(*leaves).sum().backward(), inputs=leaves)
    return found.flops_forward, found.flops_backward


def linear() -> tuple[tuple[int, int], tuple[int, int]]:
    """32 samples, 100 to 60: one product forward, two backward."""
    product = 2 * 32 * 100 * 60
    return counted(nn.Linear(100, 60), torch.randn(32, 100)), (product, 2 * product)


def convolution(*, stride: int, groups: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """4 images of 16 x 16 with 8 channels to 12 by 3 x 3, padded by one."""
    side = (16 + 2 - 3) // stride + 1
    forward = 2 * 4 * 12 * side * side * (8 // groups) * 9
    made = counted(nn.Conv2d(8, 12, 3, stride, 1, groups=groups), torch.randn(4, 8, 16, 16))
    return made, (forward, 2 * forward)


def attention() -> tuple[tuple[int, int], tuple[int, int]]:
    """2 samples, 4 heads, 32 positions, width 16: two products forward, five backward (scores are computed again)."""
    product = 2 * 2 * 4 * 32 * 32 * 16
    query, key, value = (torch.randn(2, 4, 32, 16) for _ in range(3))
    return counted(Attention(), query, key, value), (2 * product, 5 * product)


def gpt_block() -> tuple[tuple[int, int], tuple[int, int]]:
    """3 samples, 32 positions, width 64, 4 heads: 12 width x width products per position, and attention."""
    positions, width, heads = 3 * 32, 64, 4
    linear_layers = 2 * positions * 12 * width * width
    product = 2 * 3 * heads * 32 * 32 * (width // heads)
    made = counted(Block(width, heads), torch.randn(3, 32, width))
    return made, (linear_layers + 2 * product, 2 * linear_layers + 5 * product)


CASES: dict[str, Callable[[], tuple[tuple[int, int], tuple[int, int]]]] = {
    "linear": linear,
    "convolution": lambda: convolution(stride=1, groups=1),
    "strided convolution": lambda: convolution(stride=2, groups=1),
    "grouped convolution": lambda: convolution(stride=1, groups=4),
    "attention": attention,
    "gpt block": gpt_block,
}


def operations() -> list[dict[str, object]]:
    """Return counted over by hand, forward and backward, for every case."""
    rows = []
    for name, case in CASES.items():
        found, by_hand = case()
        ratios = [one / other for one, other in zip(found, by_hand, strict=True)]
        rows.append({"case": name, "counted": found, "by_hand": by_hand, "forward": ratios[0], "backward": ratios[1]})
    return rows


def memory(name: str, data: Path | None) -> dict[str, object]:
    """Return the predicted and the measured peak of a step, and of the largest batch that was tried."""
    run = build(baseline(load_task(name, data=data)))
    with run.contexts:
        step(run, one_batch(run))  # the optimizer's state is there from now on
        found = memory_account(run, facts(), activation_bytes=0, step_s=0.05, budget_s=0.4)
        large = resized(one_batch(run), found.verified_batch)
        resident = found.parameters + found.optimizer_state + nbytes_of(large)
        process = rss_peak(lambda: step(run, large))
    grown = process.peak_bytes - process.resident_bytes
    return {
        "task": name,
        "predicted": found.predicted_peak,
        "measured": found.measured_peak,
        "ratio": found.predicted_peak / found.measured_peak,
        "tried_batch": found.verified_batch,
        "tried_ratio": found.verified_predicted / found.verified_peak,
        "largest_batch": found.largest_batch,
        "process_ratio": (found.verified_predicted - resident) / grown,
    }


def main() -> None:
    """Count and predict, print the tables, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the data folder; without it, only digits")
    parser.add_argument("--smoke", action="store_true", help="results are not kept")
    given = parser.parse_args()
    counts = operations()
    print("operations counted over counted by hand (bar: within 1 %)")
    for row in counts:
        print(f"  {row['case']:20} forward {row['forward']:.4f}  backward {row['backward']:.4f}")
    peaks = []
    print("predicted over measured peak of a step (bar: within 10 %)")
    for name, folder in FOLDERS.items():
        if folder is None or given.data is not None:
            row = memory(name, given.data / folder if folder and given.data else None)
            peaks.append(row)
            print(
                f"  {name:15} {row['ratio']:.4f}; batch of {row['tried_batch']}: {row['tried_ratio']:.4f}, "
                f"{row['process_ratio']:.3f} of what the process grew by",
                flush=True,
            )
    if not given.smoke:
        print(record("profile_flops", {"operations": counts, "memory": peaks}))


if __name__ == "__main__":
    main()
