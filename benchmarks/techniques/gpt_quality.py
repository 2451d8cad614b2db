"""The validation loss of a GPT on Shakespeare after so many updates, for each way of training it, over seeds.

The reference is float32 (products by oneDNN, which changes only rounding). Each way is trained on the same seeds, and
its loss is set beside the reference's own on the same seed, and beside the spread of the reference over the seeds.
int8 layers compute in int8 however small the batch is, which as a technique they leave to nn.Linear where it is faster.

    python -m benchmarks.techniques.gpt_quality --data FILE [--steps 1000] [--seeds 3] [--ways "compile + int8" ...]
"""

import argparse
from dataclasses import replace
from statistics import mean, stdev

from torch import nn

from benchmarks.recording import record
from benchmarks.techniques.gpt_ways import WAYS, gpt_task, parameters, size_options, ways
from hasten import Plan
from hasten.base.records.run import RunResult
from hasten.techniques.forward.int8.linear import Int8Linear
from hasten.training.recipe import Surgery
from hasten.training.running import run_training

REFERENCE = "onednn_fp32"


def in_every_call(model: nn.Module) -> nn.Module:
    """Let the model's int8 layers compute in int8 whatever the size of their input, in place."""
    for layer in model.modules():
        if isinstance(layer, Int8Linear):
            layer.settings = replace(layer.settings, least_work=0)
    return model


def main() -> None:
    """Train every way on every seed, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size_options(parser, layers=6, batch=2, length=128)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=["int8, kernel"])
    options = parser.parse_args()
    task = gpt_task(options, steps=options.steps)
    names = [REFERENCE, *options.ways]
    recipes = {
        name: replace(recipe, model=(*recipe.model, Surgery(in_every_call)))
        for name, recipe in ways(task, names).items()
    }
    results: dict[str, list[RunResult]] = {name: [] for name in names}
    for seed in range(options.seeds):
        for name in names:
            result = run_training(recipes[name], Plan(task=task.name), show=lambda event: None, seed=seed).result
            results[name].append(result)
            print(f"  seed {seed}: {name:32} loss {result.best_metric:.4f} in {result.elapsed_s:.0f} s", flush=True)
    losses = {name: [result.best_metric for result in found] for name, found in results.items()}
    rows = []
    for name in options.ways:
        changes = [mine / reference - 1 for mine, reference in zip(losses[name], losses[REFERENCE], strict=True)]
        rows.append({"way": name, "techniques": WAYS[name], "losses": losses[name], "relative_changes": changes,
                     "mean_change": mean(changes)})  # fmt: skip
        print(f"  {name:32} mean {mean(changes):+.2%}, worst seed {max(changes, key=abs):+.2%}")
    spread = stdev(losses[REFERENCE]) / mean(losses[REFERENCE])
    print(f"  {REFERENCE}: relative standard deviation over seeds {spread:.2%}")
    size = {"layers": options.layers, "width": options.width, "batch": options.batch, "length": options.length}
    content = {
        "size": size, "parameters": parameters(task), "steps": options.steps, "reference": losses[REFERENCE],
        "reference_spread": spread, "rows": rows,
    }  # fmt: skip
    print(record("gpt_quality", content))


if __name__ == "__main__":
    main()
