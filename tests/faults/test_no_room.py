"""The disk is full, or the run folder becomes read-only, in the middle of a training: nothing whole is lost."""

import os
import resource
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from hasten import Plan, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.run import Evaluation
from hasten.training import checkpoint, loop, saving
from hasten.training.background import Background
from hasten.training.building import build
from hasten.training.checkpoint import copied_checkpoint
from hasten.training.checkpoint_file import check_checkpoint, copied, read_checkpoint, write_checkpoint
from hasten.training.recipe import baseline
from hasten.training.run_folder import CHECKPOINT, METRICS
from hasten.training.running import run_training

from forked import Forked
from tiny_tasks import mlp_task

EMPTY = Plan(task="tiny")


def task() -> Task:
    return mlp_task(
        dropout=0.5,
        model=lambda: nn.Sequential(nn.Linear(5, 400), nn.ReLU(), nn.Dropout(0.5), nn.Linear(400, 2)),
        update=Update(optimizer="adam", lr=1e-2),
        stop=Stop(steps=21, evaluate_every=7),
    )


def weights(folder: Path | None = None, *, resume: bool = False) -> list[torch.Tensor]:
    found = run_training(baseline(task()), EMPTY, show=lambda event: None, folder=folder, resume=resume)
    return [one.detach() for one in found.model.parameters()]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that also somebody without rights may enter."""
    folder = Path(tempfile.mkdtemp(prefix="hasten-test-"))
    folder.chmod(0o777)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o777)
    shutil.rmtree(folder)


def test_a_full_disk_is_one_message_and_the_last_checkpoint_is_whole(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: both are an OSError of the same write."""
    folder = tmp_path / "run"

    def train() -> None:
        loop.REPORT_EVERY_S, saving.CHECKPOINT_EVERY_S = 0.0, -1.0

        def show(event: object) -> None:
            if isinstance(event, Evaluation) and event.step == 14:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

        run_training(baseline(task()), EMPTY, show=show, folder=folder)

    with Forked(train) as process:
        message = process.stderr.read()
        assert process.wait() == 1
    assert f"BadInput: cannot write {folder / CHECKPOINT}: File too large" in message
    check_checkpoint(folder / CHECKPOINT)
    assert not list(folder.rglob("*.tmp"))
    assert all(map(torch.equal, weights(folder, resume=True), weights()))


def test_a_folder_that_becomes_read_only_is_one_message_and_the_run_resumes(open_folder: Path) -> None:
    folder = open_folder / "run"
    whole = weights(open_folder / "first")  # also imports whatever a run needs, which nobody may read later

    def train() -> None:
        loop.REPORT_EVERY_S, saving.CHECKPOINT_EVERY_S = 0.0, -1.0
        if os.geteuid() == 0:  # whom no mode keeps out
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

        def show(event: object) -> None:
            if isinstance(event, Evaluation) and event.step == 14:
                (folder / METRICS).chmod(0o444)
                (folder / CHECKPOINT.parent).chmod(0o555)

        run_training(baseline(task()), EMPTY, show=show, folder=folder)

    with Forked(train) as process:
        message = process.stderr.read()
        assert process.wait() == 1
    assert "BadInput: cannot write " in message
    assert "Permission denied" in message
    check_checkpoint(folder / CHECKPOINT)
    (folder / METRICS).chmod(stat.S_IRUSR | stat.S_IWUSR)
    (folder / CHECKPOINT.parent).chmod(0o777)
    assert all(map(torch.equal, weights(folder, resume=True), whole))
    assert not list(folder.rglob("*.tmp"))


def test_an_error_of_a_save_in_the_background_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    writes = list[Path]()

    def write(path: Path, content: dict[str, object], *, previous: Path | None = None) -> None:
        writes.append(path)
        if len(writes) == 3:
            raise BadInput("planted")
        write_checkpoint(path, content, previous=previous)

    monkeypatch.setattr(checkpoint, "write_checkpoint", write)
    with pytest.raises(BadInput, match="planted"):
        weights(tmp_path)
    assert len(writes) == 3
    monkeypatch.setattr(checkpoint, "write_checkpoint", write_checkpoint)
    assert all(map(torch.equal, weights(tmp_path, resume=True), weights()))


def test_a_save_that_failed_ends_the_run_at_its_next_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    steps = list[int]()

    def write(path: Path, content: dict[str, object], *, previous: Path | None = None) -> None:
        monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", 1e9)  # no other save waits for this one
        raise BadInput("planted")

    monkeypatch.setattr(checkpoint, "write_checkpoint", write)
    recipe = baseline(mlp_task(stop=Stop(steps=3000)))
    with pytest.raises(BadInput, match="planted"):
        run_training(recipe, EMPTY, show=lambda event: steps.append(getattr(event, "step", 0)), folder=tmp_path)
    assert max(steps) < 1500


def test_the_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is the state as it was when the save began, whatever is trained meanwhile."""
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    held, trained_to = list[int](), list[int]()

    def write(path: Path, content: dict[str, object], *, previous: Path | None = None) -> None:
        step = content["state"]["position"]["step"]  # type: ignore[index]
        end = time.monotonic() + 30
        while len(held) == 0 and trained_to[-1] < step + 7 and time.monotonic() < end:
            time.sleep(0.001)  # the first write takes as long as seven steps
        held.append(trained_to[-1] - step)
        write_checkpoint(path, content, previous=previous)

    def show(event: object) -> None:
        trained_to.append(getattr(event, "step", 0))

    monkeypatch.setattr(checkpoint, "write_checkpoint", write)
    monkeypatch.setattr(saving, "staying", lambda events, step, **_: [])  # called after the wait for the write before
    run_training(baseline(task()), EMPTY, show=show, folder=tmp_path)
    assert held[0] >= 7


def test_what_is_written_is_the_state_of_when_the_save_began(tmp_path: Path) -> None:
    run = build(baseline(task()))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    write = copied_checkpoint(run, {}, tmp_path / "last.pt")
    with torch.no_grad():
        for parameter in run.parameters:
            parameter.zero_()
    write()
    saved = read_checkpoint(tmp_path / "last.pt")["state"]["model"]
    assert all(torch.equal(saved[name], before[name]) for name in before)
    tied = copied({"a": run.parameters[0].detach(), "b": [run.parameters[0].detach()]})
    assert tied["a"] is tied["b"][0]


def test_one_piece_of_work_at_a_time_and_no_error_is_lost() -> None:
    order = list[str]()

    def slow() -> None:
        time.sleep(0.05)
        order.append("slow")

    with Background() as background:
        background.start(slow)
        background.start(lambda: order.append("next"))
        background.wait()
        assert order == ["slow", "next"]

    def fails() -> None:
        raise BadInput("planted")

    with pytest.raises(BadInput, match="planted"), Background() as background:
        background.start(fails)
    with Background() as background:
        background.start(fails)
        with pytest.raises(BadInput, match="planted"):
            background.start(lambda: None)
    with pytest.raises(ValueError, match="other") as caught, Background() as background:
        background.start(fails)
        raise ValueError("other")
    assert "planted" in caught.value.__notes__[0]
