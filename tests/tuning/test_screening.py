"""Short branches refuse what clearly lags behind, before whole trainings."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import FREE, Guarantee
from hasten.techniques.registry import techniques
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.schedule import Schedule
from hasten.training.task import Stop, Update
from hasten.training.technique import Technique
from hasten.training.transforms import Parameters, State, StepInfo
from hasten.tuning.context import open_laboratory
from hasten.tuning.learning_curve import run_course
from hasten.tuning.rate.start import Start, train_from
from hasten.tuning.reference_step import put, state_of
from hasten.tuning.run_cache import Trainings
from hasten.tuning.screening.forks import MOST_KEPT, Forks
from hasten.tuning.screening.held_out_losses import ended
from hasten.tuning.screening.lag import Lag, Point, lag_of
from hasten.tuning.screening.screen import SHARES, Screen, why_not_by_branches
from hasten.tuning.tune import tune

from planted import MACHINE, Nothing, Planted, Work, card, small_task

pytestmark = pytest.mark.usefixtures("planted")


def changed(name: str, change: Callable[[Recipe], Recipe], guarantee: Guarantee = Guarantee.TRAJECTORY) -> Technique:
    """Return a technique that changes a recipe."""

    @dataclass(frozen=True)
    class Changed(Planted):
        card: ClassVar[Card] = card(name, guarantee)

        def apply(self, recipe: Recipe) -> Recipe:
            return change(recipe)

    return Changed()


def with_rate(factor: float) -> Technique:
    return changed("rate", lambda one: one.with_update(lr=(one.update.lr or 0.0) * factor))


SAME = changed("same", lambda one: one)


@functools.cache
def usual_screen() -> Screen:
    """Return the screen that most tests ask; the baseline's branches are then made once."""
    return screen()


def screen(steps: int = 280, **task: Any) -> Screen:
    """Return the screen of a small training that was made."""
    values = {"stop": Stop(steps=steps, evaluate_every=10), "update": Update(optimizer="sgd", lr=0.1)} | task
    lab = open_laboratory(baseline(small_task(**values)), MACHINE, budget_s=1e6)
    trainings = Trainings(lab, lab.recipe, ())
    trainings.course((), 0)
    return trainings.screen


# What is kept of a training


def test_states_are_kept_all_over_a_training_of_unknown_length() -> None:
    forks = Forks(1e9)
    run_course(baseline(small_task(stop=Stop(steps=300, evaluate_every=1))), seed=1, limit_s=1e9, forks=forks)
    steps = [state.position.step for state in forks.states]
    assert MOST_KEPT / 2 <= len(steps) <= MOST_KEPT
    assert forks.last_step == 300
    assert max(np.diff([0, *steps, 300])) <= 300 / 6
    found = forks.nearest(SHARES)
    assert len(found) == 3
    assert all(abs(share - wanted) < 0.1 for (share, _), wanted in zip(found, SHARES, strict=True))
    assert all(share == state.position.step / 300 for share, state in found)


def test_no_state_is_kept_where_memory_holds_too_few() -> None:
    forks = Forks(1e3)
    run_course(baseline(small_task(stop=Stop(steps=30, evaluate_every=1))), seed=1, limit_s=1e9, forks=forks)
    assert forks.states == []
    assert forks.nearest(SHARES) == []


def test_a_branch_goes_on_from_a_kept_state_bit_for_bit() -> None:
    recipe = baseline(small_task(stop=Stop(steps=70, evaluate_every=1), update=Update(optimizer="adam", lr=0.01)))
    forks = Forks(1e9)
    run_course(recipe, seed=3, limit_s=1e9, forks=forks)
    first, later = forks.states[1], forks.states[-2]
    run = build(recipe, seed=3)
    count = later.position.step - first.position.step
    assert sum(1 for _ in train_from(Start(run, first, []), lambda number: (0.0, 1.0), count)) == count
    assert all(torch.equal(value, later.model[name]) for name, value in run.model.state_dict().items())


