"""Settings on the real machine: what is blamed when one cannot be timed, what is charged, and how busy it is."""

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.records.trial import Verdict
from hasten.base.stages import Guarantee
from hasten.machine.set_threads import threads_set
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import build, with_forward
from hasten.training.effects import Seen, products_in
from hasten.training.recipe import Recipe, baseline
from hasten.training.step import step
from hasten.training.technique import Technique
from hasten.tuning import busy
from hasten.tuning.busy import Free, Steps, free_threads
from hasten.tuning.context import bench_of, open_laboratory, steps_per_block
from hasten.tuning.search.factors import NONE
from hasten.tuning.search.ground import Infeasible
from hasten.tuning.search.model import Gain
from hasten.tuning.selection import factors_of
from hasten.tuning.timing import Timing

from planted import (
    MACHINE,
    TIME,
    Costly,
    HalfTheWork,
    NoPause,
    Nothing,
    Planted,
    Raises,
    Slower,
    around,
    card,
    small_task,
)

pytestmark = pytest.mark.usefixtures("planted")


def timing(*chosen: Technique, threads: int | None = None, **task: Any) -> Timing:
    lab = open_laboratory(baseline(small_task(**task)), MACHINE, budget_s=100.0)
    lab.step_s, lab.free = 0.02, Free(threads)
    return Timing(lab, chosen, factors_of(lab.machine, lab.hints, chosen), share=1.0)


def test_a_block_is_the_time_of_a_sample() -> None:
    place = timing(HalfTheWork())
    place.ready(NONE)
    place.ready(frozenset({0}))
    plain, half = place.block(NONE), place.block(frozenset({0}))
    assert plain == pytest.approx(math.log(0.02 / 28.6), abs=0.1), "200 samples in 7 batches"
    assert plain - half == pytest.approx(math.log(2), abs=0.1)
    assert set(place.built()) == {NONE, frozenset({0})}


def test_what_building_takes_is_learnt_from_the_second_build_of_the_baseline() -> None:
    place = timing(NoPause())
    place.lab.build_s = 5.0  # the first one of a process also pays for what all share
    place.ready(frozenset({0}))
    assert place.lab.build_s == 5.0
    place.ready(frozenset({1}))
    assert place.lab.build_s < 1.0


def test_a_gate_is_asked_on_the_threads_that_blocks_are_timed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[int]()

    def asked(*given: object) -> Any:
        seen.append(torch.get_num_threads())
        return {}, None

    monkeypatch.setattr("hasten.tuning.timing.unproven", asked)
    gain = Gain(0.3, 0.2, 0.4, 1.0, 0.03)
    with threads_set(2):
        assert timing(NoPause(), threads=1).unfit(frozenset({0}), {0: gain}) == NONE
        assert timing(NoPause()).unfit(frozenset({0}), {0: gain}) == NONE
    assert seen == [1, 2]


def test_what_fails_alone_is_blamed_for_the_whole() -> None:
    place = timing(NoPause(), Raises(), HalfTheWork())
    with pytest.raises(Infeasible) as error:
        place.ready(frozenset({0, 1, 2}))
    assert error.value.factors == {1}
    assert place.trials[1].verdict is Verdict.NOT_APPLICABLE
    assert "planted failure" in place.trials[1].reason


@dataclass(frozen=True)
class NotBeside(Planted):
    """Refuses a recipe that has a surgery."""

    card: ClassVar[Card] = card("not_beside")

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        return "there is a surgery" if recipe.model else None

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe


def test_what_refuses_beside_another_only_is_kept_apart_from_it() -> None:
    place = timing(NotBeside(), Nothing(), NoPause())
    with pytest.raises(Infeasible) as error:
        place.ready(frozenset({0, 1, 2}))
    assert error.value.factors == {0, 2}
    assert not place.trials


@dataclass(frozen=True)
class Threads(Nothing):
    card: ClassVar[Card] = card("threads")

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe.with_context(lambda: threads_set(2))


