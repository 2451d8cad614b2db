"""Where a session stands: in the run, in its epoch, and in what its sampling leaves of the epoch."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from hasten import Data, Schedule, Stop, Update
from hasten.base.errors import BadInput, Refused
from hasten.base.records.run import StopReason
from hasten.training.building import build
from hasten.training.evaluation import evaluate
from hasten.training.facts import task_facts
from hasten.training.inspection import copy_of, silence_dropout
from hasten.training.loop import train
from hasten.training.loss import LossFunction
from hasten.training.recipe import Parallel, Recipe, baseline, counted, epoch_samples, steps_per_epoch
from hasten.training.replay import difference_between_replays
from hasten.training.sampling import position_after
from hasten.training.session import Session
from hasten.training.stopping import converged, limit_reached
from hasten.training.subject import Subject
from hasten.training.task import DEFAULT_LR, Task

from tiny_tasks import block_task, mlp_task, regression_task


@pytest.mark.parametrize(
    ("stop", "step", "elapsed_s", "share"),
    [
        (Stop(steps=8), 2, 0.0, 0.25),
        (Stop(steps=8), 9, 0.0, 1.0),
        (Stop(steps=8, seconds=1.0), 2, 0.9, 0.25),
        (Stop(epochs=2), 7, 0.0, 0.5),
        (Stop(seconds=8.0), 3, 2.0, 0.25),
        (Stop(seconds=8.0), 3, 9.0, 1.0),
    ],
)
def test_the_progress_of_a_run_is_a_share_of_its_steps_or_of_its_time(
    stop: Stop, step: int, elapsed_s: float, share: float
) -> None:
    run = build(baseline(mlp_task(stop=stop)))
    run.position.step, run.position.elapsed_s = step, elapsed_s
    assert run.progress() == share
    assert (run.step_info().step, run.step_info().progress) == (step, share)


class Every:
    """Uses every second sample."""

    def __init__(self, samples: int) -> None:
        self.samples, self.begun, self.expected = samples, list[tuple[int, int, float]](), list[int]()

    def begin(self, *, seed: int, epoch: int, progress: float) -> None:
        self.begun.append((seed, epoch, progress))

    def kept(self) -> Tensor:
        return torch.arange(self.samples) % 2 == 0

    def expect(self, ids: Tensor) -> None:
        self.expected += ids.tolist()

    def weighed(self, loss: LossFunction) -> LossFunction:
        return loss

    def state(self) -> dict[str, Any]:
        return {"expected": list(self.expected)}

    def load_state(self, state: dict[str, Any]) -> None:
        self.expected = state["expected"]


def in_order(samples: int, *, seed: int, epoch: int) -> Tensor:
    return torch.arange(samples)


def sampled(**changes: Any) -> Recipe:
    return baseline(mlp_task(samples=20, batch_size=4, **changes)).with_input(order=in_order, sampling=Every)


def test_a_sampling_is_begun_once_an_epoch_and_expects_what_it_keeps() -> None:
    run = build(sampled(stop=Stop(epochs=2), seed=3))
    list(train(run))
    assert isinstance(run.sampling, Every)
    assert run.sampling.begun == [(3, 0, 0.0), (3, 1, 0.5)]
    assert run.sampling.expected == 2 * list(range(0, 20, 2))
    assert run.position.step == 6  # of ten samples an epoch, in batches of four
    assert run.position.samples_used == 40


def test_steps_that_a_sampling_saves_count() -> None:
    run = build(sampled(stop=Stop(steps=10)))
    batches = run.batches()
    for offset, step in ((8, 2), (16, 4), (0, 5), (8, 7)):
        ids, _ = next(batches)
        run.advance(len(ids), 0.0)
        assert (run.position.offset, run.scheduled_step()) == (offset, step)
    assert limit_reached(run) is None
    run.position.epoch, run.position.offset = 2, 0
    assert limit_reached(run) is StopReason.STEPS


def test_a_run_with_a_sampling_resumes_within_an_epoch() -> None:
    whole = build(sampled(stop=Stop(epochs=2)))
    batches = whole.batches()
    ids, _ = next(batches)
    whole.advance(len(ids), 0.0)
    resumed = build(sampled(stop=Stop(epochs=2)))
    resumed.load_state(whole.state())
    assert isinstance(resumed.sampling, Every)
    assert resumed.sampling.expected == [0, 2, 4, 6]
    rest = resumed.batches()
    for _ in range(4):
        (ids, _), (again, _) = next(batches), next(rest)
        assert ids.tolist() == again.tolist()
        whole.advance(len(ids), 0.0)
        resumed.advance(len(ids), 0.0)
    assert resumed.sampling.begun == [(0, 1, pytest.approx(0.5))]


@pytest.mark.parametrize(
    ("offset", "count", "position"), [(0, 2, 6), (2, 1, 3), (3, 1, 6), (6, 1, 9), (6, 2, 12), (0, 4, 12), (10, 0, 12)]
)
def test_the_position_after_some_samples_is_that_of_the_next_that_is_used(
    offset: int, count: int, position: int
) -> None:
    assert position_after(torch.tensor([2, 3, 6, 9]), offset, count, end=12) == position


def test_a_batch_that_is_left_out_is_no_part_of_the_epoch() -> None:
    recipe = baseline(mlp_task(samples=50, batch_size=8))
    assert (epoch_samples(recipe), steps_per_epoch(recipe)) == (50, 7)
    dropping = recipe.with_input(drop_last=True)
    assert (epoch_samples(dropping), steps_per_epoch(dropping)) == (48, 6)


# A loop of one's own


def test_facts_of_a_loop_follow_the_recipe() -> None:
    recipe = baseline(mlp_task())
    given = Subject(
        name="mine",
        loss=recipe.forward.loss,
        batch_size=8,
        build=lambda: nn.Linear(2, 2),
        load=lambda samples: (torch.ones(samples, 2), torch.zeros(samples)),
    )

    def doubled(batch: Any) -> Any:
        return (2 * batch[0], *batch[1:])

    def deeper(model: nn.Module) -> nn.Module:
        return nn.Sequential(model)

    own = Recipe(**{**vars(recipe), "given": given}) if "given" in vars(recipe) else recipe
    own = own.with_surgery(deeper).with_batch_transform(doubled).with_input(batch_size=16)
    subject = own.subject
    assert isinstance(subject.model(), nn.Sequential)
    assert subject.batch(3)[0].tolist() == [[2.0, 2.0]] * 3
    assert subject.batch_size == 16
    assert subject.loss is own.forward.loss
    bare = Recipe(**{**vars(recipe), "given": Subject(name="bare")}).subject
    assert bare.loss is None
    with pytest.raises(Refused, match="'bare' gives no way to build the model"):
        bare.model()
    with pytest.raises(Refused, match="'bare' gives no way to load a batch"):
        bare.batch()


def test_what_a_recipe_is_made_with_comes_after_what_it_has() -> None:
    recipe = baseline(mlp_task())
    first, second = (lambda x: x), (lambda x: x)
    assert recipe.wrap(first).wrap(second).forward.wrappers == (first, second)
    assert recipe.with_curriculum(first).with_curriculum(second).input.curriculum == (first, second)
    assert recipe.with_batch_transform(first).with_batch_transform(second).input.batch_transforms == (first, second)
    assert recipe.with_context(first).with_context(second).forward.contexts == (first, second)
    assert [one.undo(3) for one in recipe.with_surgery(first).model] == [3]
    assert Parallel().device == "cpu"


# Evaluation


def test_a_schedule_that_follows_the_validation_loss_needs_one() -> None:
    task = mlp_task(
        data=Data(train=mlp_task().data.train),
        validate=lambda model: {"score": 1.0},
        metric="score",
        higher_is_better=True,
        update=Update(optimizer="sgd", lr=0.1, schedule=Schedule("plateau")),
    )
    run = build(baseline(task))
    with pytest.raises(BadInput, match="needs one; Task.validate returned no 'loss'"):
        evaluate(run)
    assert run.model.training


def test_the_stop_state_after_evaluations() -> None:
    values = iter([0.5, 0.5, 0.9, 0.7])
    task = mlp_task(
        data=Data(train=mlp_task().data.train),
        validate=lambda model: {"score": next(values), "loss": 2.0},
        metric="score",
        higher_is_better=True,
        stop=Stop(epochs=9, patience=2, target=0.95),
    )
    run = build(baseline(task))
    found = []
    for step in range(1, 5):
        run.position.step, run.stop_state.evaluation_pending = step, True
        run.stop_state.loss_sum, run.stop_state.loss_count = 3.0 * step, 2
        found.append(evaluate(run))
        assert not run.stop_state.evaluation_pending
        assert run.stop_state.loss_sum == run.stop_state.loss_count == 0
    assert [one.best for one in found] == [True, False, True, False]
    assert [one.train_loss for one in found] == [1.5, 3.0, 4.5, 6.0]
    assert {one.valid_loss for one in found} == {2.0}
    assert found[0].values == {"score": 0.5, "loss": 2.0}
    assert (run.stop_state.best, run.stop_state.best_step, run.stop_state.waited) == (0.9, 3, 1)
    assert (run.stop_state.train_loss_before, run.stop_state.train_loss) == (4.5, 6.0)
    assert converged(run) is None
    run.stop_state.waited = 2
    assert converged(run) is StopReason.PATIENCE
    run.stop_state.best = 0.95
    assert converged(run) is StopReason.TARGET


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"interrupted": 2}, StopReason.INTERRUPTED),
        ({"step": 4}, None),
        ({"step": 5}, StopReason.STEPS),
        ({"epoch": 3}, StopReason.EPOCHS),
        ({"elapsed_s": 9.9}, None),
        ({"elapsed_s": 10.0}, StopReason.TIME),
        ({"step": 5, "epoch": 3, "elapsed_s": 99.0}, StopReason.STEPS),
    ],
)
def test_a_limit_is_reached_with_its_last_step(changes: dict[str, Any], reason: StopReason | None) -> None:
    run = build(baseline(mlp_task(stop=Stop(steps=5, epochs=3, seconds=10.0))))
    run.interrupted_by = changes.pop("interrupted", None)
    vars(run.position).update(changes)
    assert limit_reached(run) is reason


# Repeating a step


class Drifting(nn.Module):
    """Computes something else at each call, which no checkpoint can know."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        Drifting.calls += 1
        return self.layer(x) * Drifting.calls


