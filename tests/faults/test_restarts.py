"""One of several processes is killed: they are started again and end as if nothing had happened."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hasten.base.records.run import Progress
from hasten.cli.processes import run_together
from hasten.training.checkpoint_file import write_checkpoint
from hasten.training.processes import RESTARTS
from hasten.training.restarts import GROUP, begun_run, note_starter
from hasten.training.run_folder import CHECKPOINT, WEIGHTS, read_events

TASK = """
import os, signal
import torch
from torch import nn
from torch.utils.data import TensorDataset
from hasten import Data, Stop, Task, Update
from hasten.training import loop, saving

loop.REPORT_EVERY_S, saving.CHECKPOINT_EVERY_S = 0.0, -1.0
calls = 0


class Dies(nn.Linear):
    def forward(self, x):
        global calls
        calls += self.training
        which = os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]
        if calls == 7 and "DIES" in os.environ and which == ("1", "0"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


def task():
    x = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, x.sum(1).gt(0).long())
    return Task(
        name="dies",
        data=Data(train=data, valid=data),
        model=lambda: nn.Sequential(Dies(6, 8), nn.Dropout(0.5), nn.Linear(8, 2)),
        update=Update(optimizer="adamw", lr=0.01),
        batch_size=8,
        stop=Stop(steps=12),
    )
"""


def test_only_the_run_of_the_same_processes_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, group in (("dies-1", "mine"), ("dies-2", "mine"), ("dies-3", "others")):
        monkeypatch.setenv(GROUP, group)
        note_starter(tmp_path / name)
        write_checkpoint(tmp_path / name / CHECKPOINT, {})
    monkeypatch.setenv(GROUP, "mine")
    note_starter(tmp_path / "dies-4")  # which nothing was saved in
    assert begun_run(tmp_path) is None
    monkeypatch.setenv(RESTARTS, "1")
    assert begun_run(tmp_path) == tmp_path / "dies-2"
    monkeypatch.setenv(GROUP, "nobody")
    assert begun_run(tmp_path) is None
    monkeypatch.delenv(GROUP)
    assert begun_run(tmp_path) is None


@pytest.mark.dist
@pytest.mark.timeout(600)
@pytest.mark.parametrize("by", ["hasten", "torchrun"])
def test_a_killed_process_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    (tmp_path / "dies.py").write_text(TASK)
    ends = []
    for dies in (False, True):
        runs = tmp_path / f"runs{dies}"
        if dies:
            monkeypatch.setenv("DIES", "1")
        words = ["train", str(tmp_path / "dies.py"), "--runs", str(runs)]
        if by == "hasten":
            assert run_together(words, 2, restarts=1) == 0
        else:
            monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
            monkeypatch.setenv("OMP_NUM_THREADS", "1")
            torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
            subprocess.run([*torchrun, "--max-restarts", "1", "-m", "hasten", *words], check=True)
        (folder,) = runs.iterdir()
        steps = [event.step for event in read_events(folder)[0] if isinstance(event, Progress)]
        assert steps == list(range(1, 13))
        ends.append(load_file(folder / WEIGHTS))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
