"""A training from start to end: its folder, its result, Ctrl-C, and going on."""

import os
import signal
from datetime import datetime
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hasten import Plan, Stop
from hasten.base.errors import BadInput
from hasten.base.records.run import Evaluation, Finished, Progress, Started, StopReason
from hasten.training.recipe import Recipe, Surgery, baseline
from hasten.training.run_folder import CHECKPOINT, METRICS, WEIGHTS, append_event, make_run_folder, read_events
from hasten.training.running import run_training

from forked import Forked
from tiny_tasks import mlp_task

EMPTY = Plan(task="tiny")


def test_keeps_what_it_showed(tmp_path: Path) -> None:
    shown: list[object] = []
    trained = run_training(baseline(mlp_task()), EMPTY, show=shown.append, folder=tmp_path)
    assert read_events(tmp_path) == (shown, [])
    assert isinstance(shown[0], Started)
    assert isinstance(shown[-1], Finished)
    assert sum(len(event.losses) for event in shown if isinstance(event, Progress)) == 21
    result = trained.result
    assert result.evaluations == tuple(event for event in shown if isinstance(event, Evaluation))
    assert (result.steps, result.reason, result.time_to_target_s) == (21, StopReason.EPOCHS, None)
    weights = load_file(tmp_path / WEIGHTS)
    assert all(torch.equal(weights[name], value) for name, value in trained.model.state_dict().items())


def test_time_to_target_is_that_of_the_evaluation_that_reached_it() -> None:
    trained = run_training(baseline(mlp_task(stop=Stop(epochs=200, target=0.9))), EMPTY, show=lambda event: None)
    assert trained.result.time_to_target_s == trained.result.evaluations[-1].elapsed_s


def test_goes_on_in_its_folder_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    task = mlp_task(dropout=0.1)
    whole = run_training(baseline(task), EMPTY, show=lambda event: None)

    def stop_in_second_epoch(event: object) -> None:
        if isinstance(event, Evaluation) and event.epoch == 1:
            signal.raise_signal(signal.SIGTERM)

    first = run_training(baseline(task), EMPTY, show=stop_in_second_epoch, folder=tmp_path)
    assert first.interrupted_by == signal.SIGTERM
    assert first.result.steps == 8
    second = run_training(baseline(task), EMPTY, show=lambda event: None, folder=tmp_path, resume=True)
    assert second.interrupted_by is None
    for mine, theirs in zip(second.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert [one.step for one in second.result.evaluations] == [7, 14, 21]
    losses = [loss for event in read_events(tmp_path)[0] if isinstance(event, Progress) for loss in event.losses]
    assert len(losses) == 21


def test_a_run_that_reached_its_target_does_not_go_on(tmp_path: Path) -> None:
    task = mlp_task(stop=Stop(epochs=200, target=0.9))
    first = run_training(baseline(task), EMPTY, show=lambda event: None, folder=tmp_path)
    again = run_training(baseline(task), EMPTY, show=lambda event: None, folder=tmp_path, resume=True)
    assert (again.result.reason, again.result.steps) == (StopReason.TARGET, first.result.steps)
    assert again.result.time_to_target_s == first.result.time_to_target_s


def test_events_after_the_checkpoint_are_made_again(tmp_path: Path) -> None:
    run_training(baseline(mlp_task(stop=Stop(steps=5))), EMPTY, show=lambda event: None, folder=tmp_path)
    append_event(tmp_path, Progress(step=99, epoch=9, elapsed_s=1.0, losses=(1.0,), samples_per_s=1.0))
    with (tmp_path / METRICS).open("ab") as file:
        file.write(b'{"type":"progress","ste')
    run_training(baseline(mlp_task()), EMPTY, show=lambda event: None, folder=tmp_path, resume=True)
    assert max(event.step for event in read_events(tmp_path)[0]) == 21


def test_a_new_run_never_takes_an_old_folder(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5)
    folders = [make_run_folder(tmp_path, "tiny", now) for _ in range(3)]
    assert [folder.name for folder in folders] == ["tiny-20260102-030405", "tiny-20260102-030405-2",
                                                   "tiny-20260102-030405-3"]  # fmt: skip


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot write .*: Not a directory"):
        make_run_folder(tmp_path / "file", "tiny", datetime(2026, 1, 2))
    assert (tmp_path / "file").read_text() == "in the way"


def test_surgery_is_undone_in_the_model_that_comes_back() -> None:
    def wrap(model: torch.nn.Module) -> torch.nn.Module:
        return torch.nn.Sequential(model)

    plain = baseline(mlp_task())
    changed = Recipe(**{**vars(plain), "model": (Surgery(wrap, undo=lambda model: model[0]),)})
    trained = run_training(changed, EMPTY, show=lambda event: None)
    mlp_task().model().load_state_dict(trained.model.state_dict())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_from_outside_ends_after_the_step_and_saves(tmp_path: Path, number: int) -> None:
    def train() -> None:
        task = mlp_task(stop=Stop(seconds=60))

        def say(text: str) -> None:
            os.write(1, f"{text}\n".encode())

        trained = run_training(baseline(task), EMPTY, show=lambda event: say(type(event).__name__), folder=tmp_path)
        say(f"signal {int(trained.interrupted_by or 0)}")

    with Forked(train) as process:
        while "Evaluation" not in process.stdout.readline():
            pass
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait() == 0
    assert rest.rstrip().endswith(f"signal {int(number)}")
    assert (tmp_path / CHECKPOINT).exists()


def test_surgeries_are_undone_last_first() -> None:
    """Each wraps the model once more; undone in another order, the innermost would be taken for the outermost."""
    order: list[str] = []

    def surgery(name: str) -> Surgery:
        def change(model: torch.nn.Module) -> torch.nn.Module:
            order.append(f"change {name}")
            return torch.nn.Sequential(model)

        def undo(model: torch.nn.Module) -> torch.nn.Module:
            order.append(f"undo {name}")
            return model[0]  # type: ignore[index]

        return Surgery(change, undo)

    plain = baseline(mlp_task(stop=Stop(steps=1)))
    changed = Recipe(**{**vars(plain), "model": (surgery("a"), surgery("b"), surgery("c"))})
    trained = run_training(changed, EMPTY, show=lambda event: None)
    assert order == ["change a", "change b", "change c", "undo c", "undo b", "undo a"]
    mlp_task().model().load_state_dict(trained.model.state_dict())
