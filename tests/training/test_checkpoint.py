"""A run that resumes ends with the same bits; damage is always found; a checkpoint of another training is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset, TensorDataset

from hasten import Choice, Data, Plan, Schedule, Stop, Update
from hasten.base.errors import BadInput
from hasten.data.loading.loaders import gathered
from hasten.training import identity as identity_module
from hasten.training.building import build
from hasten.training.checkpoint import Best, Loaded, header, load_checkpoint, previous, save_checkpoint
from hasten.training.checkpoint_file import Damaged, read_checkpoint, write_checkpoint
from hasten.training.loop import train
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session

from tiny_tasks import cnn_task, mlp_task

EMPTY = Plan(task="tiny")


def save(run: Session, path: Path, plan: Plan = EMPTY) -> None:
    save_checkpoint(run, header(run, plan), path)


def load(run: Session, path: Path, plan: Plan = EMPTY) -> Loaded:
    return load_checkpoint(run, header(run, plan), path)


def interrupted_after(recipe: Recipe, steps: int) -> Session:
    run = build(recipe)
    for _ in train(run, lambda mark: setattr(run, "interrupted_by", 2 if run.position.step >= steps - 1 else None)):
        pass
    return run


def assert_same_weights(one: Session, other: Session) -> None:
    for mine, theirs in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


@settings(max_examples=15, deadline=None)
@given(steps=st.integers(1, 20), gather=st.booleans(), dropout=st.sampled_from([0.0, 0.3]))
def test_resumes_at_any_step_to_the_same_bits(tmp_path_factory, steps: int, gather: bool, dropout: float) -> None:
    update = Update(optimizer="adam", lr=1e-2, schedule=Schedule(name="cosine", warmup=3))
    recipe = baseline(mlp_task(dropout=dropout, update=update))
    if gather:
        recipe = replace(recipe, input=replace(recipe.input, loader=gathered))
    whole = build(recipe)
    list(train(whole))
    path = tmp_path_factory.mktemp("run") / "last.pt"
    save(interrupted_after(recipe, steps), path)
    torch.rand(7)  # whatever happens in between
    resumed = build(recipe)
    load(resumed, path)
    assert resumed.position.step == steps
    list(train(resumed))
    assert resumed.position.step == whole.position.step
    assert_same_weights(resumed, whole)


@pytest.mark.parametrize(
    "steps", [pytest.param(steps, marks=() if steps % 5 < 2 else pytest.mark.slow) for steps in range(1, 25)]
)
def test_a_plateau_schedule_resumes_at_any_step_to_the_same_bits(tmp_path: Path, steps: int) -> None:
    """The last step of an epoch is among them: its evaluation is made when the run resumes."""
    schedule = Schedule(name="plateau", options={"factor": 0.5, "patience": 0, "threshold": 0.2})
    update = Update(optimizer="momentum", lr=0.05, schedule=schedule)
    recipe = baseline(cnn_task(update=update, stop=Stop(epochs=6)))
    whole = build(recipe)
    list(train(whole))
    assert whole.plateau is not None
    assert whole.plateau.scale < 1, "the schedule has reduced the rate"
    save(interrupted_after(recipe, steps), tmp_path / "c")
    resumed = build(recipe)
    load(resumed, tmp_path / "c")
    list(train(resumed))
    assert resumed.plateau == whole.plateau
    assert_same_weights(resumed, whole)


class Doubled(nn.Module):
    def __init__(self, times: float, activation: Callable[[torch.Tensor], torch.Tensor] = F.relu) -> None:
        super().__init__()
        self.first, self.last, self.times, self.activation = nn.Linear(5, 16), nn.Linear(16, 2), times, activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.activation(self.first(x) * self.times))


class Shifted(Doubled):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.activation(self.first(x) + self.times))


def net(activation: nn.Module, dropout: float = 0.0) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(5, 16), activation, nn.Dropout(dropout), nn.Linear(16, 2))


def adam(**options: Any) -> Update:
    return Update(optimizer="adam", lr=1e-2, options=options)


def weighted(weight: float) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda output, target: weight * F.cross_entropy(output, target)


def turned(batch: Any) -> Any:
    return (-batch[0], *batch[1:])


def noised(batch: Any, draws: Any) -> Any:
    return batch


def data(changed: int) -> Data:
    task = mlp_task()
    x, y = (column.clone() for column in task.data.valid.tensors)  # type: ignore[attr-defined]
    x[changed] += 1
    return Data(train=task.data.train, valid=TensorDataset(x, y))


DIFFERENT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "seed": ({}, {"seed": 3}, "seed: 0 in the checkpoint, 3 now"),
    "batch size": ({}, {"batch_size": 4}, "batch size: 8 in the checkpoint, 4 now"),
    "loss": ({}, {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "loss: "),
    "options of a loss": (
        {"loss": nn.CrossEntropyLoss()},
        {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
        "loss: ",
    ),
    "class weights": (
        {"loss": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))},
        {"loss": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))},
        "loss: ",
    ),
    "value a loss closes over": ({"loss": weighted(1.0)}, {"loss": weighted(2.0)}, "loss: "),
    "metric": ({}, {"metric": "f1"}, "metric: 'accuracy' in the checkpoint, 'f1' now"),
    "schedule": ({}, {"update": Update(optimizer="adam", lr=1e-2, schedule=Schedule(name="cosine"))}, "schedule: "),
    "learning rate": (
        {},
        {"update": Update(optimizer="adam", lr=1e-3)},
        r"learning rate: \[0.01\] in the checkpoint, \[0.001\] now",
    ),
    "weight decay": ({"update": adam()}, {"update": adam(weight_decay=0.5)}, "optimizer options: .*weight_decay=0.5"),
    "betas": ({"update": adam()}, {"update": adam(betas=(0.8, 0.99))}, "optimizer options: "),
    "optimizer": ({}, {"update": Update(optimizer="adamw", lr=1e-2)}, "optimizer: Adam in the checkpoint, AdamW now"),
    "augmentation": ({}, {"augment": (noised,)}, "augmentation: "),
    "batch transforms": ({}, {"batch_transforms": (turned,)}, "batch transforms: "),
    "activation": ({"model": net(nn.GELU())}, {"model": net(nn.GELU(approximate="tanh"))}, "layers: 1: GELU"),
    "functional activation": (
        {"model": lambda: Doubled(2.0)},
        {"model": lambda: Doubled(2.0, F.gelu)},
        "layers: model: Doubled",
    ),
    "dropout": ({"model": net(nn.ReLU())}, {"model": net(nn.ReLU(), 0.5)}, "layers: 2: Dropout"),
    "constant of a layer": ({"model": lambda: Doubled(2.0)}, {"model": lambda: Doubled(3.0)}, "layers: "),
    "code of a layer": ({"model": lambda: Doubled(2.0)}, {"model": lambda: Shifted(2.0)}, "layers: "),
    "one validation sample": ({"data": data(3)}, {"data": data(7)}, "validation data: 20 samples"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_training_is_refused_with_what_differs(tmp_path: Path, name: str) -> None:
    before, now, message = DIFFERENT[name]
    save(build(baseline(mlp_task(**before))), tmp_path / "c")
    load(build(baseline(mlp_task(**before))), tmp_path / "c")
    other = build(baseline(mlp_task(**now)))
    weights = [parameter.detach().clone() for parameter in other.parameters]
    with pytest.raises(BadInput, match=f"belongs to another training. Different:.*{message}"):
        load(other, tmp_path / "c")
    assert all(torch.equal(old, new) for old, new in zip(weights, other.parameters, strict=True))


def test_another_plan_is_refused(tmp_path: Path) -> None:
    save(build(baseline(mlp_task())), tmp_path / "c")
    plan = Plan(task="tiny", choices=(Choice(technique="clip_norm", knobs={"max_norm": 2.0}),))
    with pytest.raises(BadInput, match=r"techniques: none in the checkpoint, .*clip_norm.* now"):
        load(build(baseline(mlp_task())), tmp_path / "c", plan)


def loss_with_comment(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Not the docstring of the other."""
    # and a comment
    return F.cross_entropy(output, target)


