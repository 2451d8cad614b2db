"""The learning rate that short branches choose, and that the search leaves no trace."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten import Data, Schedule, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.rate_choice import RateChoice, RateVerdict
from hasten.base.records.run import Evaluation
from hasten.base.seeds import random_state, same_random_state
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.tuning.budget import now_s
from hasten.tuning.rate import branches, choose, horizon, spending
from hasten.tuning.rate.branches import Branches, Ended
from hasten.tuning.rate.choose import choose_rate
from hasten.tuning.rate.start import set_rates, start_of
from hasten.tuning.rate.sweep import Sweep

from tiny_tasks import mlp_task, regression_task


@pytest.fixture(autouse=True)
def short_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hasten.tuning.rate.choose.FEWEST_STEPS", 12)
    monkeypatch.setattr("hasten.tuning.budget.SHORTEST_S", 0.0)
    monkeypatch.setattr("hasten.tuning.rate.choose.WHOLE_S", 0.0)


class Bowl(nn.Module):
    """loss = curvature * weight^2 / 2 for every sample: gradient descent is stable below 2 / curvature."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1) + 0.1 * torch.rand(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


def bowl_task(*, lr: float = 0.01, curvature: float = 10.0, steps: int = 40, **changes: object) -> Task:
    x = torch.full((64, 1), math.sqrt(curvature / 2))
    data = TensorDataset(x, torch.zeros(64, 1))
    task = Task(
        name="bowl",
        data=Data(train=data, valid=data),
        model=Bowl,
        loss="mse",
        metric="loss",
        update=Update(optimizer="sgd", lr=lr),
        batch_size=32,
        stop=Stop(steps=steps),
    )
    return replace(task, **changes)  # type: ignore[arg-type]


def choice(task: Task, budget_s: float | None = None, notes: list[object] | None = None) -> RateChoice:
    shown: list[object] = [] if notes is None else notes
    return choose_rate(baseline(task), budget=lambda planned_s: budget_s, show=shown.append)


@pytest.mark.parametrize("lr", [1e-4, 10.0])
def test_a_sweep_finds_the_edge_of_a_quadratic(lr: float) -> None:
    edge = Sweep(start_of(baseline(bowl_task(lr=lr, curvature=10)), 0)).edge
    assert edge is not None
    assert 0.2 <= edge * lr <= 0.2 * 20  # it takes some steps beyond the edge until the loss has risen


def test_the_best_rate_of_a_quadratic_is_found_though_it_lies_beyond_the_border_of_what_is_tried_first() -> None:
    found = choice(bowl_task(lr=1e-3))
    assert found.verdict is RateVerdict.BETTER
    assert found.rate is not None
    assert 0.03 <= found.rate.value <= 0.2  # 1 / curvature jumps to the minimum
    assert found.factor * 1e-3 == pytest.approx(found.rate.value)
    assert found.worth is not None
    assert found.worth.high < 0


def test_the_best_rate_is_inside_of_what_was_tried() -> None:
    found = choice(mlp_task(samples=400, stop=Stop(steps=40)))
    tried = [one for one in found.tried if one.steps == found.branch_steps and not one.proof]
    best = min(tried, key=lambda one: sum(math.inf if loss is None else loss for loss in one.losses))
    assert best not in (min(tried, key=lambda one: one.rate), max(tried, key=lambda one: one.rate))


@pytest.mark.parametrize("steps", [7, 40])
def test_a_branch_is_at_most_as_long_as_the_training_and_then_nothing_is_extrapolated(
    monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr("hasten.tuning.budget.SHORTEST_S", 30.0)
    found = choice(bowl_task(steps=steps))
    assert found.branch_steps == steps
    assert found.horizon == 1.0


@pytest.mark.parametrize(("longest_s", "branch_steps"), [(1e6, 300), (0.0, 12)])
def test_whole_trainings_decide_where_a_search_by_them_is_short(
    monkeypatch: pytest.MonkeyPatch, longest_s: float, branch_steps: int
) -> None:
    monkeypatch.setattr(choose, "WHOLE_S", longest_s)
    monkeypatch.setattr(Branches, "_branch", lambda *_: Ended(1.0, 1.0))
    assert choice(bowl_task(steps=300)).branch_steps == branch_steps


@settings(max_examples=6, deadline=None)
@given(
    steps=st.integers(2, 60),
    schedule=st.sampled_from([Schedule(), Schedule("cosine", warmup=7), Schedule("linear"), Schedule("one_cycle")]),
    factor=st.sampled_from([0.3, 1.0]),
)
@example(steps=22, schedule=Schedule("linear"), factor=1.0)  # 15 / 22 * 22 < 15 in floating point
def test_a_branch_as_long_as_the_training_is_the_training(steps: int, schedule: Schedule, factor: float) -> None:
    def task(lr: float) -> Task:
        update = Update(optimizer="sgd", lr=lr, schedule=schedule)
        return mlp_task(update=update, metric="loss", stop=Stop(steps=steps, evaluate_every=steps))

    made = Branches(baseline(task(0.1)))
    run = build(baseline(task(0.1 * factor)), seed=made.start(0).run.seed)
    losses = [event.valid_loss for event in train(run) if isinstance(event, Evaluation)]
    assert made.ended(0, factor, steps).loss == losses[-1]


def test_one_slow_step_does_not_decide_how_long_a_step_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.0, 2.0, 52.0, *(53.0 + number for number in range(100))])
    monkeypatch.setattr(spending, "now_s", lambda: next(times))
    assert spending.step_seconds(start_of(baseline(bowl_task()), 0)) == 1.0


