"""A run that goes on from a checkpoint ends with the same bits; a checkpoint of another run is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from hasten import Choice, Plan, Schedule, Stop, Update
from hasten.base.errors import BadInput
from hasten.data.loading.loaders import gathered
from hasten.training.checkpoint import load_checkpoint, save_checkpoint, save_weights
from hasten.training.loop import train
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session, build

from tiny_tasks import cnn_task, mlp_task

EMPTY = Plan(task="tiny")


def interrupted_after(recipe: Recipe, steps: int) -> Session:
    run = build(recipe)
    for _ in train(run, lambda mark: setattr(run, "interrupted_by", 2 if run.position.step >= steps - 1 else None)):
        pass
    return run


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
    save_checkpoint(interrupted_after(recipe, steps), EMPTY, path)
    torch.rand(7)  # whatever happens in between
    resumed = build(recipe)
    load_checkpoint(resumed, EMPTY, path)
    assert resumed.position.step == steps
    list(train(resumed))
    assert resumed.position.step == whole.position.step
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_batch_norm_and_plateau_are_part_of_the_state(tmp_path: Path) -> None:
    schedule = Schedule(name="plateau", options={"factor": 0.5, "patience": 1})
    task = cnn_task(update=Update(optimizer="momentum", lr=0.01, schedule=schedule), stop=Stop(epochs=6))
    whole = build(baseline(task))
    list(train(whole))
    save_checkpoint(interrupted_after(baseline(task), 13), EMPTY, tmp_path / "c")
    resumed = build(baseline(task))
    load_checkpoint(resumed, EMPTY, tmp_path / "c")
    list(train(resumed))
    assert resumed.plateau == whole.plateau
    for mine, theirs in zip(resumed.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_another_training_is_refused_with_what_differs(tmp_path: Path) -> None:
    save_checkpoint(build(baseline(mlp_task())), EMPTY, tmp_path / "c")
    other = build(baseline(mlp_task(name="other", batch_size=4)))
    before = [parameter.detach().clone() for parameter in other.parameters]
    with pytest.raises(BadInput, match=r"task: 'tiny' there, 'other' here; batch size: 8 there, 4 here"):
        load_checkpoint(other, EMPTY, tmp_path / "c")
    assert all(torch.equal(old, new) for old, new in zip(before, other.parameters, strict=True))
    plan = Plan(task="tiny", choices=(Choice(technique="clip_norm", knobs={"max_norm": 2.0}),))
    with pytest.raises(BadInput, match=r"techniques: .* there, .*clip_norm.* here"):
        load_checkpoint(build(baseline(mlp_task())), plan, tmp_path / "c")


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None, "truncated"])
def test_missing_and_damaged_files_are_named(tmp_path: Path, damage: bytes | str | None) -> None:
    path = tmp_path / "last.pt"
    run = build(baseline(mlp_task()))
    if damage == "truncated":
        save_checkpoint(run, EMPTY, path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif isinstance(damage, bytes):
        path.write_bytes(damage)
    with pytest.raises(BadInput, match=r"last\.pt must be a"):
        load_checkpoint(run, EMPTY, path)


def test_another_schema_and_foreign_content_are_refused(tmp_path: Path) -> None:
    run = build(baseline(mlp_task()))
    torch.save({"schema": 99, "state": {}, "identity": {}}, tmp_path / "a")
    torch.save([1, 2], tmp_path / "b")
    with pytest.raises(BadInput, match="schema 1; found 99"):
        load_checkpoint(run, EMPTY, tmp_path / "a")
    with pytest.raises(BadInput, match="found list without a state"):
        load_checkpoint(run, EMPTY, tmp_path / "b")


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = build(baseline(mlp_task()))
    path = tmp_path / "last.pt"
    save_checkpoint(run, EMPTY, path)
    old = path.read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(BadInput, match="must be writable; found: No space left on device"):
        save_checkpoint(run, EMPTY, path)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_loads_with_weights_only_and_as_plain_data(tmp_path: Path) -> None:
    run = build(baseline(mlp_task()))
    list(train(run))
    save_checkpoint(run, EMPTY, tmp_path / "c")
    content = torch.load(tmp_path / "c", weights_only=True)
    json.dumps(content["identity"])
    save_weights(run.model, tmp_path / "w.safetensors")
    weights = load_file(tmp_path / "w.safetensors")
    plain = mlp_task().model()
    plain.load_state_dict(weights)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), run.model.parameters(), strict=True))
