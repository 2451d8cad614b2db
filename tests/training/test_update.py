"""What may be given as optimizer, learning rate and schedule, and that none of it is overridden."""

import functools
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from hasten import Plan, Schedule, Stop, Update
from hasten.base.errors import BadInput
from hasten.training.building import build
from hasten.training.check import check
from hasten.training.checkpoint import SCHEMA, load_checkpoint, save_checkpoint
from hasten.training.evaluation import evaluate
from hasten.training.loop import train
from hasten.training.optimizers import NOT_OFFERED, TORCH, known_optimizers
from hasten.training.recipe import baseline
from hasten.training.session import Session
from hasten.training.step import step

from tiny_tasks import block_task, mlp_task

HEAD = {"schema": SCHEMA, "identity": {}, "stop": {}, "environment": {"python": ""}}
"""What a checkpoint says of its training; these tests are about the state alone."""


def built(update: Update, **changes: Any) -> Session:
    return build(baseline(mlp_task(update=update, **changes)))


def rates(run: Session) -> list[float]:
    return [group["lr"] for group in run.optimizer.param_groups]


# learning rates


def two_groups(model: nn.Module) -> optim.Optimizer:
    layers = list(model.children())
    return optim.SGD([{"params": layers[0].parameters(), "lr": 0.1}, {"params": layers[3].parameters(), "lr": 0.01}])


def test_a_factorys_own_rates_hold_unless_a_rate_is_given() -> None:
    assert rates(built(Update(optimizer=two_groups))) == [0.1, 0.01]
    assert rates(built(Update(optimizer=two_groups, lr=0.5))) == [0.5, 0.5]
    run = built(Update(optimizer=two_groups, schedule=Schedule("linear")), stop=Stop(steps=4))
    list(train(run))
    assert rates(run) == pytest.approx([0.025, 0.0025])


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (Update(), 1e-3),
        (Update(optimizer="sgd", lr=0.2), 0.2),
        (Update(optimizer=optim.Adam), 1e-3),
        (Update(optimizer=optim.Adagrad), 1e-2),  # the class's own default
        (Update(optimizer=optim.SGD, lr=0.3, options={"momentum": 0.5}), 0.3),
        (Update(optimizer=functools.partial(optim.SGD, lr=0.7)), 0.7),
        (Update(optimizer=functools.partial(optim.SGD, lr=0.7), lr=0.1), 0.1),
    ],
)
def test_names_classes_and_partials(update: Update, rate: float) -> None:
    check(mlp_task(update=update))
    run = built(update)
    assert rates(run) == [rate]
    assert run.optimizer.param_groups[0].get("momentum", 0) == update.options.get("momentum", 0)
    list(train(run))


def test_options_without_effect_are_refused() -> None:
    with pytest.raises(BadInput, match="options have no effect on an optimizer that a function builds"):
        Update(optimizer=two_groups, options={"momentum": 0.9})


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(lr: float) -> None:
    with pytest.raises(BadInput, match="learning rate must be above 0; found"):
        Update(lr=lr)


@pytest.mark.parametrize(
    "update",
    [
        Update(lr=np.float64(0.01)),
        Update(lr=np.float32(0.01), options={"weight_decay": np.float64(0.1), "betas": (np.float64(0.9), 0.99)}),
        Update(optimizer=lambda model: optim.SGD(model.parameters(), lr=np.float64(0.01), momentum=np.float32(0.5))),
        Update(optimizer=optim.SGD, options={"momentum": np.float64(0.5)}),
    ],
)
def test_numbers_of_numpy_load_from_a_checkpoint(update: Update, tmp_path: Path) -> None:
    run = built(update)
    list(train(run))
    save_checkpoint(run, HEAD, tmp_path / "last.pt")
    load_checkpoint(built(update), HEAD, tmp_path / "last.pt")


# optimizers by name


def every_name() -> list[str]:
    from pytorch_optimizer import get_supported_optimizers

    return sorted({*TORCH, *get_supported_optimizers()})


OPTIONS = {"lbfgs": {"line_search_fn": "strong_wolfe"}}
"""Without a line search LBFGS may leave every bound on batches that change."""