def drifting_gradient(parameters: Any) -> bool:
    Drifting.calls += 1
    for parameter in parameters.values():
        parameter.grad.mul_(Drifting.calls)
    return True


def drifting_batch(batch: Any) -> Any:
    Drifting.calls += 1
    return (batch[0] + Drifting.calls, *batch[1:])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda recipe: recipe, None),
        (lambda recipe: recipe.with_gradient(drifting_gradient), "other parameters"),
        (
            lambda recipe: recipe.with_batch_transform(drifting_batch),
            "other samples",
        ),
        (lambda recipe: recipe.with_surgery(lambda model: Drifting()), "(the model or the loss)"),
    ],
)
def test_what_differs_between_two_steps_from_one_state(change: Callable[[Recipe], Recipe], what: str | None) -> None:
    run: Session = build(change(baseline(mlp_task(update=Update(optimizer="sgd", lr=0.1)))))
    found = difference_between_replays(run, deepcopy(run.state()))
    assert found is None if what is None else what in (found or "")


# Defaults, and notes on a task


def test_the_defaults_of_a_task_are_the_documented_ones() -> None:
    task = Task(name="t", data=mlp_task().data, model=mlp_task().model)
    assert (task.batch_size, task.seed, task.stop.epochs, task.loss, task.metric) == (
        64,
        0,
        10,
        "cross_entropy",
        "accuracy",
    )
    assert (task.update.optimizer, task.update.lr, DEFAULT_LR) == ("adamw", 1e-3, 1e-3)
    assert (task.update.schedule.name, task.update.schedule.warmup, task.data.workers) == ("fixed", 0, 0)
    assert mlp_task(objective=lambda model, batch: model(batch[0]).mean()).metric == "accuracy"
    own = Task(name="t", data=mlp_task().data, model=mlp_task().model, objective=lambda model, batch: 0)
    assert own.metric == "loss"
    assert Task(name="t", data=mlp_task().data, model=mlp_task().model, loss="model").metric == "loss"