class Shares:
    """A post-step that notes which share of the run is done."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def init(self, parameters: Parameters) -> State:
        return {}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        self.seen.append(info.progress)


def test_a_branch_of_batches_that_are_kept_stands_where_the_first_one_stood() -> None:
    shares = Shares()
    recipe = baseline(small_task(stop=Stop(steps=70))).with_post_step(shares)
    run = build(recipe)
    start = Start(run, state_of(run), [])
    for _ in range(2):
        for _ in train_from(start, lambda number: (0.0, 1.0), 12):
            pass
    assert len(start.batches) == 12
    assert shares.seen[:12] == shares.seen[12:] == [number / 70 for number in range(12)]


def test_the_state_of_a_schedule_that_follows_the_loss_is_part_of_it() -> None:
    recipe = baseline(small_task(update=Update(optimizer="sgd", lr=0.1, schedule=Schedule("plateau"))))
    run, other = build(recipe), build(recipe)
    assert run.plateau is not None
    run.plateau.scale = 0.01
    state = state_of(run)
    run.plateau.scale = 1.0
    put(other, state)
    assert other.plateau is not None
    assert other.plateau.scale == 0.01
    other.plateau.scale = 2.0
    assert state.plateau is not None
    assert state.plateau.scale == 0.01


# The losses of the held-out samples


def test_the_parts_add_up_to_the_loss_and_are_the_samples_where_these_are_few() -> None:
    run = build(baseline(small_task()))
    start = Start(run, state_of(run), list(run.held_out(2048)))
    found = ended(start)
    assert len(found.sums) == 40
    valid = small_task().data.valid
    x, y = valid[:]  # type: ignore[index]
    run.model.eval()
    each = nn.functional.cross_entropy(run.model(x), y, reduction="none")
    np.testing.assert_allclose(found.sums, each.detach().numpy(), rtol=1e-5)
    assert found.loss == pytest.approx(float(each.detach().mean()))
    assert found.metric == pytest.approx(float((run.model(x).argmax(1) == y).float().mean()))


# The lag


def point(change: float = 0.0, *, noise: float = 0.0, halfway: float = 1.1, twins: int = 2, seed: int = 0) -> Point:
    """A baseline with the loss 1 whose branches vary by `noise`; the candidate's is higher by `change`."""
    draws = np.random.default_rng(seed)
    parts = np.full(50, (change + noise * draws.standard_normal()) / 50)
    return Point(1.0, halfway, tuple(1 + noise * draws.standard_normal(twins)), parts, np.full(50, 0.02))


def test_the_lag_is_said_in_steps_of_the_baseline() -> None:
    found = lag_of([point(0.05), point(0.05)], allowed=0.02)
    assert found.drop == pytest.approx(0.2)  # half of the branch brought 0.1
    assert found.steps(0.05) == pytest.approx(0.25)
    assert found.worse
    assert "it lags by 25 % of the steps, at least 25 %, 2.0 % allowed" in found.text()
    assert not lag_of([point(0.05)], allowed=0.26).worse  # its steps are that much faster
    assert not lag_of([point(0.0039)], allowed=0.02).worse
    assert lag_of([point(0.0041)], allowed=0.02).worse


def test_where_more_steps_bring_nothing_the_loss_itself_counts() -> None:
    assert lag_of([point(0.01, halfway=0.9)], allowed=0.5).worse
    assert not lag_of([point(0.001, halfway=0.9)], allowed=0.5).worse
    assert "where more steps bring nothing" in lag_of([point(0.01, halfway=0.9)], allowed=0.5).text()


def test_a_branch_that_diverges_is_worse() -> None:
    broken = replace(point(), changes=np.full(50, np.nan))
    found = lag_of([point(), broken], allowed=0.02)
    assert found.worse
    assert found.text() == "it diverges"


def refused(change: float, noise: float, seed: int) -> bool:
    """Whether a candidate is refused at one of the three looks."""
    points = [point(change, noise=noise, twins=twins, seed=3 * seed + at) for at, twins in enumerate((2, 1, 1))]
    return any(lag_of(points[:count], allowed=0.02).worse for count in (1, 2, 3))


def test_what_does_not_lag_is_rarely_refused_although_it_is_looked_at_three_times() -> None:
    assert sum(refused(0.0, 0.05, seed) for seed in range(1000)) <= 50 + 2.3 * 7


def test_what_lags_by_four_standard_errors_is_mostly_refused() -> None:
    assert sum(refused(0.3, 0.05, seed) for seed in range(200)) >= 180


@given(st.floats(0.5, 4.0), st.floats(0.01, 3.0))
@settings(max_examples=30, deadline=None)
def test_the_unit_of_the_loss_does_not_matter(unit: float, change: float) -> None:
    def scaled(one: Point) -> Point:
        twins = tuple(unit * twin for twin in one.twins)
        return Point(unit * one.loss, unit * one.halfway, twins, unit * one.changes, one.weights)

    points = [point(change, noise=0.1, seed=seed) for seed in range(2)]
    one, other = lag_of(points, allowed=0.02), lag_of([scaled(each) for each in points], allowed=0.02)
    assert one.change is not None
    assert other.change is not None
    assert other.change.low == pytest.approx(one.change.low)
    assert other.drop == pytest.approx(one.drop)


