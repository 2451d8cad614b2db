"""Harmful techniques that claim to be free, and harmless ones: how many of each the gates let through.

Each harmful one claims to be EXACT, ROUNDING and PRECISION in turn, and is faster as far as the gates know, so that
they alone stand between it and a plan. Those without effect are asked for their effect. Harmless ones are techniques of
hasten's catalog with the guarantee on their card, and changes of the last bits. The trainings are those of
`precision_cases`. Rows are appended to a file, so that a run that was cut goes on; `table` keeps the result.

    python -m benchmarks.tuning.planted_techniques ask --rows DIR/planted.jsonl --data DIR [--only mlp vit]
    python -m benchmarks.tuning.planted_techniques table --rows DIR/planted.jsonl
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from scipy.stats import beta
from torch import Tensor, nn

from benchmarks.recording import record
from benchmarks.tuning.precision_cases import TRAININGS, Change, changes_of, training
from benchmarks.tuning.precision_gate import Row, append, rows_of
from hasten.base.stages import FREE, Guarantee
from hasten.data.batch import Batch
from hasten.data.loading.loaders import Fetched
from hasten.machine import load_cached
from hasten.techniques.applying import make, why_refused
from hasten.techniques.forward.autocast import Autocast
from hasten.training.building import build
from hasten.training.effects import watched, why_without_effect
from hasten.training.recipe import Recipe
from hasten.training.step import step
from hasten.training.transforms import Parameters, State, StepInfo
from hasten.tuning.gates import Reference, judge
from hasten.tuning.reference_step import NoReference

CLAIMS = (Guarantee.EXACT, Guarantee.ROUNDING, Guarantee.PRECISION)
HARMLESS = (
    "batched_gather", "prefetch", "malloc_tuning", "cpu_runtime", "onednn_fp32", "fused_optimizer", "channels_last",
    "bf16", "micro_batch", "activation_checkpointing", "optimizer_in_backward", "cpu_flash_attention",
)  # fmt: skip
"""Of the catalog; those that save memory only are harmless, too."""
WITHOUT_EFFECT = ("bf16", "compile", "channels_last", "fused_optimizer")
"""Techniques that say how their effect shows, applied without one."""


class Stale:
    """Gives the optimizer the gradients of the step before."""

    def init(self, parameters: Parameters) -> State:
        return {name: torch.zeros_like(value) for name, value in parameters.items()}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        for name, value in parameters.items():
            if value.grad is not None:
                fresh = value.grad.clone()
                value.grad.copy_(state[name])
                state[name] = fresh
        return info.step > 0


class EverySecond:
    """Leaves out every second update, which takes half of the time."""

    def init(self, parameters: Parameters) -> State:
        return {}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        return info.step % 2 == 0


@dataclass(frozen=True)
class Leaky:
    """A loader that returns validation samples in place of the second half of each batch."""

    loader: Any
    valid: Any

    def __call__(self, *args: Any) -> Any:
        fetch = self.loader(*args)

        def leaky(order: Any) -> Iterator[Fetched]:
            for ids, batch in fetch(order):
                half = len(ids) // 2
                rows = [self.valid[int(one) % len(self.valid)] for one in ids[half:]]
                other = [torch.stack([torch.as_tensor(one) for one in column]) for column in zip(*rows, strict=True)]
                yield ids, tuple(torch.cat([own[:half], new]) for own, new in zip(batch, other, strict=True))

        return leaky


def _half(batch: Batch) -> Batch:
    """Return the first half of a batch."""
    return tuple(one[: max(1, len(one) // 2)] for one in batch)


def _dropped(model: nn.Module) -> nn.Module:
    """Let the middle layer with weights return zeros in training, as a branch that is left out does."""
    layers = [one for one in model.modules() if type(one) in (nn.Linear, nn.Conv2d)]

    def zeros(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output * 0 if module.training else output

    layers[len(layers) // 2].register_forward_hook(zeros)
    return model


def _faster_rate(recipe: Recipe) -> Recipe:
    assert recipe.update.lr is not None, "these trainings have one rate"
    return recipe.with_update(lr=3 * recipe.update.lr)


def _leaking(recipe: Recipe) -> Recipe:
    return recipe.with_input(loader=Leaky(recipe.input.loader, recipe.task.data.valid))


def harmful(name: str, recipe: Recipe) -> dict[str, Change]:
    """Return what no free technique may do."""
    numeric = changes_of(name, recipe)
    return {
        "gradients biased by 100 %": numeric["all biased by 100 %"],
        "gradients of the step before": lambda one: one.with_gradient(Stale()),
        "fp16 without loss scale": lambda one: one.wrap(Autocast("cpu", torch.float16)).with_backward(
            loss_scale=2.0**-14  # as small as gradients of larger models are
        ),
        "learning rate times 3": _faster_rate,
        "validation samples in the batches": _leaking,
        "a layer dropped": lambda one: one.with_surgery(_dropped),
        "a layer without gradient": numeric["a layer's gradient zero"],
        "half of each batch": lambda one: one.with_input(batch_transforms=(*one.input.batch_transforms, _half)),
        "every second update": lambda one: one.with_gradient(EverySecond()),
    }


def harmless(name: str, recipe: Recipe) -> dict[str, tuple[Change, Guarantee]]:
    """Return what does what it claims: changes with their guarantee."""
    machine = load_cached(quick=True)
    found: dict[str, tuple[Change, Guarantee]] = {
        "nothing": (lambda one: one, Guarantee.EXACT),
        "last bits of gradients": (changes_of(name, recipe)["rounding"], Guarantee.ROUNDING),
    }
    for one in map(make, HARMLESS):
        if one.card.guarantee in FREE and why_refused(one, recipe, machine) is None:
            found[one.card.name] = (one.apply, one.card.guarantee)
    return found


def asked(name: str, data: Path) -> Iterator[tuple[str, str, Guarantee | None, Any]]:
    """Yield kind, case, claim, and what asks: it returns whether the case would be kept, and why."""
    recipe = training(name, data)
    reference = Reference(recipe)
    for case, change in harmful(name, recipe).items():
        for claim in CLAIMS:
            yield "harmful", case, claim, partial(_judged, change, recipe, claim, reference)
    for case in WITHOUT_EFFECT:
        yield "harmful", f"{case} without effect", None, partial(_effect, case, recipe)
    for case, (change, claim) in harmless(name, recipe).items():
        yield "harmless", case, claim, partial(_judged, change, recipe, claim, reference)


def _judged(change: Change, recipe: Recipe, claim: Guarantee, reference: Reference) -> tuple[bool, str]:
    try:
        gate = judge(change(recipe), claim, reference)
    except NoReference as error:
        return False, str(error)
    return gate.passed, gate.detail


def _effect(case: str, recipe: Recipe) -> tuple[bool, str]:
    """Ask a technique for its effect in a step that was made without it."""
    run = build(recipe)
    with watched() as seen:
        step(run, next(iter(run.batches()))[1])
    why = why_without_effect(make(case), seen)
    return why is None, why or "an effect was seen"


def ask(data: Path, names: Sequence[str], rows: Path) -> None:
    """Ask about every case that has no row yet."""
    done = {(row["training"], row["case"], row["claim"]) for row in rows_of(rows)}
    for name in names:
        for kind, case, claim, answer in asked(name, data):
            if (name, case, claim and claim.value) in done:
                continue
            began = time.perf_counter()
            kept, why = answer()
            append(rows, {
                "training": name, "kind": kind, "case": case, "claim": claim and claim.value, "kept": kept, "why": why,
                "s": time.perf_counter() - began,
            })  # fmt: skip


def rate(rows: Sequence[Row], *, kept: bool) -> Row:
    """Return how many rows were kept, or were not, with the exact interval (Clopper and Pearson, 1934)."""
    count, total = sum(row["kept"] is kept for row in rows), len(rows)
    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
    return {"count": count, "of": total, "low": low, "high": high}


def table(rows: Sequence[Row]) -> None:
    """Keep the result, and print what went the wrong way."""
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in ("harmful", "harmless")}
    summary = {
        "harmful, rejected": rate(kinds["harmful"], kept=False),
        "harmless, kept": rate(kinds["harmless"], kept=True),
    }
    cases = {
        case: rate([row for row in kinds["harmful"] if row["case"] == case], kept=False)
        for case in dict.fromkeys(row["case"] for row in kinds["harmful"])
    }
    for what, found in (summary | cases).items():
        print(f"{what}: {found['count']} of {found['of']} [{found['low']:.3f}, {found['high']:.3f}]")
    for row in rows:
        if row["kept"] is (row["kind"] == "harmful"):
            said = "kept" if row["kept"] else "rejected"
            print(f"  {row['training']}: {row['case']} as {row['claim']}: {said}: {row['why']}")
    record("planted_techniques", {"summary": summary, "harmful cases": cases, "rows": list(rows)})


def main() -> None:
    """Ask, or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ask", "table"))
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", default=list(TRAININGS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "ask":
        ask(given.data, given.only, given.rows)
    else:
        table(rows_of(given.rows))


if __name__ == "__main__":
    main()