def test_what_is_told_of_a_task() -> None:
    facts = task_facts(baseline(mlp_task(update=Update(optimizer=torch.optim.SGD, lr=0.1), stop=Stop(steps=7))))
    assert (facts.name, facts.train_samples, facts.valid_samples, facts.batch_size) == ("tiny", 50, 20, 8)
    assert (facts.parameters, facts.optimizer, facts.learning_rate) == (5 * 16 + 16 + 16 * 2 + 2, "SGD", 0.1)
    assert (facts.schedule, facts.epochs, facts.steps, facts.metric, facts.target) == (
        "fixed",
        None,
        7,
        "accuracy",
        None,
    )
    own = Update(optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1))
    assert task_facts(baseline(mlp_task(update=own))).optimizer == "the task's own"
    one = TensorDataset(torch.randn(9), torch.randn(9))
    scalar = regression_task(data=Data(train=one, valid=one), model=lambda: nn.Linear(1, 1))
    assert task_facts(baseline(scalar)).sample_shape == "1 -> 1"
    assert task_facts(baseline(block_task())).sample_shape == "7 -> 7 of 11 classes"


# Models to look at


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.drop = 0.3, nn.Dropout(0.5)
        self.cells = nn.LSTM(2, 2, dropout=0.4, num_layers=2)


def test_dropout_is_silenced_in_layers_and_as_a_number() -> None:
    model = Attending()
    assert silence_dropout(model) is model
    assert (model.dropout, model.drop.p, model.cells.dropout) == (0.0, 0.0, 0.0)


@pytest.mark.filterwarnings("ignore")
def test_a_model_with_computed_tensors_is_copied() -> None:
    model = torch.nn.utils.weight_norm(nn.Linear(3, 2))
    copied = copy_of(model)
    x = torch.ones(1, 3)
    assert torch.equal(copied(x), model(x))
    with torch.no_grad():
        copied.weight_g.mul_(2)
    assert not torch.equal(copied(x), model(x))


def test_a_loss_of_ones_own_is_tried_once() -> None:
    recipe = counted(baseline(mlp_task(loss=lambda output, target: output.mean() + target.sum() * 0, metric="loss")))
    assert recipe.forward.loss.counting is not None  # type: ignore[attr-defined]
    assert counted(recipe) is recipe
    assert counted(baseline(mlp_task())).forward.loss == baseline(mlp_task()).forward.loss


def test_a_data_loader_says_how_its_batches_are_cut() -> None:
    data = mlp_task().data
    loader = DataLoader(data.train, batch_size=8, drop_last=True)
    recipe = baseline(Task(name="t", data=Data(train=loader, valid=data.valid), model=mlp_task().model))
    assert (recipe.input.batch_size, recipe.input.drop_last) == (8, True)
    assert steps_per_epoch(recipe) == 6
