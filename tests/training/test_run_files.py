"""The files of a run, the messages when one cannot be written or read, and when a checkpoint is saved."""

import hashlib
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import DataLoader, Dataset

from hasten import Data, Plan, Stop
from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.run import Evaluation, Finished, Progress, StopReason
from hasten.data.loading.loaders import gathered
from hasten.data.loading.order import sequential
from hasten.training import weights_file
from hasten.training.building import build
from hasten.training.checkpoint_file import MARK, checked, read_checkpoint
from hasten.training.data_notes import data_notes
from hasten.training.recipe import baseline
from hasten.training.run_folder import (
    CHECKPOINT,
    METRICS,
    NON_FINITE,
    WEIGHTS,
    append_event,
    keep_until,
    locked,
    make_run_folder,
    read_events,
)
from hasten.training.saving import Saving, _divergence
from hasten.training.session import Session
from hasten.training.stopping import non_finite, non_finite_parameter
from hasten.training.weights_file import save_weights

from tiny_tasks import mlp_task

EMPTY = Plan(task="tiny")
NOW = datetime(2026, 1, 2, 3, 4, 5)


def progress(step: int) -> Progress:
    return Progress(step=step, epoch=0, elapsed_s=1.0, losses=(1.0,), samples_per_s=1.0)


def evaluation(step: int, *, best: bool = True) -> Evaluation:
    return Evaluation(step=step, epoch=0, elapsed_s=1.0, train_loss=1.0, valid_loss=1.0, metric=0.5, best=best)


# The folder


def test_the_hundredth_folder_of_a_second_is_the_last(tmp_path: Path) -> None:
    for number in range(2, 100):
        (tmp_path / f"tiny-20260102-030405-{number}" / "checkpoints").mkdir(parents=True)
    (tmp_path / "tiny-20260102-030405" / "checkpoints").mkdir(parents=True)
    assert make_run_folder(tmp_path, "tiny", NOW).name == "tiny-20260102-030405-100"
    with pytest.raises(BadInput, match="already has 100 folders named tiny-20260102-030405-N"):
        make_run_folder(tmp_path, "tiny", NOW)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "tiny-20260102-030405").write_text("")
    with pytest.raises(BadInput, match="cannot write the run folder .*: Not a directory"):
        make_run_folder(tmp_path, "tiny", NOW)