def test_comments_and_another_python_make_no_other_training(tmp_path: Path) -> None:
    def plain_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target)

    plain_loss.__name__ = "loss_with_comment"
    save(build(baseline(mlp_task(loss=loss_with_comment))), tmp_path / "c")
    load(build(baseline(mlp_task(loss=plain_loss))), tmp_path / "c")
    run = build(baseline(mlp_task(loss=weighted(1.0))))
    head = header(run, EMPTY)
    other = {**head, "environment": {**head["environment"], "python": "3.99"}}
    other["identity"] = {**head["identity"], "loss": head["identity"]["loss"].replace("(code ", "(code 0")}
    write_checkpoint(tmp_path / "d", {**other, "state": run.state(), "best": None})
    with pytest.raises(BadInput, match="loss"):
        load_checkpoint(run, {**head, "environment": other["environment"]}, tmp_path / "d")
    assert "python: 3.99 in the checkpoint" in load(run, tmp_path / "d").notes[0]


def test_a_longer_stop_and_other_threads_are_noted(tmp_path: Path) -> None:
    save(build(baseline(mlp_task(stop=Stop(epochs=3)))), tmp_path / "c")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        notes = load(build(baseline(mlp_task(stop=Stop(epochs=5, patience=2)))), tmp_path / "c").notes
    finally:
        torch.set_num_threads(threads)
    assert "epochs: 3 in the checkpoint, 5 now; patience: None in the checkpoint, 2 now" in notes[0]
    assert f"threads: {threads} in the checkpoint, {threads + 1} now" in notes[1]


