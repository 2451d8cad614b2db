"""The loop does what the shortest hand-written loop does, bit for bit, and stops when it should."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from hasten import Data, Schedule, Stop, Update
from hasten.base.errors import BadInput
from hasten.base.records.run import Evaluation, Finished, Progress, StopReason
from hasten.data.loading.order import shuffled
from hasten.training import loop
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.marks import PARTS
from hasten.training.recipe import baseline

from tiny_tasks import cnn_task, mlp_task, regression_task


def test_parameters_equal_those_of_a_hand_written_loop_bit_for_bit() -> None:
    task = mlp_task(dropout=0.2)
    run = build(baseline(task))
    list(train(run))

    torch.manual_seed(task.seed)
    model = task.model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(3):
        order = shuffled(50, seed=0, epoch=epoch).tolist()
        generator = torch.Generator().manual_seed(0)
        for x, y in DataLoader(task.data.train, 8, sampler=order, generator=generator):
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
    for mine, theirs in zip(run.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_full_batch_gradient_descent_equals_its_formula() -> None:
    task = regression_task(batch_size=None, stop=Stop(steps=7, evaluate_every=7))
    run = build(baseline(task))
    weight, bias = run.model.weight.detach().clone(), run.model.bias.detach().clone()
    list(train(run))
    x, y = task.data.train.tensors
    for _ in range(7):
        error = x @ weight.T + bias - y
        weight, bias = weight - 0.05 * 2 / 30 * (error.T @ x), bias - 0.05 * 2 / 30 * error.sum(0)
    torch.testing.assert_close(run.model.weight, weight)
    torch.testing.assert_close(run.model.bias, bias)


@pytest.mark.parametrize("size", [1, 3, 5, *(pytest.param(one, marks=pytest.mark.slow) for one in (8, 100))])
def test_parts_of_unequal_size_add_up_to_the_whole_batch(size: int) -> None:
    stop = Stop(steps=7)
    tasks = mlp_task(), regression_task(), cnn_task(norm=False), mlp_task(loss=F.cross_entropy)
    for task in (replace(one, stop=stop) for one in tasks):
        whole, parts = build(baseline(task)), build(baseline(task))
        recipe = parts.recipe
        parts.recipe = replace(recipe, backward=replace(recipe.backward, micro_batch=size))
        seen = [[event for event in train(run) if isinstance(event, Progress)] for run in (whole, parts)]
        losses = [torch.tensor([loss for event in events for loss in event.losses]) for events in seen]
        torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
        for mine, theirs in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def last(task, **changes) -> tuple[Finished, list[Evaluation]]:
    events = list(train(build(baseline(replace(task, **changes)))))
    assert isinstance(events[-1], Finished)
    return events[-1], [event for event in events if isinstance(event, Evaluation)]


def test_stops_after_epochs_and_steps() -> None:
    finished, evaluations = last(mlp_task())
    assert (finished.reason, finished.step, finished.epoch) == (StopReason.EPOCHS, 21, 3)
    assert [one.step for one in evaluations] == [7, 14, 21]
    finished, evaluations = last(mlp_task(), stop=Stop(steps=10))
    assert (finished.reason, finished.step) == (StopReason.STEPS, 10)
    assert [one.step for one in evaluations] == [7, 10]


def test_stops_at_the_target() -> None:
    finished, evaluations = last(mlp_task(), stop=Stop(epochs=200, target=0.9))
    assert finished.reason is StopReason.TARGET
    assert evaluations[-1].metric >= 0.9 - 1e-6
    assert all(one.metric < 0.9 - 1e-6 for one in evaluations[:-1])


def test_a_metric_that_should_be_small_reaches_its_target_from_above() -> None:
    finished, evaluations = last(regression_task(), stop=Stop(epochs=500, target=0.1))
    assert finished.reason is StopReason.TARGET
    assert evaluations[-1].metric <= 0.1


def test_stops_without_progress() -> None:
    still = mlp_task().update
    finished, evaluations = last(
        mlp_task(), update=replace(still, lr=1e-12), stop=Stop(epochs=100, patience=3), metric="accuracy"
    )
    assert finished.reason is StopReason.PATIENCE
    assert len(evaluations) == 4


def test_stops_on_a_flat_loss() -> None:
    still = mlp_task().update
    finished, evaluations = last(mlp_task(), update=replace(still, lr=1e-12), stop=Stop(epochs=100, plateau=1e-3))
    assert finished.reason is StopReason.PLATEAU
    assert len(evaluations) == 2


def test_stops_when_time_is_up() -> None:
    finished, evaluations = last(mlp_task(), stop=Stop(seconds=0.3))
    assert finished.reason is StopReason.TIME
    assert 0.3 <= finished.elapsed_s < 30
    assert evaluations[-1].step == finished.step


def test_stops_where_the_loss_is_not_finite_and_says_at_which_step() -> None:
    finished, _ = last(regression_task(), update=replace(regression_task().update, lr=1e6), stop=Stop(epochs=400))
    assert finished.reason is StopReason.NON_FINITE
    assert "step" in finished.detail


def test_stops_after_the_step_when_interrupted() -> None:
    run = build(baseline(mlp_task()))
    run.interrupted_by = 2
    run.position.step = 1
    assert next(iter(train(run))).reason is StopReason.INTERRUPTED


def test_a_loader_that_ends_early_is_an_error() -> None:
    recipe = baseline(mlp_task())
    short = replace(recipe, input=replace(recipe.input, loader=lambda dataset, size: lambda ids: iter(())))
    run = build(short)
    run.position.offset = 8
    with pytest.raises(BadInput, match="must have 50 samples"):
        list(train(run))


def test_marks_name_every_part_of_a_step_in_order() -> None:
    marks: list[int] = []
    list(train(build(baseline(mlp_task(stop=Stop(steps=1)))), marks.append))
    assert [PARTS[mark] for mark in marks] == [
        "input", "transfer", "forward", "loss", "backward", "gradient", "update", "evaluation", "other",
    ]  # fmt: skip


def test_batches_with_several_inputs_reach_the_model() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.layer(a + b)

    data = TensorDataset(torch.randn(20, 3), torch.randn(20, 3), torch.arange(20) % 2)
    finished, _ = last(mlp_task(), data=Data(train=data, valid=data), model=Sum)
    assert finished.step == 9


def test_a_vetoed_update_changes_no_parameter() -> None:
    recipe = baseline(mlp_task()).with_gradient(lambda parameters: False)
    run = build(recipe)
    before = [parameter.detach().clone() for parameter in run.parameters]
    list(train(run))
    assert all(torch.equal(old, new) for old, new in zip(before, run.parameters, strict=True))


@pytest.mark.parametrize("batch_size", [6, 7, 20, 64])
def test_validation_is_the_mean_over_all_its_terms(batch_size: int) -> None:
    """20 samples in batches of 6 leave a last one of 2, which is easy: it counts as 2 samples, and it counts."""
    generator = torch.Generator().manual_seed(5)
    x, y = torch.randn(20, 5, generator=generator), torch.randint(0, 2, (20,), generator=generator)
    x[18:] = 30.0 * (2 * y[18:, None] - 1)
    data = Data(train=mlp_task().data.train, valid=TensorDataset(x, y))
    task = mlp_task(data=data, valid_batch_size=batch_size, stop=Stop(steps=4))
    run = build(baseline(task))
    (evaluation,) = [event for event in train(run) if isinstance(event, Evaluation)]
    with torch.no_grad():
        output = run.model.eval()(x)
    assert evaluation.valid_loss == pytest.approx(float(F.cross_entropy(output, y)), rel=1e-5)
    assert evaluation.metric == pytest.approx(float((output.argmax(1) == y).float().mean()))


def test_the_evaluation_is_applied_before_it_is_yielded() -> None:
    schedule = Schedule(name="plateau", options={"factor": 0.5, "patience": 0, "threshold": 0.9})
    run = build(baseline(mlp_task(update=Update(optimizer="adam", lr=1e-2, schedule=schedule))))
    for number, event in enumerate(event for event in train(run) if isinstance(event, Evaluation)):
        state = run.stop_state
        assert not state.evaluation_pending
        assert (state.train_loss, state.loss_sum, state.loss_count) == (event.train_loss, 0.0, 0.0)
        if event.best:
            assert (state.best, state.best_step) == (event.metric, event.step)
        assert run.plateau is not None
        assert run.plateau.scale == 0.5**number


def test_the_training_loss_does_not_depend_on_how_often_it_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for every_s in (0.0, 1e9):
        monkeypatch.setattr(loop, "REPORT_EVERY_S", every_s)
        events = list(train(build(baseline(mlp_task(samples=500)))))
        found.append([event.train_loss for event in events if isinstance(event, Evaluation)])
    assert found[0] == found[1]
