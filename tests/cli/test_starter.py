"""Processes that were started together: one message of all, who failed is named, and none outlives its starter."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from hasten.base.errors import BadInput
from hasten.cli.failing import LEFT_ALONE
from hasten.cli.main import app
from hasten.cli.processes import MOST_PER_CORE, failed_first, run_together
from hasten.cli.starter import STARTER, is_first_to_say, not_said_elsewhere
from hasten.machine.facts import usable_cores
from hasten.training.processes import RENDEZVOUS, others_gone, together

DIES = """
import os, signal
import torch
from torch import nn
from torch.utils.data import TensorDataset
from hasten import Data, Stop, Task, Update

calls = 0

class Dies(nn.Linear):
    def forward(self, x):
        global calls
        calls += self.training
        if calls == 7 and os.environ["RANK"] == "1":
            WHAT_IT_DOES
        return super().forward(x)

def task():
    x = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, x.sum(1).gt(0).long())
    return Task(name="dies", data=Data(train=data, valid=data), model=lambda: Dies(6, 2), batch_size=8,
                update=Update(optimizer="adamw", lr=0.01), stop=Stop(steps=10**6))
"""


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        ([None, 2], (1, 2)),
        ([1, -9], (1, -9)),
        ([LEFT_ALONE, None, 1], (2, 1)),
        ([LEFT_ALONE, -15, 1], (1, -15)),
        ([0, LEFT_ALONE], (1, LEFT_ALONE)),
    ],
)
def test_the_process_that_failed_is_named_and_none_that_waited_for_it(
    codes: list[int | None], first: tuple[int, int]
) -> None:
    assert failed_first(codes) == first


@pytest.mark.parametrize("of_torchrun", [False, True])
def test_what_all_say_is_said_once(of_torchrun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    if of_torchrun:
        (tmp_path / "0").mkdir()
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "0" / "error.json"))
    else:
        monkeypatch.setenv(RENDEZVOUS, str(tmp_path / "rendezvous"))
    assert is_first_to_say("no such task")
    assert not is_first_to_say("no such task")
    assert is_first_to_say("another message")


def test_one_that_is_left_alone_says_so_if_it_is_the_first_or_nothing_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv(RENDEZVOUS, str(tmp_path / "rendezvous"))
    assert not_said_elsewhere()
    assert is_first_to_say("no such task")
    assert not not_said_elsewhere()
    monkeypatch.setenv("RANK", "0")
    assert not_said_elsewhere()


def test_one_that_is_alone_says_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert is_first_to_say("no such task")
    assert is_first_to_say("no such task")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv(RENDEZVOUS, str(tmp_path / "gone" / "rendezvous"))
    assert is_first_to_say("no such task")
    assert is_first_to_say("no such task")


def test_a_process_ends_when_its_starter_does() -> None:
    read, write = os.pipe()
    code = (
        "import time; from hasten.cli.starter import end_with_starter\n"
        "end_with_starter(); print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), STARTER: str(read)},
        pass_fds=(read,),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.poll() is None
        os.close(write)
        assert process.wait(30) == -signal.SIGTERM
    os.close(read)


def test_far_more_processes_than_cores_are_not_started() -> None:
    with pytest.raises(BadInput, match=f"start {MOST_PER_CORE * usable_cores()} at most"):
        run_together(["train", "linear"], MOST_PER_CORE * usable_cores() + 1)


def test_more_processes_than_gpus_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(BadInput, match="each process needs a GPU of its own; found 1"), together("cuda"):
        pass


def test_a_run_to_resume_that_is_none_is_told(tmp_path: Path) -> None:
    for folder, found in ((tmp_path / "none", "no such folder"), (tmp_path, "not the folder of a run")):
        result = CliRunner().invoke(app, ["train", "linear", "--resume", str(folder)])
        assert result.exit_code == 2
        assert f"{folder}: {found}" in result.output


def test_only_a_connection_that_breaks_says_that_others_have_gone() -> None:
    assert others_gone(RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:537] Connection closed by peer"))
    assert not others_gone(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not others_gone(ValueError("gloo/transport/"))


@pytest.mark.dist
@pytest.mark.timeout(300)
def test_bad_input_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_together(["train", "nothing"], 2) == 2
    assert capfd.readouterr().err.splitlines() == [f"hasten: error: {_unknown()}"]


def _unknown() -> str:
    return CliRunner().invoke(app, ["train", "nothing"]).output.strip().removeprefix("hasten: error: ")


@pytest.mark.dist
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("dies", "code", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "process 1 of 2 was killed (SIGKILL)"),
        ("raise ValueError('bad luck')", 1, "process 1 of 2 ended with exit code 1"),
    ],
    ids=["killed", "fails"],
)
def test_others_say_that_one_has_ended_and_what_is_saved(
    dies: str, code: int, told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dies.py"
    file.write_text(DIES.replace("WHAT_IT_DOES", dies))
    assert run_together(["train", str(file), "--runs", str(tmp_path / "runs")], 2) == code
    errors = capfd.readouterr().err
    assert told in errors
    assert "gloo" not in errors
    assert "the run has no folder" not in errors
    assert ("bad luck" in errors) == (code == 1)


@pytest.mark.dist
@pytest.mark.timeout(300)
def test_processes_whose_starter_is_killed_save_and_end(tmp_path: Path) -> None:
    file = tmp_path / "goes_on.py"
    file.write_text(DIES.replace("WHAT_IT_DOES", "pass"))
    runs = tmp_path / "runs"
    words = ["train", str(file), "--processes", "2", "--runs", str(runs)]
    starter = subprocess.Popen(
        [sys.executable, "-m", "hasten", *words], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    while not list(runs.glob("*/metrics.jsonl")):
        assert starter.poll() is None
        time.sleep(0.1)
    started = psutil.Process(starter.pid).children()
    assert len(started) == 2
    starter.kill()
    starter.wait()
    _, alive = psutil.wait_procs(started, timeout=90)
    assert not alive
    assert list(runs.glob("*/checkpoints/last.pt"))