def test_which_samples_are_held_out_is_a_doubt_too() -> None:
    parts = np.zeros(50)
    parts[0] = 0.5  # one sample alone
    found = lag_of([replace(point(), changes=parts)], allowed=0.02)
    assert found.change is not None
    assert found.change.value == pytest.approx(0.5)
    assert found.change.low < 0
    assert isinstance(found, Lag)
    assert not found.worse


# Techniques


def test_a_rate_that_moves_nothing_is_refused_at_the_first_points() -> None:
    gate = usual_screen().judged(with_rate(1e-4))
    assert gate is not None
    assert not gate.passed
    assert gate.guarantee is Guarantee.TRAJECTORY
    assert gate.measured > gate.bound
    assert 0.02 <= gate.bound < 0.2  # with what the noise of its steps might hide
    assert "in branches of 40 steps after" in gate.detail
    assert gate.detail.count("%,") < 6  # not all three points


def test_a_rate_at_which_the_training_diverges_is_refused() -> None:
    gate = screen(model=lambda: nn.Sequential(nn.Linear(6, 3)), loss="mse", metric="loss", data=_numbers()).judged(
        with_rate(1e3)
    )
    assert gate is not None
    assert not gate.passed
    assert "diverges" in gate.detail


def _numbers() -> Any:
    from hasten import Data

    x = torch.randn(240, 6, generator=torch.Generator().manual_seed(1))
    data = torch.utils.data.TensorDataset(x, x[:, :3] * 2)
    return Data(train=torch.utils.data.Subset(data, range(200)), valid=torch.utils.data.Subset(data, range(200, 240)))


@pytest.mark.parametrize("one", [SAME, with_rate(1.1), changed("wide", lambda one: one.with_gradient(lambda _: True))])
def test_what_does_no_harm_goes_on(one: Technique) -> None:
    gate = usual_screen().judged(one)
    assert gate is not None
    assert gate.passed, gate.detail


def test_branches_beside_a_setting_of_the_process_are_judged_too() -> None:
    """A plan with `cpu_runtime` had every technique of the path fail: the branches' ends were told without it."""
    lab = open_laboratory(
        baseline(small_task(stop=Stop(steps=280, evaluate_every=10), update=Update(optimizer="sgd", lr=0.1))),
        MACHINE,
        budget_s=1e6,
    )
    trainings = Trainings(lab, lab.recipe, (changed("setting", lambda one: one.with_context(nullcontext)),))
    trainings.course(trainings.base, 0)
    gate = trainings.screen.judged(SAME)
    assert gate is not None
    assert gate.passed, gate.detail


def smaller_gradients(parameters: Parameters) -> bool:
    for parameter in parameters.values():
        if parameter.grad is not None:
            parameter.grad.mul_(0.05)
    return True


def test_gradients_of_another_size_meet_no_moments_of_the_size_before() -> None:
    """Adam's steps do not depend on the size of gradients, if it was the same all along; those of plain SGD do."""
    smaller = changed("smaller", lambda one: one.with_gradient(smaller_gradients))
    gate = screen(update=Update(optimizer="adam", lr=0.01)).judged(smaller)
    assert gate is not None
    assert gate.passed, gate.detail
    assert "held-out loss +0.0" in gate.detail or "held-out loss -0.0" in gate.detail
    gate = usual_screen().judged(smaller)
    assert gate is not None
    assert not gate.passed, gate.detail


def test_the_same_training_ends_with_the_same_losses() -> None:
    gate = screen(dropout=0.3).judged(SAME)
    assert gate is not None
    assert "held-out loss +0 %" in gate.detail


def test_twice_the_batch_makes_half_the_steps_over_the_same_samples() -> None:
    seen: list[int] = []

    class Counts(Shares):
        def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
            seen.append(info.step)

    def larger(one: Recipe) -> Recipe:
        return one.with_input(batch_size=64).with_stop(steps=140).with_post_step(Counts())

    assert usual_screen().judged(changed("larger", larger)) is not None
    assert seen[:20] == list(range(seen[0], seen[0] + 20))
    assert seen[20] != seen[0] + 20
    assert abs(seen[0] - SHARES[0] * 140) < 14


