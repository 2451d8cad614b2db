"""One of several processes is killed: they are started again and end as if nothing had happened."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hasten.base.errors import TrainingFailed
from hasten.base.records.plan import Plan
from hasten.base.records.run import Progress
from hasten.cli.processes import run_together
from hasten.machine.facts import facts
from hasten.pipeline.less_memory import in_what_fits, train_together_in_memory
from hasten.techniques.applying import apply_all
from hasten.techniques.in_parts import with_parts
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.pipeline_parallel import PipelineParallel
from hasten.training.checkpoint_file import write_checkpoint
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import RENDEZVOUS, RESTARTS, Processes
from hasten.training.recipe import baseline
from hasten.training.restarts import (
    GROUP,
    ask_for_less,
    asked_to_start_again,
    begun_run,
    note_starter,
    samples_at_once,
)
from hasten.training.run_folder import CHECKPOINT, WEIGHTS, read_events
from hasten.training.running import Trained
from hasten.training.technique import Technique, choice_of

from tiny_tasks import mlp_task

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


LARGE = """
import os
import torch
from torch import nn
from torch.utils.data import TensorDataset
from hasten import Data, Stop, Task, Update
from hasten.training import loop, saving

loop.REPORT_EVERY_S, saving.CHECKPOINT_EVERY_S = 0.0, float(os.environ["SAVES_EVERY_S"])

class Large(nn.Linear):
    calls = 0

    def forward(self, x):
        self.calls += self.training
        fits = int(os.environ.get("FITS", "99"))
        if self.training and self.calls > 5 and len(x) > fits and os.environ.get("RANK") == "1":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(x)


def task():
    x = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, x.sum(1).gt(0).long())
    norm = nn.BatchNorm1d if "NORM" in os.environ else nn.Identity
    return Task(
        name="large",
        data=Data(train=data, valid=data),
        model=lambda: nn.Sequential(Large(6, 8), norm(8), nn.Linear(8, 2)),
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


@pytest.mark.dist
@pytest.mark.timeout(600)
@pytest.mark.parametrize("saves_every_s", ["-1", "1e9"], ids=["from the last checkpoint", "from the beginning"])
def test_one_that_runs_out_of_memory_makes_all_go_on_with_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], saves_every_s: str
) -> None:
    (tmp_path / "large.py").write_text(LARGE)
    monkeypatch.setenv("SAVES_EVERY_S", saves_every_s)
    ends = []
    for fits in ("99", "1"):
        monkeypatch.setenv("FITS", fits)
        runs = tmp_path / f"fits{fits}"
        assert run_together(["train", str(tmp_path / "large.py"), "--runs", str(runs)], 2) == 0
        (folder,) = runs.iterdir()
        steps = [event.step for event in read_events(folder)[0] if isinstance(event, Progress)]
        assert steps == list(range(1, 13))
        ends.append(load_file(folder / WEIGHTS))
    for name, whole in ends[0].items():
        torch.testing.assert_close(ends[1][name], whole, rtol=1e-4, atol=1e-5)
    said = capfd.readouterr().err
    for size in (2, 1):
        assert f"process 1 ran out of memory; now {size} sample" in said
    assert samples_at_once(folder) == 1


@pytest.mark.dist
@pytest.mark.timeout(600)
def test_where_less_does_not_help_it_is_said_and_none_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "large.py").write_text(LARGE)
    for name, value in (("SAVES_EVERY_S", "1e9"), ("FITS", "2"), ("NORM", "1")):
        monkeypatch.setenv(name, value)
    assert run_together(["train", str(tmp_path / "large.py"), "--runs", str(tmp_path / "runs")], 2) == 1
    said = capfd.readouterr().err
    assert "Out of memory with 4 samples at once, and the batch cannot be computed in parts" in said
    assert "starting all" not in said


def test_what_is_asked_for_is_found_in_the_folder_and_by_the_starter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendezvous = tmp_path / "rendezvous"
    monkeypatch.setenv(RENDEZVOUS, str(rendezvous))
    monkeypatch.setenv(GROUP, "mine")
    note_starter(tmp_path / "large-1")
    assert samples_at_once(tmp_path / "large-1") is None
    assert asked_to_start_again(rendezvous) is None
    ask_for_less(tmp_path / "large-1", 4, "because")
    assert samples_at_once(tmp_path / "large-1") == 4
    assert asked_to_start_again(rendezvous) == "because"
    monkeypatch.setenv(RESTARTS, "1")
    assert begun_run(tmp_path) == tmp_path / "large-1"  # although nothing was saved in it


PLAIN, IN_TWO = baseline(mlp_task(samples=48)), Processes(1, 2)


def plan_of(one: Technique) -> Plan:
    return Plan(task="tiny", choices=(choice_of(one),))


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Ddp(), ""),
        (Ddp(static_graph=True), "static_graph=true and accumulation exclude each other"),
        (PipelineParallel(), "cannot be combined with micro_batch"),
    ],
    ids=["takes parts", "refuses them", "does not go with them"],
)
def test_what_fits_is_asked_for_where_the_plan_takes_it_and_left_where_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: Technique, why: str
) -> None:
    def fails() -> Trained:
        raise TrainingFailed("it failed.") from torch.OutOfMemoryError("out of memory")

    monkeypatch.delenv(RENDEZVOUS, raising=False)
    plan, notes = plan_of(one), list[object]()
    recipe = in_processes(apply_all([one], among(PLAIN, IN_TWO), facts()))
    with pytest.raises(TrainingFailed, match=why or "Started again, all processes go on with 2"):
        train_together_in_memory(recipe, plan, PLAIN, facts(), train=fails, folder=tmp_path)
    assert samples_at_once(tmp_path) == (None if why else 2)

    ask_for_less(tmp_path, 2, "by another plan")
    found = in_what_fits(plan, tmp_path, PLAIN, IN_TWO, facts(), notes.append)
    assert found == (plan if why else with_parts(plan, 2))
    assert len(notes) == bool(why)
    assert all(why in str(note) for note in notes)
