"""The profile of several processes has the slowest process of each part, and names the one that all wait for."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from hasten.base.records.profile import PartTime, Profile
from hasten.base.records.record import Interval
from hasten.cli.processes import run_together
from hasten.machine.facts import facts
from hasten.profiling.together import slow_process, with_worst
from hasten.report.terminal.profile import profile_view
from hasten.techniques.applying import apply_all, make
from hasten.training.data_parallel import among
from hasten.training.processes import Processes
from hasten.training.recipe import baseline

from tiny_tasks import mlp_task

TASK = """
import os, time
import torch
from torch import nn
from torch.utils.data import TensorDataset
from hasten import Data, Stop, Task

class Late(nn.Linear):
    def forward(self, x):
        if self.training and os.environ.get("RANK") == "1":
            time.sleep(0.02)
        return super().forward(x)

def task():
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, x.sum(1).gt(0).long())
    return Task(name="late", data=Data(train=data, valid=data), model=lambda: Late(6, 2), batch_size=8,
                stop=Stop(epochs=2))
"""


def parts(**seconds: float) -> tuple[PartTime, ...]:
    return tuple(PartTime(name=name, seconds=value, share=value / 0.04) for name, value in seconds.items())


def test_each_part_has_its_slowest_process() -> None:
    found = with_worst(parts(forward=0.01, communication=0.03), [[0.01, 0.03], [0.03, 0.01], [0.02, 0.02]])
    assert [(part.worst, part.worst_s) for part in found] == [(1, 0.03), (0, 0.03)]


def test_the_process_that_all_wait_for_is_named() -> None:
    said = slow_process([0.01, 0.03, 0.02], "Rest.")
    assert said.startswith("Process 1 is the slowest: it works 30.0 ms in a step")
    assert said.endswith("all wait for it. Rest.")
    assert slow_process([0.02, 0.021], "Rest.") == "All 2 processes work for about as long."


@pytest.mark.parametrize(
    ("technique", "said"),
    [
        (None, "fewer samples of each batch"),
        ("ddp", "fewer samples of each batch"),
        ("fsdp", "All have the same work"),
        ("tensor_parallel", "All have the same work"),
        ("pipeline_parallel", "`stages` of 2 or more"),
    ],
)
def test_what_helps_a_slow_process_is_what_it_can_have(technique: str | None, said: str) -> None:
    recipe = among(baseline(mlp_task()), Processes(0, 2))
    shared = apply_all([make(technique)] if technique else [], recipe, facts())
    assert said in shared.parallel.relief


def test_the_screen_has_a_column_for_the_slowest_process() -> None:
    profile = Profile(
        task="t",
        plan=(),
        steps=20,
        step_s=Interval(value=0.04, low=0.039, high=0.041, n=10),
        samples_per_s=100.0,
        parts=with_worst(parts(forward=0.01, communication=0.03), [[0.01, 0.03], [0.03, 0.01]]),
        parameters=1,
        peak_bytes=0,
        verdict="v",
        process_s=(0.01, 0.03),
    )
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(profile_view(profile, width=100))
    text = console.export_text()
    assert "worst process" in text
    assert "30.0 ms in 1" in text
    assert "peak memory" not in text


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hasten_profile_in_two_processes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "late.py").write_text(TASK)
    assert run_together(["profile", str(tmp_path / "late.py"), "--json"], 2) == 0
    found = msgspec.convert(json.loads(capfd.readouterr().out), Profile)
    forward = next(part for part in found.parts if part.name == "forward")
    communication = next(part for part in found.parts if part.name == "communication")
    assert forward.worst == 1
    assert forward.worst_s is not None
    assert forward.worst_s > 0.02 > forward.seconds
    assert communication.worst == 0
    assert "Process 1 is the slowest" in found.verdict
