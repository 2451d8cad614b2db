"""A bench runs the loop's own steps, and can start again."""

from dataclasses import replace

import pytest
import torch

from hasten.base.records.comparison import Comparison, Verdict
from hasten.base.records.interval import Interval
from hasten.training.loop import step
from hasten.training.recipe import baseline
from hasten.training.session import build
from hasten.training.task import Stop
from hasten.tuning.bench import Bench
from hasten.tuning.payback import cannot_pay, not_earned_back, planned_s

from planted import TIME, small_task

pytestmark = pytest.mark.usefixtures("planted")


def test_its_steps_are_those_of_the_loop() -> None:
    recipe = baseline(small_task(dropout=0.0))
    bench = Bench(recipe)
    for steps in (1, 4, 6):
        bench(steps)
    run = build(recipe)
    for number, (ids, batch) in enumerate(run.batches()):
        if number == 11:
            break
        step(run, batch)
        run.advance(len(ids), 0.0)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(bench.run.parameters, run.parameters, strict=True))


def test_rewinding_repeats_the_same_steps() -> None:
    bench = Bench(baseline(small_task()))
    bench(5)
    first = [parameter.detach().clone() for parameter in bench.run.parameters]
    bench.rewind()
    bench(5)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, bench.run.parameters, strict=True))


def test_the_first_steps_extra_time_is_its_setup() -> None:
    once = iter([2.0])

    def prepare(batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        TIME.pass_s(next(once, 0.0))
        return batch

    recipe = baseline(small_task())
    bench = Bench(replace(recipe, input=replace(recipe.input, prepare=(prepare,))))
    assert bench.setup_s == pytest.approx(2.0, rel=0.2)
    assert bench.step_s == pytest.approx(0.02, rel=0.2)
    assert Bench(recipe).setup_s < 0.1


def test_memory_of_a_step_holds_at_least_parameters_and_gradients() -> None:
    bench = Bench(baseline(small_task()))
    peak = bench.peak_bytes()
    assert peak is not None
    assert peak >= 2 * sum(parameter.nbytes for parameter in bench.run.parameters)


def found(step_a_s: float, step_b_s: float) -> Comparison:
    ratio = step_a_s / step_b_s
    return Comparison(
        ratio=Interval(value=ratio, low=ratio, high=ratio, n=9),
        verdict=Verdict.FASTER,
        delta=0.01,
        pairs=9,
        steps_per_block=5,
        step_time_a_s=step_a_s,
        step_time_b_s=step_b_s,
        warmup_s=0.0,
        spent_s=0.0,
    )


def test_setup_must_be_earned_back_within_the_training() -> None:
    recipe = baseline(small_task(stop=Stop(steps=1000)))
    assert planned_s(recipe, 0.01) == pytest.approx(10.0)
    assert not_earned_back(found(0.01, 0.005), 4.9, recipe) is None
    why = not_earned_back(found(0.01, 0.005), 5.1, recipe)
    assert why is not None
    assert "5.10 s once" in why
    assert "5.00 s" in why


def test_where_only_time_ends_the_training_the_saving_is_a_share_of_it() -> None:
    recipe = baseline(small_task(stop=Stop(seconds=60.0)))
    assert not_earned_back(found(0.01, 0.005), 29.0, recipe) is None
    assert not_earned_back(found(0.01, 0.005), 31.0, recipe) is not None


def test_what_can_never_pay_is_known_before_it_is_paid() -> None:
    short = baseline(small_task(stop=Stop(steps=100)))
    assert cannot_pay("compile", short, 0.01) is not None
    assert cannot_pay("compile", short, 1.0) is None
    assert cannot_pay("fused_optimizer", short, 0.01) is None