def test_what_sets_the_threads_cannot_be_timed_where_others_are_busy() -> None:
    place = timing(Threads(), Nothing(), threads=1)
    place.ready(frozenset({1}))
    with pytest.raises(Infeasible):
        place.ready(frozenset({0, 1}))
    assert place.trials[0].verdict is Verdict.INCONCLUSIVE
    assert "number of threads" in place.trials[0].reason
    timing(Threads()).ready(frozenset({0}))


@dataclass(frozen=True)
class Ahead(Nothing):
    card: ClassVar[Card] = card("ahead")

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe.with_input(ahead=2)


def test_what_overlaps_with_the_step_cannot_be_judged_by_the_time_of_the_processor() -> None:
    place = timing(Ahead(), threads=1)
    with pytest.raises(Infeasible):
        place.ready(frozenset({0}))
    assert "beside the step" in place.trials[0].reason


def test_setup_is_charged_to_the_factor_that_every_costly_setting_has() -> None:
    place = timing(Costly(), Nothing(), pause=True)
    for setting in (NONE, frozenset({0, 1}), frozenset({1})):
        place.ready(setting)
    assert place.lab.setup_s[place.chosen[0]] == pytest.approx(5.0, rel=0.2)
    assert place.lab.setup_s[place.chosen[1]] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("step_s", "steps"), [(1.0, 1), (0.25, 1), (0.1, 3), (0.02, 3), (0.01, 5), (0.001, 50)])
def test_a_block_is_50_ms_and_3_steps_or_one_long_step(step_s: float, steps: int) -> None:
    assert steps_per_block(step_s) == steps


@pytest.mark.parametrize(
    ("one", "every", "taken", "free"),
    [
        (Steps(0.02, 0.05, 1.0), Steps(0.012, 0.05, 1.8), 1.0, None),
        (Steps(0.02, 0.05, 1.0), Steps(0.05, 0.5, 1.5), 0.0, 1),  # all threads wait for the last
        (Steps(0.02, 0.05, 0.8), Steps(0.05, 0.05, 1.5), 0.0, 1),
        (Steps(0.02, 0.05, 1.0), Steps(0.05, 0.05, 1.8), 0.1, None),  # a small model is slower on more threads
        (Steps(0.007, 0.05, 1.0), Steps(0.2, 0.05, 1.0), 1.0, 1),  # two threads on the core that is left
        (Steps(0.02, 0.05, 0.5), None, 0.0, 1),
    ],
)
def test_steps_are_timed_on_one_thread_where_all_of_them_wait_for_other_work(
    one: Steps, every: Steps | None, taken: float, free: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(bench: Any) -> Steps:
        found = one if torch.get_num_threads() == 1 else every
        assert found is not None, "all threads need not be timed"
        return found

    monkeypatch.setattr(busy, "_timed", timed)
    monkeypatch.setattr(busy, "_taken", lambda: taken)
    run = SimpleNamespace(recipe=baseline(small_task()))
    bench: Any = SimpleNamespace(run=run, step_s=0.0)
    with threads_set(2):
        found = free_threads(bench)
        assert found.threads == free
        assert found.on_all == (every.step_s / one.step_s if free == 1 and every is not None else 1.0)
        assert found.best == (1 if found.on_all > 1.5 else None)
        assert torch.get_num_threads() == 2
    used = one if free == 1 else every
    assert used is not None
    assert bench.step_s == used.step_s


def test_a_machine_that_is_busy_for_a_moment_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    every = iter([Steps(0.3, 0.6, 1.0), Steps(0.012, 0.05, 1.8)])

    def timed(bench: Any) -> Steps:
        return Steps(0.02, 0.05, 1.0) if torch.get_num_threads() == 1 else next(every)

    monkeypatch.setattr(busy, "_timed", timed)
    bench: Any = SimpleNamespace(run=SimpleNamespace(recipe=baseline(small_task())), step_s=0.0)
    with threads_set(2):
        assert free_threads(bench).threads is None
    assert bench.step_s == 0.012


@pytest.mark.parametrize(("every_s", "best"), [(0.2, 1), (0.012, None)])
def test_what_was_best_while_other_work_lasted_is_asked_again_before_a_training(
    every_s: float, best: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(bench: Any) -> Steps:
        torch.manual_seed(99)
        alone = torch.get_num_threads() == 1
        return Steps(0.02 if alone else every_s, 0.05, 0.8 if alone else 1.5)

    monkeypatch.setattr(busy, "_timed", timed)
    recipe, before = baseline(small_task()), torch.get_rng_state()
    with threads_set(2):
        assert busy.still_best(recipe, 1) == best
        assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), before), "the training's random numbers are its own"