class Edge:
    """A range test that was made elsewhere."""

    steps, factors, edge = 0, (1.0,), 100.0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(decades_below=st.floats(0.0, 3.9), falls=st.floats(0.0, 0.8), floor=st.floats(-1.0, 1.0))
def test_the_best_rate_of_the_whole_training_is_found_wherever_it_lies_below_the_edge(
    monkeypatch: pytest.MonkeyPatch, decades_below: float, falls: float, floor: float
) -> None:
    """A parabola in the logarithm whose lowest point falls with the length, below a plateau as of a dead network."""

    def branch(self: Branches, start: object, factor: float, steps: int) -> Ended:
        best = Edge.edge * 10**-decades_below * (steps / 3) ** -falls
        valley = floor + 0.4 * math.log10(factor / best) ** 2
        plateau = floor + 0.5 + 0.001 * abs(math.log10(factor) - 1.2)  # with a lowest point of its own
        decides, other = min(valley, plateau), floor + abs(math.log10(factor))
        return Ended(decides, other) if self.is_training(steps) else Ended(other, decides)

    monkeypatch.setattr(choose, "WHOLE_S", 1e6)
    monkeypatch.setattr(choose, "Sweep", lambda start: Edge)
    monkeypatch.setattr(Branches, "_branch", branch)
    found = choice(bowl_task(lr=1.0, steps=12))
    assert found.rate is not None
    assert found.rate.value == pytest.approx(Edge.edge * 10**-decades_below * 4**-falls, rel=1e-6)


@pytest.mark.parametrize(("gains", "left_s", "pairs"), [
    ([0.5] * 12, 60.0, 5),  # shown at once
    ([0.1, -0.1] * 6, 60.0, 12),
    ([0.1, -0.1] * 6, -1.0, 5),  # no time left
    ([0.1, -0.01] * 6, 60.0, 12),  # shown by the further ones alone
])  # fmt: skip
def test_the_proof_goes_on_while_it_shows_no_difference_and_the_budget_lasts(
    monkeypatch: pytest.MonkeyPatch, gains: list[float], left_s: float, pairs: int
) -> None:
    made = Branches(baseline(bowl_task()))
    search = choose._Search(made, choose.Cost(branch_steps=4, steps=1, step_s=1.0), now_s() + left_s)
    numbers = iter(range(100))
    monkeypatch.setattr(
        search, "_judged", lambda repeat, factor, steps: 1.0 - (gains[repeat - 3] + next(numbers) * 1e-6) * (factor > 1)
    )
    verdict, worth = search._proven(2.0)
    assert worth is not None
    assert worth.n == pairs
    assert verdict is (RateVerdict.BETTER if sum(gains[:pairs]) > 0.5 else RateVerdict.NO_DIFFERENCE)


def test_long_branches_also_try_the_lower_rates_that_a_longer_training_needs() -> None:
    found = choice(mlp_task(samples=400, stop=Stop(steps=400)))
    long = [one.branch_rate for one in found.tried if one.steps == found.branch_steps and not one.proof]
    short = [one for one in found.tried if one.steps < found.branch_steps and len(one.losses) == choose.REPEATS]
    best = min(short, key=lambda one: sum(math.inf if loss is None else loss for loss in one.losses))
    assert min(long) <= best.branch_rate / 10**0.75 * 1.001


def test_a_good_rate_of_a_noisy_task_is_kept() -> None:
    x, y = torch.randn(256, 4, generator=torch.Generator().manual_seed(0)), torch.arange(256) % 2
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x.flip(0), y))
    found = choice(mlp_task(data=data, model=lambda: nn.Linear(4, 2), update=Update(optimizer="sgd", lr=0.1)))
    assert found.verdict in (RateVerdict.NO_DIFFERENCE, RateVerdict.NONE_STABLE)
    assert found.factor == 1
    assert "keep" in found.sentence or "no learning rate" in found.sentence


def test_a_rate_that_diverges_is_told() -> None:
    found = choice(bowl_task(lr=50.0))
    assert found.verdict is RateVerdict.OWN_DIVERGES
    assert "diverges" in found.sentence
    assert found.factor * 50 < 0.2