def one_step_saved_and_loaded(name: str, folder: Path) -> None:
    """Train, judge, save, load and train on with the named optimizer; raise if anything fails or differs."""
    task = block_task(update=Update(optimizer=name, options=OPTIONS.get(name, {})), dropout=0.0)
    batches = [tuple(column[first : first + 4] for column in task.data.train.tensors) for first in range(0, 40, 4)]  # type: ignore
    run = build(baseline(task))
    for batch in batches[:9]:  # RAdam and its kin begin after some steps
        step(run, batch)
    before = [parameter.clone() for parameter in run.parameters]
    assert not all(map(torch.equal, before, build(baseline(task)).parameters)), "it moves nothing"
    assert math.isfinite(evaluate(run).valid_loss or math.nan)
    assert all(map(torch.allclose, before, run.parameters)), "judging moves parameters"
    save_checkpoint(run, HEAD, folder / name)
    again = build(baseline(task))
    load_checkpoint(again, HEAD, folder / name)
    for one in (run, again):
        torch.manual_seed(0)
        step(one, batches[9])
    assert all(map(torch.equal, run.parameters, again.parameters)), "it goes on differently after a resume"


FEW = {*TORCH, *OPTIONS, *sorted(known_optimizers())[::8]}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in known_optimizers()]
)
def test_every_name_that_is_offered_trains_saves_and_loads(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one_step_saved_and_loaded(name, tmp_path)


@pytest.mark.parametrize("name", sorted(NOT_OFFERED))
def test_every_name_that_is_not_offered_says_why(name: str) -> None:
    assert name not in known_optimizers()
    assert name in every_name()
    with pytest.raises(BadInput, match=f"the optimizer '{name}' is not offered by name: .* pass a function"):
        check(mlp_task(update=Update(optimizer=name)))


@pytest.mark.parametrize("name", sorted(NOT_OFFERED))
def test_no_name_is_left_out_without_a_reason(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(NOT_OFFERED, name)
    failed = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            one_step_saved_and_loaded(name, tmp_path)
        except Exception as error:  # noqa: BLE001  (each fails in a way of its own)
            failed = error
    assert failed is not None, "it works: offer it"


# what check finds before the start


def test_sparse_gradients_are_refused_for_an_optimizer_that_cannot_take_them() -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Embedding(11, 12, sparse=True), nn.Linear(12, 11))

    with pytest.raises(BadInput, match=r"AdamW must be able to update this model; .*sparse.*set sparse=False.*\"sgd\""):
        check(block_task(model=model))
    check(block_task(model=model, update=Update(optimizer=lambda m: optim.SparseAdam([m[0].weight]))))
    check(block_task(model=model, update=Update(optimizer="sgd")))


def test_an_optimizer_that_needs_a_closure_is_accepted() -> None:
    check(mlp_task(update=Update(optimizer=optim.LBFGS)))


def test_state_that_a_checkpoint_could_not_give_back_is_refused() -> None:
    class Keeping(optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            super().step()
            self.state[self.param_groups[0]["params"][0]]["note"] = Plan(task="tiny")

    with pytest.raises(BadInput, match="state of the optimizer Keeping must be tensors and plain values"):
        check(mlp_task(update=Update(optimizer=lambda model: Keeping(model.parameters()))))


def test_check_leaves_the_persons_model_and_optimizer_alone() -> None:
    task = mlp_task()
    one, other = build(baseline(task)), None
    check(task)
    other = build(baseline(task))
    assert all(map(torch.equal, one.parameters, other.parameters))


# schedules


@pytest.mark.parametrize("name", ["cosine", "linear", "one_cycle"])
def test_a_schedule_of_a_run_that_only_time_ends_follows_the_time(name: str) -> None:
    by_time = built(Update(optimizer="sgd", lr=1.0, schedule=Schedule(name)), stop=Stop(seconds=60.0))
    by_step = built(Update(optimizer="sgd", lr=1.0, schedule=Schedule(name)), stop=Stop(steps=6000))
    for share in (0.0, 0.1, 0.25, 0.5, 0.9, 0.999):
        by_time.position.elapsed_s, by_time.position.step = 60.0 * share, 5
        by_step.position.step = int(6000 * share)
        by_time.set_learning_rate()
        by_step.set_learning_rate()
        assert rates(by_time) == pytest.approx(rates(by_step), abs=2e-3)


def test_a_warm_up_counts_steps_where_only_time_ends_the_run() -> None:
    run = built(Update(optimizer="sgd", lr=1.0, schedule=Schedule("linear", warmup=4)), stop=Stop(seconds=60.0))
    for step_, elapsed, rate in ((0, 0.0, 0.25), (1, 30.0, 0.25), (3, 30.0, 0.5), (50, 30.0, 0.5), (99, 60.0, 0.0)):
        run.position.step, run.position.elapsed_s = step_, elapsed
        run.set_learning_rate()
        assert rates(run) == pytest.approx([rate])


def test_a_name_and_a_function_of_the_step_are_schedules() -> None:
    assert Update(schedule="cosine").schedule == Schedule("cosine")
    update = Update(optimizer="sgd", lr=2.0, schedule=lambda step: 0.5**step)
    check(mlp_task(update=update))
    run = built(update, stop=Stop(steps=3))
    list(train(run))
    assert rates(run) == [0.5]


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: lr_scheduler.StepLR(optimizer, 3, 0.5),
        functools.partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=4),
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.4, total_steps=12),  # also moves the momentum
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, [lambda step: 1 / (step + 1), lambda step: 0.9**step]),
        lambda optimizer: lr_scheduler.SequentialLR(
            optimizer,
            [lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 3), lr_scheduler.ExponentialLR(optimizer, 0.9)],
            [3],
        ),
    ],
)
def test_a_torch_scheduler_moves_as_in_a_loop_of_ones_own_also_after_a_resume(make: Any, tmp_path: Path) -> None:
    def groups(model: nn.Module) -> optim.Optimizer:
        layers = list(model.children())
        return optim.SGD(
            [{"params": layers[0].parameters(), "lr": 0.1}, {"params": layers[3].parameters(), "lr": 0.01}],
            momentum=0.9,
        )

    task = mlp_task(update=Update(optimizer=groups, schedule=make), stop=Stop(steps=9))
    check(task)
    model = task.model()
    optimizer = groups(model)
    scheduler = make(optimizer)
    expected = []
    for _ in range(9):
        expected.append([(group["lr"], group["momentum"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    run, seen = build(baseline(task)), []
    for step_ in range(9):
        if step_ == 5:
            run.position.step = step_
            save_checkpoint(run, HEAD, tmp_path / "last.pt")
            run = build(baseline(task))
            load_checkpoint(run, HEAD, tmp_path / "last.pt")
        run.position.step = step_
        run.set_learning_rate()
        seen.append([(group["lr"], group["momentum"]) for group in run.optimizer.param_groups])
    assert seen == expected


@pytest.mark.parametrize(
    ("schedule", "match"),
    [
        (lr_scheduler.ExponentialLR, "called with step 0: TypeError.*called with the optimizer: TypeError"),
        (
            lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer),
            r'ReduceLROnPlateau .* Use Schedule\("plateau"\)',
        ),
        (lambda anything: "fast", "returned str, not a torch scheduler"),
    ],
)
def test_a_function_that_is_no_schedule_is_refused(schedule: Any, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        check(mlp_task(update=Update(schedule=schedule)))


def test_what_is_no_schedule_at_all_is_refused() -> None:
    with pytest.raises(BadInput, match="Update.schedule must be a Schedule, its name, a function"):
        Update(schedule=3)
    with pytest.raises(BadInput, match="takes no name, warmup or options"):
        Schedule(function=lambda step: 1.0, warmup=3)


def test_a_scheduler_that_ends_before_the_run_says_so() -> None:
    run = built(Update(schedule=lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=3)), stop=Stop(steps=9))
    with pytest.raises(BadInput, match="OneCycleLR fails after 3 updates.*the number of updates of the whole run"):
        list(train(run))


# validation batches


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({"batch_size": 2}, [2] * 10),
        ({"batch_size": 8, "valid_batch_size": 15}, [15, 5]),
        ({"batch_size": None}, [20]),
        ({"batch_size": None, "valid_batch_size": 9}, [9, 9, 2]),
    ],
)
def test_validation_batches_are_of_the_persons_size(changes: dict[str, Any], sizes: list[int]) -> None:
    run = build(baseline(mlp_task(**changes)))
    assert [len(batch[-1]) for batch in run.validation_batches()] == sizes


def test_validation_batches_are_no_larger_than_what_a_step_holds() -> None:
    recipe = baseline(mlp_task(batch_size=16))
    run = build(replace(recipe, backward=replace(recipe.backward, micro_batch=6)))
    assert [len(batch[-1]) for batch in run.validation_batches()] == [6, 6, 6, 2]