def test_a_folder_that_has_gone_or_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot write the run folder .*metrics\.jsonl: No such file"):
        append_event(tmp_path / "gone", progress(1))
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BadInput, match="cannot write the run folder .*: Not a directory"),
        locked(tmp_path / "file" / "x"),
    ):
        pass


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("hasten.training.run_folder.fcntl.flock", no_locks)
    with (
        pytest.raises(BadInput, match="cannot lock .*: No locks available. Choose a file system with locks"),
        locked(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("pending", "kept"), [(False, ["p4", "p5", "e5", "f5"]), (True, ["p4", "p5"])], ids=["evaluated", "pending"]
)
def test_events_until_the_checkpoint_stay_and_a_pending_evaluation_is_made_again(
    tmp_path: Path, pending: bool, kept: list[str]
) -> None:
    finished = Finished(reason=StopReason.STEPS, step=5, epoch=0, elapsed_s=1.0)
    events = {"p4": progress(4), "p5": progress(5), "e5": evaluation(5), "f5": finished, "p6": progress(6)}
    for event in events.values():
        append_event(tmp_path, event)
    with (tmp_path / METRICS).open("ab") as file:
        file.write(b"nothing\n")
    found, damaged = keep_until(tmp_path, 5, evaluation_pending=pending)
    assert found == [events[name] for name in kept]
    assert len(damaged) == 1
    assert "line 6 is not an event of a run" in damaged[0]
    assert read_events(tmp_path) == (found, [])
    assert read_events(tmp_path / "none") == ([], [])


def test_only_the_last_end_says_whether_a_run_diverged(tmp_path: Path) -> None:
    assert _divergence(tmp_path) is None
    for reason, step, said in (
        (StopReason.NON_FINITE, 3, "diverged after step 3 (the loss of step 3)"),
        (StopReason.STEPS, 5, None),
        (StopReason.NON_FINITE, 7, "diverged after step 7 (the loss of step 7)"),
    ):
        detail = f"the loss of step {step}"
        append_event(tmp_path, Finished(reason=reason, step=step, epoch=0, elapsed_s=1.0, detail=detail))
        assert _divergence(tmp_path) == said
    _, kept = saving(tmp_path)
    with pytest.raises(BadInput, match="this run diverged after step 7 .*, before its first checkpoint"):
        kept.resume()


# Checkpoints


def with_footer(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest() + MARK


def test_what_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"12345")
    with pytest.raises(BadInput, match="it has only 5 bytes"):
        read_checkpoint(tmp_path / "short")
    (tmp_path / "text").write_bytes(with_footer(b"whole, but no archive"))
    with pytest.raises(BadInput, match="text is not a checkpoint of this version of hasten and torch"):
        read_checkpoint(tmp_path / "text")
    with pytest.raises(BadInput, match="cannot read the checkpoint .*: Is a directory"):
        read_checkpoint(tmp_path)
    torch.save([1, 2], tmp_path / "list")
    (tmp_path / "list").write_bytes(with_footer((tmp_path / "list").read_bytes()))
    with pytest.raises(BadInput, match="is not a checkpoint of hasten: it holds a list"):
        read_checkpoint(tmp_path / "list")


def test_numbers_of_numpy_become_pythons_at_any_depth() -> None:
    found = checked({"a": [np.float64(0.5), (np.int64(3),)], "b": {"c": np.bool_(True)}})
    assert found == {"a": [0.5, (3,)], "b": {"c": True}}
    assert type(found["a"][0]) is float
    assert type(found["a"][1][0]) is int
    with pytest.raises(BadInput, match=r"a\.1, a object, is no plain data"):
        checked({"a": [1, object()]})


def saving(folder: Path | None, *, show: Callable[[object], None] = lambda event: None) -> tuple[Session, Saving]:
    run = build(baseline(mlp_task()))
    return run, Saving(run, EMPTY, folder, show)


def test_a_checkpoint_is_saved_every_minute(tmp_path: Path) -> None:
    run, kept = saving(tmp_path)
    assert kept.saved() == f"No checkpoint is saved yet in {tmp_path}."
    for elapsed_s, saved_step in ((59.9, None), (60.0, None), (60.1, 3), (120.0, 3), (120.2, 5)):
        run.position.step, run.position.elapsed_s = {60.1: 3, 120.2: 5}.get(elapsed_s, 1), elapsed_s
        kept.keep(progress(run.position.step))
        kept._background.wait()
        exists = (tmp_path / CHECKPOINT).exists()
        assert exists is (saved_step is not None)
        assert not exists or read_checkpoint(tmp_path / CHECKPOINT)["state"]["position"]["step"] == saved_step
    assert kept.saved() == f"The checkpoint of step 5 is saved in {tmp_path}."
    assert not (tmp_path / NON_FINITE).exists()


def test_a_state_that_is_not_finite_is_kept_apart(tmp_path: Path) -> None:
    run, kept = saving(tmp_path)
    kept.save()
    good = (tmp_path / CHECKPOINT).read_bytes()
    with torch.no_grad():
        run.parameters[-1].fill_(torch.nan)
    kept.save()
    assert (tmp_path / CHECKPOINT).read_bytes() == good
    assert (tmp_path / NON_FINITE).exists()
    assert not (tmp_path / CHECKPOINT.parent / "previous.pt").exists()
    assert non_finite_parameter(run.named_parameters) == "3.bias"
    run.stop_state.evaluation_pending = True
    assert non_finite(run, progress(7)) == "the parameter 3.bias is not finite after step 7"
    lost = Progress(step=7, epoch=0, elapsed_s=1.0, losses=(1.0, None, 1.0), samples_per_s=1.0)
    assert non_finite(run, lost) == "the loss of step 6 is not finite"
    run.stop_state.evaluation_pending = False
    assert non_finite(run, progress(7)) == ""


def test_without_a_folder_nothing_is_saved_and_a_run_that_recorded_before_stays() -> None:
    _, kept = saving(None)
    kept.keep(progress(1))
    kept.save()
    assert kept.saved() == "Nothing is saved: the run has no folder."
    kept.keep(evaluation(1))
    assert kept.best is None
    patient = build(baseline(mlp_task(stop=Stop(epochs=2, patience=1))))
    kept = Saving(patient, EMPTY, None, lambda event: None)
    kept.keep(evaluation(1, best=False))
    assert kept.best is None
    kept.keep(evaluation(2))
    assert kept.best is not None
    assert kept.best.step == 2


def test_a_run_that_has_ended_before_is_not_written_to(tmp_path: Path) -> None:
    run, kept = saving(tmp_path)
    kept.stop_recording()
    run.position.step, run.position.elapsed_s = 1, 1000.0
    kept.keep(progress(1))
    kept.save()
    assert list(tmp_path.iterdir()) == []
    assert kept.events == [progress(1)]


def test_what_was_trained_is_saved_when_nobody_reads_the_output(tmp_path: Path) -> None:
    def gone(event: object) -> None:
        raise BrokenPipeError

    run, kept = saving(tmp_path, show=gone)
    run.position.step = 4
    with pytest.raises(BrokenPipeError):
        kept.keep(progress(4))
    assert read_checkpoint(tmp_path / CHECKPOINT)["state"]["position"]["step"] == 4


# Weights


class WithExtra(nn.Linear):
    def get_extra_state(self) -> dict[str, int]:
        return {"a": 1}

    def set_extra_state(self, state: Any) -> None:
        pass


def test_entries_that_are_no_tensors_are_left_out_and_told(tmp_path: Path) -> None:
    shown: list[object] = []
    _, kept = saving(tmp_path, show=shown.append)
    kept.save_weights(WithExtra(2, 2), None)
    assert shown == [Note(text="model.safetensors has tensors only; left out: _extra_state.")]
    assert (tmp_path / WEIGHTS).exists()
    assert not (tmp_path / "checkpoints" / "best.safetensors").exists()


def test_weights_that_cannot_be_stored_are_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("sparse", torch.eye(2).to_sparse())
    with pytest.raises(BadInput, match="cannot store the weights as safetensors in .*w: .*The checkpoint beside it"):
        save_weights(model, tmp_path / "w")

    for error, message in (
        (SafetensorError("disk full"), "cannot write .*disk full"),
        (ValueError("odd\nb"), "w: odd. T"),
    ):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(weights_file, "save_file", fail)
        with pytest.raises(BadInput, match=message):
            save_weights(nn.Linear(2, 2), tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


# What is said of the data


def test_what_a_plan_replaces_of_a_data_loader_is_told() -> None:
    data = mlp_task().data
    for workers, read in ((0, "reading in the training process"), (1, "1 worker"), (2, "2 workers")):
        loader = DataLoader(data.train, batch_size=10, shuffle=True, num_workers=workers)
        recipe = baseline(mlp_task(data=Data(train=loader, valid=data.valid), batch_size=10))
        assert data_notes(recipe, saved=True) == ()
        faster = recipe.with_input(loader=gathered)
        assert data_notes(faster, saved=True) == (
            f"the plan replaces your DataLoader's {read}; the samples of each batch stay the same.",
        )
    assert data_notes(recipe.with_input(order=sequential), saved=True) == (
        "the plan replaces your DataLoader's RandomSampler.",
    )
    assert data_notes(recipe.with_input(batch_size=20), saved=True) == (
        "the plan replaces your DataLoader's batch size 10 by 20.",
    )


class Noisy(Dataset[Any]):
    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> Any:
        return torch.randn(5), index % 2


def test_data_that_cannot_resume_are_told_where_the_run_is_saved() -> None:
    loader = DataLoader(Noisy(), batch_size=8, num_workers=1, persistent_workers=True)
    recipe = baseline(mlp_task(data=Data(train=loader, valid=mlp_task().data.valid)))
    assert data_notes(recipe, saved=False) == ()
    assert data_notes(recipe, saved=True) == (
        "if this run is interrupted and resumed, it will see other batches: the samples draw random numbers in workers "
        "that persist from epoch to epoch.",
    )


def test_a_checkpoint_folder_may_be_moved(tmp_path: Path) -> None:
    run, kept = saving(tmp_path / "a")
    kept.save()
    shutil.move(tmp_path / "a", tmp_path / "b")
    again = build(baseline(mlp_task()))
    assert Saving(again, EMPTY, tmp_path / "b", lambda event: None).resume().best is None
    assert again.position == run.position