def test_all_parameter_groups_are_scaled_and_the_schedule_stays() -> None:
    def two_groups(model: nn.Module) -> torch.optim.Optimizer:
        first, second = model.parameters()
        return torch.optim.SGD([{"params": [first], "lr": 0.1}, {"params": [second], "lr": 0.01}])

    task = regression_task(
        update=Update(optimizer=two_groups, schedule=Schedule("cosine", warmup=5)), stop=Stop(steps=25)
    )
    run = start_of(baseline(task), 0).run
    for share, factor in ((0.0, 0.2), (0.2, 1.0), (0.6, 0.5)):
        set_rates(run, share, 3.0)
        rates = [group["lr"] for group in run.optimizer.param_groups]
        assert rates == pytest.approx([0.3 * factor, 0.03 * factor])
    assert run.position.step == 0


def test_torch_schedulers_are_compressed_too() -> None:
    def schedule(optimizer: torch.optim.Optimizer) -> object:
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.1)

    run = start_of(baseline(regression_task(update=Update(optimizer="sgd", lr=1.0, schedule=schedule))), 0).run
    set_rates(run, 0.5, 2.0)
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(2e-3)


def test_branches_of_one_repeat_begin_at_the_same_bits_and_see_the_same_batches() -> None:
    made = Branches(baseline(mlp_task(dropout=0.5)))
    first = made.ended(0, 1.0, 12)
    made.ended(0, 3.0, 20)
    made.ended(1, 1.0, 12)
    del made.done[0, 12, 1.0]
    assert made.ended(0, 1.0, 12) == first


def test_nothing_is_left_behind() -> None:
    x, y = torch.randn(40, 5), torch.arange(40) % 2
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True, generator=generator)
    task = mlp_task(data=Data(train=loader, valid=TensorDataset(x, y)), batch_size=8, dropout=0.3)
    before, drawn = random_state(), generator.get_state()
    hasten.find_lr(task)
    assert same_random_state(before, random_state())
    assert torch.equal(drawn, generator.get_state())
    assert torch.is_grad_enabled()


def test_the_cost_is_told_before_it_starts_and_bounded() -> None:
    shown: list[object] = []
    found = choice(bowl_task(lr=0.05), notes=shown)
    (note,) = [one for one in shown if isinstance(one, Note)]
    assert "updates in short branches" in note.text
    promised = int(note.text.split()[1].replace(",", ""))
    assert found.steps <= 1.6 * promised
    with pytest.raises(BadInput, match="too small"):
        choice(bowl_task(), budget_s=1e-6)


def test_the_best_rate_is_extrapolated_by_the_exponent_that_two_lengths_show() -> None:
    def factor(times: float, exponent: float) -> float:
        return horizon.extrapolated(times, short=(30, 0.1), long=(120, 0.1 * 4**exponent))

    assert factor(1, -0.5) == 1
    assert factor(50, horizon.USUAL) == pytest.approx(50**horizon.USUAL)
    assert factor(50, -0.3) > factor(50, -0.5) > factor(50, -0.7)
    assert factor(50, 2.0) == 1  # a best rate that rises is taken for noise
    assert factor(50, -5.0) == pytest.approx(50**horizon.STEEPEST)
    # beyond the lengths that the exponents were fitted on, that of others
    assert factor(4 * horizon.FITTED_TIMES, 0.0) == pytest.approx(factor(horizon.FITTED_TIMES, 0.0) * 4**horizon.BEYOND)


def test_whether_a_schedule_ends_low() -> None:
    def anneals(schedule: Schedule) -> bool:
        return horizon.anneals(start_of(baseline(regression_task(update=Update(lr=1.0, schedule=schedule))), 0).run)

    assert anneals(Schedule("cosine"))
    assert anneals(Schedule("linear", warmup=5))
    assert not anneals(Schedule())
    assert not anneals(Schedule("cosine", options={"final": 0.5}))


def test_the_lowest_point_of_a_parabola_in_the_logarithm() -> None:
    rates = [0.1, 1.0, 10.0]
    losses = [(math.log10(rate) - 0.2) ** 2 for rate in rates]
    assert horizon.lowest_point(rates, losses) == pytest.approx(10**0.2)
    assert horizon.lowest_point(rates, [3.0, 2.0, 1.0]) == 10
    assert horizon.lowest_point(rates, [3.0, 2.0, math.inf]) == 1


def test_a_branch_is_judged_at_its_full_rate_before_the_cool_down() -> None:
    steps = branches._hot_steps(40)
    assert len(steps) == branches.HOT_EVALUATIONS
    assert max(steps) < (1 - branches.COOL_DOWN) * 40


def test_a_task_that_only_validates_itself_is_judged_by_its_metric() -> None:
    def validate(model: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            return {"nearness": -float(model.weight.detach().abs())}

    task = bowl_task(lr=1e-3)
    task = replace(
        task, data=replace(task.data, valid=None), validate=validate, metric="nearness", higher_is_better=True
    )
    found = choice(task)
    assert found.rate is not None
    assert 0.03 <= found.rate.value <= 0.2