def test_where_no_other_work_was_seen_nothing_is_asked_before_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "Bench", None)
    assert busy.still_best(baseline(small_task()), None) is None


def test_few_benches_of_a_large_model_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    monkeypatch.setattr("hasten.tuning.context.BENCH_MEMORY", 1e-9)
    plans = [(), (Nothing(),), (NoPause(),), (HalfTheWork(),), (Nothing(), NoPause())]
    for plan in plans:
        bench_of(lab, plan)
    assert list(lab.benches) == [frozenset(plan) for plan in plans[-4:]]


def test_plans_that_differ_in_the_forward_pass_alone_train_one_model() -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    plain, slower, awake = (bench_of(lab, plan) for plan in ((), (Slower(),), (NoPause(),)))
    assert slower.run.model is plain.run.model
    assert slower.run.optimizer is plain.run.optimizer
    assert awake.run.model is not plain.run.model, "a surgery makes another one"
    before = TIME.now
    slower(10)
    took = TIME.now - before
    before = TIME.now
    plain(10)
    assert took / (TIME.now - before) == pytest.approx(3.0, rel=0.1), "predict and loss are wrapped each"


def test_a_switched_forward_pass_makes_the_steps_of_a_session_of_its_own() -> None:
    recipe = baseline(small_task())
    changed = Slower().apply(recipe)
    shared = with_forward(build(recipe), changed)
    assert shared is not None
    for run in (shared, own := build(changed)):
        batches = batches_in_turn(run)
        with run.contexts:
            for _ in range(8):
                step(run, next(batches))
    assert all(torch.equal(a, b) for a, b in zip(shared.parameters, own.parameters, strict=True))
    assert shared.position == own.position


@dataclass(frozen=True)
class LessPrecise(Planted):
    """Leaves no product in float32."""

    card: ClassVar[Card] = card("less_precise", Guarantee.PRECISION)

    def apply(self, recipe: Recipe) -> Recipe:
        def wrap(predict: Any) -> Any:
            def call(model: nn.Module, batch: Any) -> Any:
                with torch.autocast("cpu", torch.bfloat16):
                    return predict(model, batch)

            return call

        return around(recipe, wrap)


@dataclass(frozen=True)
class OfFloat32(Planted):
    """Does something to products in float32."""

    card: ClassVar[Card] = card("of_float32", Guarantee.ROUNDING)

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe

    def effect(self, seen: Seen) -> str | None:
        return products_in(seen, "float32")


def test_what_has_no_effect_beside_the_rest_of_a_plan_is_unfit_for_it_and_for_no_other() -> None:
    place = timing(LessPrecise(), OfFloat32())
    gain = Gain(0.3, 0.2, 0.4, 0.99, 0.03)
    for setting in (frozenset({1}), frozenset({0, 1})):
        place.ready(setting)  # it has an effect alone
    assert place.unfit(frozenset({1}), {1: gain}) == NONE
    assert place.unfit(frozenset({0, 1}), {0: gain, 1: gain}) == {1}
    trial = place.trials[1]
    assert trial.verdict is Verdict.NO_DIFFERENCE, "what is known of it in another plan stays open"
    assert trial.reason.startswith("no effect beside less_precise: no product of the step ran in float32")
    assert trial.base == ("less_precise",)


def test_what_other_work_takes_is_seen_on_the_processors_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy.psutil, "cpu_percent", lambda interval, percpu: [100.0, 50.0, 20.0])
    monkeypatch.setattr(busy, "usable_processors", lambda: {0, 2})
    assert busy._taken() == pytest.approx(1.2)