class Large(Dataset[Any]):
    """So many samples that float32 cannot number them; sample i is i."""

    def __len__(self) -> int:
        return 2**24 + 3

    def take(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        assert int(ids.min()) == 0
        assert int(ids.max()) < len(self)
        return ids.float()[:, None].expand(-1, 5), ids % 2

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return tuple(column[0] for column in self.take(torch.tensor([index])))


def test_more_samples_than_float32_can_number(tmp_path: Path) -> None:
    task = mlp_task(data=Data(train=Large(), valid=mlp_task().data.valid))
    save(build(baseline(task)), tmp_path / "c")
    load(build(baseline(task)), tmp_path / "c")


def test_large_data_are_compared_by_some_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_module, "_ALL_OF_BYTES", 64)
    monkeypatch.setattr(identity_module, "_SAMPLES", 11)
    first = header(build(baseline(mlp_task(data=data(0)))), EMPTY)["identity"]
    other = header(build(baseline(mlp_task(data=data(19)))), EMPTY)["identity"]
    assert first["validation data"] != other["validation data"], "the last sample is among them"


# Damage


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "last.pt"
    run = build(baseline(mlp_task()))
    list(train(run))
    save(run, path)
    return path.read_bytes()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data(), kind=st.sampled_from(["flip", "overwrite", "zero", "cut", "longer", "swap"]))
def test_any_damage_is_found(written: bytes, tmp_path: Path, draw: st.DataObject, kind: str) -> None:
    content = bytearray(written)
    at = draw.draw(st.integers(0, len(content) - 1))
    if kind == "flip":
        content[at] ^= 1 << draw.draw(st.integers(0, 7))
    elif kind == "overwrite":
        content[at : at + 64] = draw.draw(st.binary(min_size=64, max_size=64))[: len(content) - at]
    elif kind == "zero":
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    elif kind == "cut":
        del content[at:]
    elif kind == "longer":
        content[at:at] = draw.draw(st.binary(min_size=1, max_size=64))
    else:
        content[:at], content[at:] = content[at:], content[:at]
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    if bytes(content) == written:
        read_checkpoint(path)
        return
    with pytest.raises(Damaged):
        read_checkpoint(path)


def two_generations(folder: Path) -> tuple[Recipe, Path]:
    recipe, path = baseline(mlp_task()), folder / "last.pt"
    save(interrupted_after(recipe, 5), path)
    save(interrupted_after(recipe, 9), path)
    return recipe, path


