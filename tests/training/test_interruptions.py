"""Wherever a run is interrupted or killed, it resumes to what it would have been, and nothing good is lost."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from hasten import Data, Plan, Schedule, Stop, Task, Update
from hasten.base.errors import BadInput, Interrupted, TrainingFailed
from hasten.base.records.notices import Note
from hasten.base.records.run import Evaluation, Finished, Progress, StopReason
from hasten.training import loop, saving
from hasten.training.background import Background
from hasten.training.recipe import baseline
from hasten.training.run_folder import BEST_WEIGHTS, CHECKPOINT, METRICS, NON_FINITE, WEIGHTS, locked, read_events
from hasten.training.running import Trained, run_training

from forked import Forked
from tiny_tasks import mlp_task

EMPTY = Plan(task="tiny")


def silent(event: object) -> None:
    pass


def resumed(task: Task, folder: Path) -> tuple[Trained, list[str]]:
    notes: list[str] = []

    def show(event: object) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    return run_training(baseline(task), EMPTY, show=show, folder=folder, resume=True), notes


def assert_same(one: Trained, other: Trained) -> None:
    for mine, theirs in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert one.result.reason is other.result.reason
    assert (one.result.steps, one.result.best_step) == (other.result.steps, other.result.best_step)
    for mine, theirs in zip(one.result.evaluations, other.result.evaluations, strict=True):
        assert (mine.step, mine.train_loss, mine.valid_loss, mine.metric, mine.best) == (
            theirs.step,
            theirs.train_loss,
            theirs.valid_loss,
            theirs.metric,
            theirs.best,
        )


# Killed or interrupted


PLATEAU = Schedule(name="plateau", options={"factor": 0.3, "patience": 0, "threshold": 0.1})


@pytest.mark.parametrize(
    "stop",
    [
        Stop(epochs=4),
        Stop(epochs=9, patience=2),
        Stop(epochs=9, plateau=0.2),
        pytest.param(Stop(epochs=9, target=0.9), marks=pytest.mark.slow),
        pytest.param(Stop(steps=17), marks=pytest.mark.slow),
        Stop(steps=12, evaluate_every=3),
    ],
    ids=["epochs", "patience", "flat", "target", "steps", "often"],
)
def test_killed_after_any_event_the_run_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Stop
) -> None:
    """A checkpoint is saved at every event; at every event the folder is what a kill would leave there."""
    task = mlp_task(update=Update(optimizer="adam", lr=0.1, schedule=PLATEAU), dropout=0.1, stop=stop)
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    whole = run_training(baseline(task), EMPTY, show=silent)
    copies: list[Path] = []

    def copy(event: object) -> None:
        if isinstance(event, Progress | Evaluation):
            copies.append(tmp_path / f"{len(copies)}")
            shutil.copytree(tmp_path / "run", copies[-1])

    with monkeypatch.context() as patched:
        patched.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
        patched.setattr(Background, "start", lambda self, write: write())  # a copy of files is not made at one moment
        run_training(baseline(task), EMPTY, show=copy, folder=tmp_path / "run")
    assert len(copies) >= 12
    stride = 1 if len(copies) < 14 else 3 if len(copies) < 28 else 5  # of eight events in an epoch: in time, each
    for folder in copies[1::stride]:  # at the first event nothing is saved yet
        assert_same(resumed(task, folder)[0], whole)


@pytest.mark.parametrize("step", [1, 7, 8, 21, *(pytest.param(one, marks=pytest.mark.slow) for one in (6, 13, 14, 20))])
def test_ctrl_c_at_any_step_resumes_to_the_same_bits(tmp_path: Path, step: int) -> None:
    task = mlp_task(update=Update(optimizer="adam", lr=0.1, schedule=PLATEAU), dropout=0.1)
    whole = run_training(baseline(task), EMPTY, show=silent)

    class Signal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.steps = task.model(), 0

        def forward(self, x: Tensor) -> Tensor:
            self.steps += self.training
            if self.training and self.steps == step and not (tmp_path / CHECKPOINT).exists():
                signal.raise_signal(signal.SIGINT)
            return self.model(x)

    interrupting = replace(task, model=Signal)
    first = run_training(baseline(interrupting), EMPTY, show=silent, folder=tmp_path)
    assert first.interrupted_by == signal.SIGINT
    assert first.result.steps == step
    assert_same(resumed(interrupting, tmp_path)[0], whole)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (Stop(epochs=2), StopReason.EPOCHS),
        (Stop(steps=9), StopReason.STEPS),
        (Stop(seconds=1e-9), StopReason.TIME),
        (Stop(epochs=200, target=0.9), StopReason.TARGET),
        (Stop(epochs=200, patience=1), StopReason.PATIENCE),
        (Stop(epochs=200, plateau=0.5), StopReason.PLATEAU),
    ],
)
def test_a_run_that_has_ended_says_so_and_stays_as_it_is(tmp_path: Path, stop: Stop, reason: StopReason) -> None:
    task = mlp_task(stop=stop)
    first = run_training(baseline(task), EMPTY, show=silent, folder=tmp_path)
    assert first.result.reason is reason
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for _ in range(2):
        again, notes = resumed(task, tmp_path)
        assert_same(again, first)
        assert f"has already ended, after step {first.result.steps}: {reason.value}" in notes[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_later_stop_continues_a_run_that_has_ended(tmp_path: Path) -> None:
    run_training(baseline(mlp_task(stop=Stop(epochs=2))), EMPTY, show=silent, folder=tmp_path)
    again, notes = resumed(mlp_task(stop=Stop(epochs=3)), tmp_path)
    assert again.result.steps == 21
    assert "stop rules changed: epochs: 2 in the checkpoint, 3 now" in notes[0]


# The best weights


def overfitting(**stop: Any) -> Task:
    """Eight noisy samples, so that training makes the validation worse after a while."""
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(40, 5, generator=generator), torch.randn(40, generator=generator)
    y = (x[:, 0] + 2 * noise > 0).long()
    data = Data(train=torch.utils.data.TensorDataset(x[:8], y[:8]), valid=torch.utils.data.TensorDataset(x[8:], y[8:]))
    return mlp_task(data=data, metric="loss", update=Update(optimizer="adam", lr=0.05), stop=Stop(epochs=60, **stop))


def validation_loss(task: Task, model: nn.Module) -> float:
    x, y = task.data.valid.tensors  # type: ignore[attr-defined]
    return F.cross_entropy(model.eval()(x), y).item()


def test_patience_ends_with_the_best_weights(tmp_path: Path) -> None:
    task = overfitting(patience=3)
    for folder in (None, tmp_path):
        trained = run_training(baseline(task), EMPTY, show=silent, folder=folder)
        result = trained.result
        assert result.reason is StopReason.PATIENCE
        assert (result.best_step, result.weights_step) == (result.steps - 3, result.steps - 3)
        assert result.final_metric is not None
        assert result.best_metric is not None
        assert result.final_metric > result.best_metric
        assert validation_loss(task, trained.model) == pytest.approx(result.best_metric, rel=1e-5)
    model = task.model()
    model.load_state_dict(load_file(tmp_path / WEIGHTS))
    assert validation_loss(task, model) == pytest.approx(result.best_metric, rel=1e-5)
    assert not (tmp_path / BEST_WEIGHTS).exists()


def test_other_ends_keep_the_best_weights_beside_the_last(tmp_path: Path) -> None:
    task = overfitting()
    trained = run_training(baseline(task), EMPTY, show=silent, folder=tmp_path)
    result = trained.result
    assert result.weights_step == result.steps != result.best_step
    for path, expected in ((WEIGHTS, result.final_metric), (BEST_WEIGHTS, result.best_metric)):
        model = task.model()
        model.load_state_dict(load_file(tmp_path / path))
        assert validation_loss(task, model) == pytest.approx(expected, rel=1e-5)


# Divergence


class Breaking(torch.optim.SGD):
    """Sets a parameter to NaN in its last step; the loss of that step is still finite."""

    def __init__(self, model: nn.Module, at: int) -> None:
        super().__init__(model.parameters(), lr=0.1)
        self.at, self.made = at, 0

    def step(self, closure: Any = None) -> None:
        super().step()
        self.made += 1
        if self.made == self.at:
            with torch.no_grad():
                self.param_groups[0]["params"][2].view(-1)[3] = float("nan")


def breaking(at: int, **changes: Any) -> Task:
    return mlp_task(update=Update(optimizer=lambda model: Breaking(model, at), lr=None), **changes)


@pytest.mark.parametrize("at", [21, 17, 14])
def test_weights_that_are_not_finite_replace_no_good_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    trained = run_training(baseline(breaking(at)), EMPTY, show=silent, folder=tmp_path)
    result = trained.result
    assert result.reason is StopReason.NON_FINITE
    good = torch.load(tmp_path / CHECKPOINT, weights_only=True)["state"]["model"]
    assert all(value.isfinite().all() for value in good.values())
    assert not all(
        value.isfinite().all()
        for value in torch.load(tmp_path / NON_FINITE, weights_only=True)["state"]["model"].values()
    )
    assert all(value.isfinite().all() for value in trained.model.state_dict().values())
    assert all(value.isfinite().all() for value in load_file(tmp_path / WEIGHTS).values())
    assert result.weights_step == result.best_step
    assert result.best_step is not None
    assert result.best_step < at
    finished = read_events(tmp_path)[0][-1]
    assert isinstance(finished, Finished)
    assert "not finite" in finished.detail


def test_a_run_that_diverges_before_its_first_evaluation_saves_no_weights(tmp_path: Path) -> None:
    notes: list[str] = []
    trained = run_training(
        baseline(breaking(3)),
        EMPTY,
        show=lambda event: notes.append(event.text) if isinstance(event, Note) else None,
        folder=tmp_path,
    )
    assert trained.result.reason is StopReason.NON_FINITE
    assert "no weights are saved" in notes[0]
    assert not (tmp_path / WEIGHTS).exists()
    assert not (tmp_path / CHECKPOINT).exists()
    with pytest.raises(BadInput, match=r"diverged after step 7 \(the loss of step 4 is not finite\), before its first"):
        resumed(breaking(3), tmp_path)


def test_a_diverged_run_that_resumes_says_where_it_diverged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 1e9)  # else a slow machine saves between two evaluations, too
    run_training(baseline(breaking(10)), EMPTY, show=silent, folder=tmp_path)
    again, notes = resumed(breaking(10), tmp_path)
    assert again.result.reason is StopReason.NON_FINITE
    assert "this run diverged after step 14 (the loss of step 11 is not finite)" in notes[0]
    assert "checkpoint of step 7" in notes[0]


# Signals


class Hangs(Dataset[Any]):
    def __init__(self, hang: Callable[[], object]) -> None:
        self.hang = hang

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 49:
            os.write(1, b"hangs\n")
            self.hang()
        return torch.zeros(5), 0


def hanging(folder: Path, hang: Callable[[], object]) -> Forked:
    task = mlp_task(data=Data(train=Hangs(hang), valid=mlp_task().data.valid), stop=Stop(seconds=60))
    return Forked(lambda: run_training(baseline(task), EMPTY, show=silent, folder=folder))


def signaled_twice(process: Forked, number: int) -> tuple[int, str]:
    """Return the exit code and the errors of a process that goes on after the first signal and ends at the second."""
    assert process.stdout.readline() == "hangs\n"
    process.send_signal(number)
    with pytest.raises(TimeoutError):
        process.wait(0.5)
    process.send_signal(number)
    return process.wait(30), process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_run_that_hangs(tmp_path: Path, number: int) -> None:
    with hanging(tmp_path, lambda: time.sleep(1000)) as process:
        code, error = signaled_twice(process, number)
    assert code != 0
    assert "Interrupted: interrupted at once. No checkpoint is saved yet in" in error


def test_a_second_sigterm_ends_a_run_whose_thread_holds_it_up(tmp_path: Path) -> None:
    def hang() -> None:
        try:
            time.sleep(1000)
        finally:
            time.sleep(1000)  # like a pool that waits for a thread that hangs

    with hanging(tmp_path, hang) as process:
        code, error = signaled_twice(process, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert "hasten: interrupted at once. No checkpoint is saved yet" in error


def test_interrupted_at_once_says_what_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)

    def show(event: object) -> None:
        if isinstance(event, Evaluation) and event.epoch == 2:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(
        Interrupted, match=r"interrupted at once\. The checkpoint of step 14 is (being )?saved in"
    ) as caught:
        run_training(baseline(mlp_task()), EMPTY, show=show, folder=tmp_path)
    assert caught.value.signal_number == signal.SIGINT
    assert_same(resumed(mlp_task(), tmp_path)[0], run_training(baseline(mlp_task()), EMPTY, show=silent))


# The task's own code fails


class Failing(Dataset[Any]):
    def __init__(self, bad: int) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(5), [0, 1][2 if index == self.bad else index % 2]


class FailingModel(nn.Module):
    def __init__(self, what: Callable[[], object], step: int) -> None:
        super().__init__()
        self.layer, self.what, self.step, self.made = nn.Linear(5, 2), what, step, 0

    def forward(self, x: Tensor) -> Tensor:
        self.made += self.training
        if self.training and self.made == self.step:
            self.what()
        return self.layer(x)


def bad_loss(output: Tensor, target: Tensor) -> Tensor:
    if not output.requires_grad:
        raise ValueError("not like this")
    return F.cross_entropy(output, target)


HERE = r"test_interruptions\.py:\d+"
FAILURES: dict[str, tuple[dict[str, Any], str]] = {
    "sample": (
        {"data": Data(train=Failing(17), valid=mlp_task().data.valid)},
        rf"failed at step \d: IndexError: list index out of range, raised at .*{HERE}, sample 17 of the training",
    ),
    "validation sample": (
        {"data": Data(train=mlp_task().data.train, valid=Failing(3))},
        rf"evaluating after step 7: IndexError: .*{HERE}, sample 3 of the validation data\.",
    ),
    "model": (
        {"model": lambda: FailingModel(lambda: [][0], 11)},
        rf"failed at step 11: IndexError: list index out of range, raised at .*{HERE}\. The checkpoint of step 7",
    ),
    "exit": (
        {"model": lambda: FailingModel(lambda: sys.exit(0), 4)},
        rf"failed at step 4: the code called sys.exit\(0\), raised at .*{HERE}\. The checkpoint of step 0",
    ),
    "loss": (
        {"loss": bad_loss},
        rf"evaluating after step 7: ValueError: not like this, raised at .*{HERE}\.",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_error_in_the_tasks_code_is_located(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 1e9)
    changes, message = FAILURES[name]
    with pytest.raises(TrainingFailed, match=message):
        run_training(baseline(mlp_task(**changes)), EMPTY, show=silent, folder=tmp_path)


def test_an_error_of_a_loaders_process_is_located(tmp_path: Path) -> None:
    def loader(dataset: Dataset[Any], batch_size: int) -> Any:
        def fetch(ids: Tensor) -> Any:
            loading = torch.utils.data.DataLoader(
                dataset, batch_size, sampler=ids.tolist(), num_workers=1, generator=torch.Generator()
            )
            return zip(ids.split(batch_size), map(tuple, loading), strict=True)

        return fetch

    recipe = baseline(mlp_task(data=Data(train=Failing(17), valid=mlp_task().data.valid)))
    recipe = replace(recipe, input=replace(recipe.input, loader=loader))
    with pytest.raises(TrainingFailed, match=rf"IndexError: list index out of range, raised at .*{HERE}"):
        run_training(recipe, EMPTY, show=silent, folder=tmp_path)


def test_what_was_trained_is_saved_when_showing_it_fails(tmp_path: Path) -> None:
    def show(event: object) -> None:
        if isinstance(event, Evaluation) and event.epoch == 2:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_training(baseline(mlp_task()), EMPTY, show=show, folder=tmp_path)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["state"]["position"]["step"] == 14
    assert_same(resumed(mlp_task(), tmp_path)[0], run_training(baseline(mlp_task()), EMPTY, show=silent))


# The folder


def test_only_one_process_trains_in_a_folder(tmp_path: Path) -> None:
    run_training(baseline(mlp_task(stop=Stop(steps=5))), EMPTY, show=silent, folder=tmp_path)
    with locked(tmp_path), pytest.raises(BadInput, match="is in use: another process is training in it"):
        resumed(mlp_task(), tmp_path)
    resumed(mlp_task(), tmp_path)


def test_files_of_killed_saves_are_deleted_and_no_others(tmp_path: Path) -> None:
    run_training(baseline(mlp_task(stop=Stop(steps=5))), EMPTY, show=silent, folder=tmp_path)
    folder = tmp_path / CHECKPOINT.parent
    ours = [folder / f".{CHECKPOINT.name}.ab12cd34.tmp", folder / f".{WEIGHTS.name}.x.tmp", folder / ".tmpA1b2C3"]
    theirs = [folder / "mine.tmp", folder / ".other.pt.ab12cd34.tmp", tmp_path / "notes.txt", tmp_path / ".tmpA1b2C3"]
    for path in ours + theirs:
        path.write_text("x")
    resumed(mlp_task(), tmp_path)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in theirs)


@pytest.mark.parametrize(
    "line", [b'{"type":"progress"\xff}\n', b"\xff\xfe\n", b"not json\n", b'{"type":"other"}\n', b"\n"]
)
def test_a_damaged_line_of_the_metrics_is_dropped_and_named(tmp_path: Path, line: bytes) -> None:
    run_training(baseline(mlp_task(stop=Stop(epochs=1))), EMPTY, show=silent, folder=tmp_path)
    lines = (tmp_path / METRICS).read_bytes().splitlines(keepends=True)
    (tmp_path / METRICS).write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    _, notes = resumed(mlp_task(), tmp_path)
    assert any(f"{METRICS}, line 3 is not an event" in note and "dropped" in note for note in notes)
    events, damaged = read_events(tmp_path)
    assert damaged == []
    assert len([event for event in events if isinstance(event, Evaluation)]) == 3
