"""A bench runs the loop's own steps, and can start again."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch

from hasten.base.records.comparison import Verdict
from hasten.profiling.memory import step_peak_bytes
from hasten.profiling.stepping import batches_in_turn
from hasten.techniques.applying import make
from hasten.techniques.input.infobatch import Scores
from hasten.training.building import build
from hasten.training.loss import LossFunction
from hasten.training.recipe import baseline
from hasten.training.step import step
from hasten.training.task import Stop
from hasten.tuning import messages
from hasten.tuning.bench import Bench
from hasten.tuning.break_even import cannot_pay, not_earned_back, planned_s
from hasten.tuning.confirm import confirmed
from hasten.tuning.context import compared, open_laboratory

from planted import MACHINE, TIME, DoubleBatch, small_task
from tiny_tasks import mlp_task

pytestmark = pytest.mark.usefixtures("planted")


def test_switches_stay_on_between_the_calls_of_a_with_block() -> None:
    turns: list[str] = []

    @contextmanager
    def switch() -> Generator[None]:
        turns.append("on")
        yield
        turns.append("off")

    recipe = baseline(small_task())
    bench = Bench(replace(recipe, forward=replace(recipe.forward, contexts=(switch,))))
    turns.clear()
    bench(1)
    assert turns == ["on", "off"]
    with bench:
        bench(1)
        bench(2)
        assert turns == ["on", "off", "on"]
    assert turns == ["on", "off", "on", "off"]
    bench(1)
    assert turns == ["on", "off"] * 3


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
    bench = Bench(replace(recipe, input=replace(recipe.input, batch_transforms=(prepare,))))
    assert bench.setup_s == pytest.approx(2.0, rel=0.2)
    assert bench.step_s == pytest.approx(0.02, rel=0.2)
    assert Bench(recipe).setup_s < 0.1


def test_memory_of_a_step_holds_at_least_parameters_and_gradients() -> None:
    bench = Bench(baseline(small_task()))
    peak = bench.peak_bytes()
    assert peak is not None
    assert peak >= 2 * sum(parameter.nbytes for parameter in bench.run.parameters)


def test_memory_of_a_step_does_not_grow_with_the_data_set() -> None:
    peaks = [Bench(baseline(mlp_task(samples=samples))).peak_bytes() for samples in (48, 4800)]
    assert peaks[0] == peaks[1]


def test_memory_of_a_step_is_that_of_a_profile() -> None:
    run = build(baseline(mlp_task(samples=48)))
    batches = batches_in_turn(run)
    step(run, next(batches))
    assert Bench(run.recipe).peak_bytes() == step_peak_bytes(run, next(batches), compiled=False)


def test_a_step_advances_by_the_samples_of_an_epoch_over_its_steps() -> None:
    recipe = baseline(small_task())
    assert Bench(recipe).samples_per_step == pytest.approx(200 / 7)
    larger = replace(recipe, input=replace(recipe.input, batch_size=64))
    assert Bench(larger).samples_per_step == pytest.approx(200 / 4)
    assert Bench(baseline(small_task(batch_size=None))).samples_per_step == 200


def test_samples_that_are_passed_over_count() -> None:
    recipe = baseline(small_task())
    half = replace(recipe, input=replace(recipe.input, sampling=FirstHalf))
    bench = Bench(half)
    assert bench.samples_per_step == pytest.approx(200 / 4)
    assert bench.run.position.step == 0


def test_what_is_passed_over_is_known_from_an_epoch_before() -> None:
    recipe = baseline(small_task())
    bench = Bench(replace(recipe, input=replace(recipe.input, sampling=partial(Scores, ratio=0.5, annealing=0.9))))
    bench(1)
    assert 200 / 7 < bench.samples_per_step <= 200 / 4


def test_changing_batches_are_seen_from_all_over_the_run() -> None:
    shares: list[float] = []

    def watched(batch: tuple[torch.Tensor, ...], progress: float) -> tuple[torch.Tensor, ...]:
        shares.append(progress)
        return batch

    recipe = baseline(small_task(stop=Stop(steps=1000)))
    bench = Bench(replace(recipe, input=replace(recipe.input, curriculum=(watched,))))
    shares.clear()
    bench(5)
    assert max(b - a for a, b in pairwise([0.0, *sorted(shares), 1.0])) < 0.4
    shares.clear()
    bench(100)
    assert max(b - a for a, b in pairwise([0.0, *sorted(shares), 1.0])) < 0.03


def test_twice_the_samples_in_nearly_twice_the_time_are_faster() -> None:
    lab = open_laboratory(baseline(small_task(batch_size=20)), MACHINE, budget_s=100.0)
    faster = compared(lab, (), (DoubleBatch(),), budget_s=20.0)
    assert faster.verdict is Verdict.FASTER
    assert faster.ratio.value == pytest.approx(1 / 0.95, rel=0.01)
    assert messages.faster(faster, ()).endswith("a step, 20 -> 40 samples a step")
    planned_saving_s = planned_s(lab.recipe, faster.step_time_a_s) * (1 - 1 / faster.ratio.value)
    assert not_earned_back(faster.ratio.value, 0.9 * planned_saving_s, lab.recipe, faster.step_time_a_s) is None
    assert not_earned_back(faster.ratio.value, 1.1 * planned_saving_s, lab.recipe, faster.step_time_a_s) is not None
    afresh = confirmed(lab, (DoubleBatch(),), share=0.5)
    assert afresh.value == pytest.approx(1 / 0.95, rel=0.01)


class FirstHalf:
    """A sampling that uses the first 100 of 200 samples."""

    def __init__(self, samples: int) -> None:
        self.used = torch.arange(samples) < 100

    def begin(self, *, seed: int, epoch: int, progress: float) -> None:
        pass

    def kept(self) -> torch.Tensor:
        return self.used

    def expect(self, ids: torch.Tensor) -> None:
        assert int(ids.max()) < 100

    def weighed(self, loss: LossFunction) -> LossFunction:
        return loss


def test_setup_must_be_earned_back_within_the_training() -> None:
    recipe = baseline(small_task(stop=Stop(steps=1000)))
    assert planned_s(recipe, 0.01) == pytest.approx(10.0)
    assert not_earned_back(2.0, 4.9, recipe, 0.01) is None
    why = not_earned_back(2.0, 5.1, recipe, 0.01)
    assert why is not None
    assert "5.10 s once" in why
    assert "5.00 s" in why


def test_where_only_time_ends_the_training_the_saving_is_a_share_of_it() -> None:
    recipe = baseline(small_task(stop=Stop(seconds=60.0)))
    assert not_earned_back(2.0, 29.0, recipe, 0.01) is None
    assert not_earned_back(2.0, 31.0, recipe, 0.01) is not None


def test_what_can_never_pay_is_known_before_it_is_paid() -> None:
    short = baseline(small_task(stop=Stop(steps=100)))
    assert cannot_pay(make("compile").card, short, 0.01) is not None
    assert cannot_pay(make("compile").card, short, 1.0) is None
    assert cannot_pay(make("fused_optimizer").card, short, 0.01) is None