def test_the_checkpoint_before_is_used_where_the_newest_is_damaged(tmp_path: Path) -> None:
    recipe, path = two_generations(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    run = build(recipe)
    notes = load(run, path).notes
    assert run.position.step == 5
    assert "last.pt is damaged: its content does not match its checksum." in notes[0]
    assert "Resuming from the one before it, previous.pt of step 5" in notes[0]
    assert (tmp_path / "damaged.pt").read_bytes() == content
    save(run, path)
    assert read_checkpoint(previous(path))["state"]["position"]["step"] == 5, "the damaged one did not replace it"


def test_the_checkpoint_before_is_used_where_the_newest_is_missing(tmp_path: Path) -> None:
    recipe, path = two_generations(tmp_path)
    path.unlink()  # killed between the two renames of a save
    run = build(recipe)
    assert "last.pt is missing. Resuming from the one before it" in load(run, path).notes[0]
    assert run.position.step == 5


def test_without_a_whole_checkpoint_there_is_one_message(tmp_path: Path) -> None:
    recipe, path = two_generations(tmp_path)
    path.write_bytes(b"not a checkpoint")
    previous(path).write_bytes(b"")
    with pytest.raises(
        BadInput, match=r"last\.pt is damaged.*[Ss]o is the older one, .*previous\.pt.*Start the training"
    ):
        load(build(recipe), path)
    with pytest.raises(BadInput, match="no checkpoint at .*none"):
        load(build(recipe), tmp_path / "none")


def test_another_schema_and_foreign_content_are_refused(tmp_path: Path) -> None:
    run = build(baseline(mlp_task()))
    write_checkpoint(tmp_path / "a", {"schema": 99})
    with pytest.raises(BadInput, match="schema 99; this version reads 4"):
        load(run, tmp_path / "a")
    torch.save([1, 2], tmp_path / "b")
    with pytest.raises(BadInput, match="not a checkpoint of this version of hasten"):
        load(run, tmp_path / "b")


# Writing


def test_a_failed_write_leaves_the_old_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = two_generations(tmp_path)
    old = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(BadInput, match="cannot write .*: No space left on device"):
        write_checkpoint(path, {}, previous=previous(path))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == old


def test_loads_with_weights_only_and_its_header_as_json(tmp_path: Path) -> None:
    run = build(baseline(mlp_task()))
    list(train(run))
    save_checkpoint(run, header(run, EMPTY), tmp_path / "c", best=Best(7, dict(run.model.state_dict())))
    content = torch.load(tmp_path / "c", weights_only=True)
    json.dumps([content["identity"], content["stop"], content["environment"]])
    best = load(build(baseline(mlp_task())), tmp_path / "c").best
    assert best is not None
    assert best.step == 7


@pytest.mark.parametrize("rate", [np.float64(0.01), np.float32(0.01)])
def test_numbers_of_numpy_load_as_pythons(tmp_path: Path, rate: Any) -> None:
    update = Update(optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9), lr=None)
    recipe = baseline(mlp_task(update=update))
    whole = build(recipe)
    list(train(whole))
    save(interrupted_after(recipe, 5), tmp_path / "c")
    resumed = build(recipe)
    load(resumed, tmp_path / "c")
    list(train(resumed))
    assert_same_weights(resumed, whole)


class Strange(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:
        super().step()
        self.state[self.param_groups[0]["params"][0]]["hook"] = print


def test_a_state_that_is_no_plain_data_is_named(tmp_path: Path) -> None:
    update = Update(optimizer=lambda model: Strange(model.parameters(), lr=0.1), lr=None)
    run = interrupted_after(baseline(mlp_task(update=update)), 2)
    with pytest.raises(
        BadInput, match=r"state\.optimizer\.state\.0\.hook, a builtin_function_or_method, is no plain data"
    ):
        save(run, tmp_path / "c")


def test_a_state_can_be_loaded_twice() -> None:
    recipe: Recipe = baseline(mlp_task())
    first = interrupted_after(recipe, 5)
    state = first.state()
    expected = {name: value.clone() for name, value in first.model.state_dict().items()}
    other = build(recipe)
    other.load_state(state)
    list(train(other))  # in place on moments that must not be those of `state`
    for name, value in first.optimizer.state_dict()["state"][0].items():
        assert torch.equal(value, state["optimizer"]["state"][0][name])
    again = build(recipe)
    again.load_state(state)
    assert all(torch.equal(value, expected[name]) for name, value in again.model.state_dict().items())
