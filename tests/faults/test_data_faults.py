"""What happens to the data while they are used: a loader's worker is killed, a mapped file is cut, the clock jumps."""

import datetime
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from hasten import Data, Plan, Stop, Task
from hasten.base.errors import TrainingFailed
from hasten.base.records.run import Progress
from hasten.data.store.manifest import Layout
from hasten.data.store.pack import Chunk, Packing, pack
from hasten.data.store.reader import StoreSamples, open_store
from hasten.data.store.writer import ColumnSchema
from hasten.training import loop, saving
from hasten.training.recipe import baseline
from hasten.training.run_folder import read_events
from hasten.training.running import run_training

from forked import Forked
from tiny_tasks import mlp_task

EMPTY = Plan(task="tiny")


class KillsItsWorker(Dataset[Any]):
    """The worker that reads sample 30 is killed, as long as a file is there."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __len__(self) -> int:
        return 48

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == 30 and self.file.exists() and torch.utils.data.get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.arange(index, index + 5) / 40, index % 2


def in_workers(file: Path) -> Task:
    data = KillsItsWorker(file)
    return mlp_task(
        data=Data(train=DataLoader(data, 8, num_workers=1), valid=torch.utils.data.Subset(data, range(8))),
        dropout=0.5,
        batch_size=8,
        stop=Stop(epochs=2),
    )


@pytest.mark.slow
def test_a_killed_worker_is_named_and_the_run_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    file, run = tmp_path / "kills", tmp_path / "run"

    def weights(**how: Any) -> list[torch.Tensor]:
        found = run_training(baseline(in_workers(file)), EMPTY, show=lambda event: None, **how)
        return [one.detach() for one in found.model.parameters()]

    whole = weights()
    file.touch()
    ends = r"(?i)training failed at step \d: .*worker.* (killed by sig|exited unexpectedly)"
    with pytest.raises(TrainingFailed, match=ends):
        weights(folder=run)
    file.unlink()
    assert all(map(torch.equal, weights(folder=run, resume=True), whole))


def packed(folder: Path) -> Path:
    """Return a store of 40 thousand samples of six numbers."""
    source, samples = folder / "source", 40_000
    source.write_text("x")
    values = np.random.default_rng(0).normal(size=(samples, 5)).astype("<f4")

    def chunks(position: int) -> Any:
        return iter([Chunk(samples, {"x": values, "y": np.arange(samples) % 2})])

    columns = (
        ColumnSchema(name="x", layout=Layout.FIXED, dtype="<f4", shape=(5,)),
        ColumnSchema(name="y", layout=Layout.FIXED, dtype="<i8", shape=()),
    )
    pack(Packing(kind="test", source=source, columns=columns, num_items=samples, chunks=chunks), folder / "s")
    return folder / "s"


def test_a_mapped_file_that_is_cut_while_in_use_is_an_error_with_its_name(tmp_path: Path) -> None:
    """In a process of its own, which the system would end with SIGBUS."""
    folder = packed(tmp_path)

    def train() -> None:
        data = StoreSamples(open_store(folder), ("x", "y"))

        def show(event: object) -> None:
            if isinstance(event, Progress) and event.step >= 3:
                os.truncate(folder / "x.npy", 5000)

        loop.REPORT_EVERY_S = 0.0
        task = mlp_task(
            data=Data(train=data, valid=torch.utils.data.Subset(data, range(8))), batch_size=256, stop=Stop(steps=9)
        )
        run_training(baseline(task), EMPTY, show=show)

    with Forked(train) as process:
        message = process.stderr.read()
        assert process.wait() == 1
    assert f"DamagedStore: {folder / 'x.npy'}, bytes 5000 to" in message
    assert "found 5000 bytes, so the file is damaged" in message


def test_a_clock_that_jumps_changes_neither_times_nor_what_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    whole = run_training(baseline(mlp_task()), EMPTY, show=lambda event: None)
    draw, real = random.Random(0), datetime.datetime

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Jumping":
            return cls.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: draw.uniform(0.0, 4e9))
    monkeypatch.setattr(datetime, "datetime", Jumping)
    jumped = run_training(
        baseline(mlp_task(stop=Stop(epochs=3, seconds=3600))), EMPTY, show=lambda event: None, folder=tmp_path
    )
    monkeypatch.setattr(datetime, "datetime", real)
    times = [event.elapsed_s for event in read_events(tmp_path)[0] if isinstance(event, Progress)]
    assert times == sorted(times)
    assert 0 < times[-1] < 600
    assert all(map(torch.equal, whole.model.parameters(), jumped.model.parameters()))
