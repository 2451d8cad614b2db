"""Techniques that refuse the tasks of `technique_table.py`, or have little to do there, each on a case that it is for.

A case is a small task with made-up data of a real shape. Each technique stands alone beside plain PyTorch, timed in
turn; the numerical gate is that of its guarantee. The results are written after every row.

    python -m benchmarks.techniques.cases [--compare-s 6] [--only sdpa sparse_input]
"""

import argparse
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks.recording import record, told
from benchmarks.techniques.case_tasks import (
    attention,
    compressed_images,
    convolutions,
    deep_perceptron,
    fused_attention,
    many_classes,
    many_masks,
    many_words,
    many_words_adam,
    padded_texts,
    smooth_convolutions,
    tall_blocks,
    wide_layers,
    wide_rows,
)
from hasten import Task
from hasten.base.stages import FREE
from hasten.machine import facts
from hasten.techniques.applying import knobs_of, make
from hasten.techniques.registry import techniques
from hasten.training.recipe import baseline
from hasten.tuning.context import bench_of, compared, open_laboratory, recipe_with
from hasten.tuning.gates import judge
from hasten.tuning.state import forget_compiled, many_compilations, untouched

CASES: tuple[tuple[str, Callable[[], Task], tuple[str, ...]], ...] = (
    (
        "1,600 compressed 64 x 64 images, a linear model",
        compressed_images,
        ("fastest_loader", "loader_threads", "loader_process", "packed_store", "prefetch"),
    ),
    ("padded texts of up to 128 tokens", padded_texts, ("sequence_packing", "progressive_length")),
    (
        "a CNN on 32 x 32 images",
        convolutions,
        ("progressive_resolution", "depthwise_separable", "channels_last", "channels_last_delivery"),
    ),
    ("a CNN with SiLU on 32 x 32 images", smooth_convolutions, ("light_activations",)),
    ("an embedding of 100,000 words", many_words, ("sparse_embedding",)),
    ("Adam on an embedding of 100,000 words", many_words_adam, ("int8_state", "bf16_state", "fused_optimizer")),
    ("20,000 columns, 0.2 % of them not zero", wide_rows, ("sparse_input",)),
    ("scores of 8,192 classes for 1,024 tokens", many_classes, ("fused_linear_cross_entropy",)),
    (
        "a perceptron of 768 -> 3072 -> 768",
        wide_layers,
        ("int8_linear", "low_rank_linear", "magnitude_pruning", "malloc_tuning"),
    ),
    ("4 layers of 512 with ReLU and dropout, 2,048 rows", many_masks, ("lossless_saved",)),
    (
        "8 blocks of 128 -> 512 -> 128, 2,048 rows",
        tall_blocks,
        (
            "activation_checkpointing",
            "activation_checkpointing_selective",
            "activation_checkpointing_budget",
            "micro_batch",
        ),
    ),
    ("6 layers of 1,024, SGD, 32 rows", deep_perceptron, ("optimizer_in_backward",)),
    ("attention written by hand, 256 positions", attention, ("sdpa",)),
    ("attention by torch's kernel, 6 heads of 256 x 64", fused_attention, ("cpu_flash_attention", "math_attention")),
)
"""What the case is, its task, and the techniques that it is for."""


def rows_of(what: str, case: Callable[[], Task], names: list[str], *, compare_s: float) -> list[dict[str, object]]:
    """Return the rows of the techniques of one case."""
    recipe = baseline(case())
    lab = open_laboratory(recipe, facts(), budget_s=1e9)
    rows: list[dict[str, object]] = []
    for name in names:
        one = make(name)
        row: dict[str, object] = {
            "technique": name, "guarantee": one.card.guarantee, "case": what, "knobs": knobs_of(one),
        }  # fmt: skip
        try:
            with untouched(), many_compilations():
                if (why := one.refuse(recipe, lab.machine)) is not None:
                    raise RuntimeError(f"it refuses the case that is made for it: {why}")
                found = compared(lab, (), (one,), budget_s=compare_s)
                plain, mine = bench_of(lab, ()), bench_of(lab, (one,))
                row |= {"ratio": found.ratio, "verdict": found.verdict, "setup_s": mine.setup_s,
                        "peak_bytes": mine.peak_bytes(), "plain_peak_bytes": plain.peak_bytes()}  # fmt: skip
                if one.card.guarantee in FREE:
                    row["gate"] = judge(recipe_with(lab, (one,)), one.card.guarantee, lab.reference)
        except Exception as error:  # noqa: BLE001  (the table says which technique broke, and how)
            traceback.print_exc()
            row |= {"verdict": "failed", "reason": f"{type(error).__name__}: {error}"}
        forget_compiled()
        rows.append(row)
        print(line(row), flush=True)
    return rows


def line(row: dict[str, Any]) -> str:
    """Return a row as it is printed."""
    if "ratio" not in row:
        return f"  {row['technique']:26} {row['verdict']}: {row['reason']}"
    peaks = row.get("peak_bytes"), row.get("plain_peak_bytes")
    memory = f"peak x{peaks[0] / peaks[1]:.2f}" if all(peaks) else "peak unknown"
    gate = row.get("gate")
    kept = "" if gate is None else f"  gate {'passed' if gate.passed else 'FAILED: ' + gate.detail}"
    return f"  {row['technique']:26} {told(row['ratio'])}  {memory}  {row['case']}{kept}"


def unmeasured() -> list[dict[str, str]]:
    """Return the techniques that refuse every case, with the reason that they give first."""
    recipes, machine, taken = (
        [baseline(case()) for _, case, _ in CASES],
        facts(),
        {one for _, _, names in CASES for one in names},
    )
    found: list[dict[str, str]] = []
    for name in techniques().keys() - taken:
        whys = [make(name).refuse(recipe, machine) for recipe in recipes]
        if whys[0] is not None and None not in whys:
            found.append({"technique": name, "reason": whys[0]})
    return sorted(found, key=lambda row: row["technique"])


def main() -> None:
    """Measure every case, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare-s", type=float, default=6.0, help="seconds for a comparison at most")
    parser.add_argument("--only", nargs="*", help="techniques; results are not kept")
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    content = {"rows": rows, "not_measured": [] if options.only else unmeasured()}
    for what, case, names in CASES:
        chosen = [name for name in names if options.only is None or name in options.only]
        rows += rows_of(what, case, chosen, compare_s=options.compare_s) if chosen else []
        if not options.only:
            path = record("technique_cases", content)
    for row in content["not_measured"]:
        print(f"  {row['technique']:26} not measured: {row['reason']}")
    if not options.only:
        print(path)


if __name__ == "__main__":
    main()