def test_larger_batches_are_judged_by_the_same_held_out_samples() -> None:
    """Batches of another size are spread over the validation data in another way."""
    from hasten import Data

    x = torch.randn(6000, 6, generator=torch.Generator().manual_seed(1))
    data = torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long())
    parts = Data(train=torch.utils.data.Subset(data, range(500)), valid=torch.utils.data.Subset(data, range(500, 6000)))
    larger = changed("larger", lambda one: one.with_input(batch_size=96).with_stop(steps=93))
    gate = screen(data=parts).judged(larger)
    assert gate is not None
    assert "held-out loss" in gate.detail


def _narrow(model: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 2), nn.Tanh(), nn.Linear(2, 3), Work(0.02))


def test_another_model_is_compared_from_the_start_on_several_seeds() -> None:
    narrow = changed("narrow", lambda one: one.with_surgery(_narrow), Guarantee.MODEL)
    gate = usual_screen().judged(narrow)
    assert gate is not None
    assert "after its start (" in gate.detail
    broken = changed("broken", lambda one: one.with_surgery(lambda model: nn.Sequential(*model, nn.Dropout(0.999))))
    gate = usual_screen().judged(broken)
    assert gate is not None
    assert not gate.passed


def _half_the_work(model: nn.Module) -> nn.Module:
    for layer in model.modules():
        if isinstance(layer, Work):
            layer.duration_s /= 50
    return model


def test_a_lag_that_faster_steps_make_up_for_is_no_reason_to_refuse() -> None:
    slow = usual_screen().judged(with_rate(0.5))
    assert slow is not None
    assert not slow.passed
    quick = changed("quick", lambda one: one.with_surgery(_half_the_work).with_update(lr=0.05))
    found = usual_screen().judged(quick)
    assert found is not None
    assert found.passed, found.detail


@dataclass(frozen=True)
class _Average:
    """Keeps an average of the weights."""

    def init(self, parameters: Parameters) -> State:
        return {}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        return None

    def averages(self, state: State) -> dict[str, torch.Tensor]:
        return {}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda one: one.with_stop(steps=70), "another length"),
        (lambda one: one.with_post_step(_Average()), "averages"),
        (lambda one: one.with_batch_transform(lambda batch: batch), "prepares the held-out samples"),
        (lambda one: one.with_input(sampling=lambda samples: None), "whole epochs"),
        (lambda one: one.with_forward(loss=functools.partial(one.forward.loss)), "another loss"),
    ],
)
def test_of_what_shows_only_in_whole_trainings_branches_say_nothing(
    change: Callable[[Recipe], Recipe], why: str
) -> None:
    ours = usual_screen()
    reason = why_not_by_branches(change(ours.recipe), ours.recipe)
    assert reason is not None
    assert why in reason
    assert why_not_by_branches(ours.recipe, ours.recipe) is None
    assert ours.judged(changed("odd", change)) is None


def test_a_short_training_is_told_as_soon_by_itself() -> None:
    assert screen(steps=100).judged(with_rate(1e-4)) is None


def test_what_has_the_better_metric_goes_on_although_its_loss_is_higher() -> None:
    def smallness(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return -output.abs().mean()

    gate = screen(metric=smallness, higher_is_better=True).judged(with_rate(1e-4))
    assert gate is not None
    assert gate.passed
    assert gate.measured > gate.bound


def test_tuning_refuses_by_branches_without_a_whole_training(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[frozenset[Technique]] = []
    whole = Trainings.course

    def noted(self: Trainings, plan: Any, number: int, **more: Any) -> Any:
        made.append(frozenset(plan))
        return whole(self, plan, number, **more)

    monkeypatch.setattr(Trainings, "course", noted)
    kind = type(with_rate(1e-4))
    monkeypatch.setitem(techniques(), "rate", kind)
    monkeypatch.setitem(techniques(), "nothing", Nothing)
    recipe = baseline(small_task(stop=Stop(steps=280, evaluate_every=10)))
    *trials, tuning = tune(recipe, MACHINE, budget_s=500.0, allow=FREE | {Guarantee.TRAJECTORY}, only=["rate"])
    assert isinstance(tuning, Tuning)
    (trial,) = (one for one in trials if isinstance(one, Trial))
    assert trial.verdict is Verdict.SLOWER, trial.reason
    assert "so no whole training was made" in trial.reason
    assert trial.gate is not None
    assert not trial.gate.passed
    assert set(made) == {frozenset()}
    assert tuning.plan.choices == ()
