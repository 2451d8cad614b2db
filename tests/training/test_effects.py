"""What a step really did, and whether a technique had an effect in it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from hasten.base.errors import Refused
from hasten.base.records.card import Card
from hasten.base.stages import Guarantee, Stage
from hasten.machine import facts
from hasten.measurement.calls import PRODUCTS, recorded
from hasten.techniques.applying import apply_plan, plan_of
from hasten.training.effects import Seen, compiled_code, has_check, kept_channels_last, products_in, watched
from hasten.training.recipe import baseline

from tiny_tasks import cnn_task, mlp_task


class Strict(nn.Sequential):
    """Forces torch's default layout between its layers."""

    def forward(self, values):
        for layer in self:
            values = layer(values.contiguous())
        return values


def images(kind=nn.Sequential):
    torch.manual_seed(0)
    return kind(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 4 * 4, 3))


def step_of(model, values, autocast=False):
    with watched() as seen, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        model(values).sum().backward()
    return seen


def test_to_be_recorded_changes_no_bit_and_prints_nothing(capfd):
    plain, recorded_one = images(), images()
    values = torch.randn(4, 2, 8, 8)
    plain(values).sum().backward()
    step_of(recorded_one, values)
    for one, other in zip(plain.parameters(), recorded_one.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    out = capfd.readouterr()
    assert out.out == out.err == ""


def test_formats_are_those_that_products_really_ran_in():
    values = torch.randn(4, 2, 8, 8)
    plain, narrow = step_of(images(), values), step_of(images(), values, autocast=True)
    assert plain.formats() == {"float32": 7}  # 3 forward; 2 for the linear layer and 2 for the convolutions backward
    assert narrow.formats() == {"bfloat16": 7}
    assert products_in(narrow, "bfloat16") is None
    assert products_in(plain, "bfloat16") == "no product of the step ran in bfloat16 (found 7 in float32)"


def test_a_product_whose_arguments_autocast_converts_counts_once():
    with recorded() as calls, torch.autocast("cpu", torch.bfloat16):
        torch.addmm(torch.zeros(3), torch.ones(2, 4), torch.ones(4, 3))
    assert [call.formats[1] for call in calls if call.name in PRODUCTS] == ["bfloat16"]


def test_a_layout_that_layers_force_back_has_no_effect():
    values = torch.randn(4, 2, 8, 8).contiguous(memory_format=torch.channels_last)
    kept = step_of(images().to(memory_format=torch.channels_last), values)
    lost = step_of(images(Strict).to(memory_format=torch.channels_last), values)
    assert kept_channels_last(kept) is None
    assert kept_channels_last(lost) == (
        "none of the 1 convolutions after the first got its input in channels-last layout"
    )


def test_code_that_the_compiler_leaves_alone_has_no_effect():
    model = nn.Linear(4, 4)
    hidden = torch._dynamo.disable(model.forward)
    plain = torch.compile(lambda values: hidden(values))
    assert compiled_code(step_of(plain, torch.randn(2, 4))) == (
        "no compiled code ran in the step: torch fell back to the plain functions"
    )
    fast = torch.compile(model, backend="aot_eager")
    fast(torch.randn(2, 4)).sum().backward()
    seen = step_of(fast, torch.randn(2, 4))
    assert compiled_code(seen) is None
    assert all(call.compiled for call in seen.products)


def test_a_plan_with_a_technique_without_effect_is_refused_with_what_was_seen():
    task = cnn_task(norm=False)
    strict = replace(
        task,
        model=lambda: nn.Sequential(
            nn.Conv2d(2, 8, 3), Strict(nn.Conv2d(8, 8, 3)), nn.Flatten(), nn.Linear(8 * 5 * 3, 3)
        ),
    )
    machine = facts()
    with pytest.raises(Refused, match="channels_last has no effect on 'tiny-images': none of the 1 convolutions"):
        apply_plan(plan_of(task.name, ["channels_last"]), baseline(strict), machine)
    loose = replace(
        task, model=lambda: nn.Sequential(nn.Conv2d(2, 8, 3), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 5 * 3, 3))
    )
    apply_plan(plan_of(task.name, ["channels_last", "fused_optimizer"]), baseline(loose), machine)


@dataclass(frozen=True)
class Nothing:
    """Says that it does something, and does not."""

    card: ClassVar[Card] = Card(
        name="nothing_at_all", stage=Stage.FORWARD, guarantee=Guarantee.EXACT, idea="nothing", source="none, 2026"
    )

    def refuse(self, recipe, machine):
        return None

    def apply(self, recipe):
        return recipe

    def effect(self, seen: Seen) -> str | None:
        return f"{len(seen.products)} products as before"


def test_tuning_calls_it_no_effect_and_not_no_difference():
    from hasten.base.records.trial import Verdict
    from hasten.tuning.context import open_laboratory
    from hasten.tuning.search.ground import Infeasible
    from hasten.tuning.selection import factors_of
    from hasten.tuning.timing import Timing

    lab = open_laboratory(baseline(mlp_task()), facts(), budget_s=60.0)
    timing = Timing(lab, [Nothing()], factors_of(lab.machine, lab.hints, [Nothing()]), share=1.0)
    assert has_check(Nothing())
    with pytest.raises(Infeasible):
        timing.ready(frozenset({0}))
    trial = timing.trials[0]
    assert trial.verdict is Verdict.NO_EFFECT
    assert trial.reason == "5 products as before"
