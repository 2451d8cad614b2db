"""`hasten plan` and `hasten tune --processes`: what is printed, what is written, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from typer.testing import CliRunner, Result

from hasten.base.records.layout import LayoutPlan
from hasten.cli.main import app
from hasten.techniques.plan_file import read_plan
from hasten.tuning.layouts import readings

LINK = ("--link-gbps", "100", "--latency-us", "1")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "BLOCK_S", 0.001)


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_plan_names_every_layout_and_the_command_that_runs_the_best() -> None:
    result = invoke("plan", "linear", "--devices", "4", "--memory", "16GB", *LINK)
    assert result.exit_code == 0
    for label in ("one process", "4 processes, ddp", "4 processes, fsdp", "4 processes, fsdp(replicas=2)"):
        assert label in " ".join(result.output.split())
    last = result.output.splitlines()[-1]
    again = "next: hasten plan linear --devices 4 --memory 16GB --link-gbps 100.0 --latency-us 1.0 -o plan.toml"
    assert last in ("next: hasten train linear", "next: hasten train linear --processes 4", again)


def test_what_is_not_the_same_training_stands_apart_and_is_not_the_plan() -> None:
    result = invoke("plan", "digits", "--devices", "2", *LINK)
    text = " ".join(result.output.split())
    before, after = text.split("Not the same training (the weights take another path):")
    assert "local_sgd" not in before
    assert "2 processes, local_sgd" in after
    slow = after.partition("on links of a tenth of the bandwidth, a step: 2 processes")[2]
    assert "2 processes, local_sgd" in slow
    assert "diloco" not in before


def test_json_is_the_record_and_nothing_else() -> None:
    result = invoke("plan", "linear", "--devices", "2", "--json", *LINK)
    found = msgspec.json.decode(result.stdout, type=LayoutPlan)
    assert found.devices == 2
    assert found.links.latency_s == pytest.approx(1e-6)
    assert found.links.bytes_per_s == pytest.approx(12.5e9)
    assert json.loads(result.stdout)["costs"]


def test_the_plan_of_the_best_layout_is_written(tmp_path: Path) -> None:
    out = tmp_path / "plan.toml"
    result = invoke("plan", "linear", "--devices", "2", "-o", str(out), *LINK)
    assert read_plan(out).task == "linear"
    assert f"plan: {out}" in result.output
    assert f"--plan {out}" in result.output.splitlines()[-1]


def test_a_memory_that_nothing_fits_into_is_told_with_what_each_layout_needs() -> None:
    result = invoke("plan", "linear", "--devices", "2", "--memory", "0.00001MB", *LINK)
    assert result.exit_code == 0
    assert "no layout fits" in result.output
    assert result.output.count(": needs ") == 6  # one process, three that hold all of the model, two with shards
    assert "no linear layers can be divided by 2" in " ".join(result.output.split())
    assert result.output.splitlines()[-1] == "next: hasten batch linear"


def test_the_link_between_nodes_is_shown_and_typed_again() -> None:
    nodes = ("--devices-per-node", "2", "--node-gbps", "8", "--node-latency-us", "50")
    result = invoke("plan", "digits", "--devices", "4", *LINK, *nodes)
    text = " ".join(result.output.split())
    assert result.exit_code == 0
    assert "between nodes of 2 devices: 50.0 µs latency, 1.00 GB/s for all of a node" in text
    assert "fsdp(replicas=2)" in text
    if "-o plan.toml" in text:
        assert "--devices-per-node 2 --node-gbps 8.0 --node-latency-us 50.0" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--memory", "80"), "a size of memory must look like 80GB"),
        (("--link-gbps", "10"), "pass both, or none to measure it"),
        (("--link-gbps", "0", "--latency-us", "5"), "--link-gbps above 0"),
        (("--node-gbps", "10", "--node-latency-us", "5"), "pass --devices-per-node, too"),
        (("--devices-per-node", "2"), "--devices must be a multiple of --devices-per-node"),
        (("--devices-per-node", "1", "--node-gbps", "10"), "pass both, or none"),
        (("--devices-per-node", "1", "--node-gbps", "0", "--node-latency-us", "5"), "--node-gbps above 0"),
    ],
)
def test_what_cannot_be_used_is_one_message(words: tuple[str, ...], message: str) -> None:
    result = invoke("plan", "linear", "--devices", "2", *words)
    assert result.exit_code == 2
    assert message in result.output


def test_layouts_are_not_tuned_together_with_techniques() -> None:
    result = invoke("tune", "digits", "--processes", "2", "--allow", "trajectory")
    assert result.exit_code == 2
    assert "it goes with --only, --budget, -o and the data of the task" in result.output


def started(*words: str, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "hasten", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.dist
@pytest.mark.timeout(600)
def test_layouts_of_two_processes_are_run_against_one(tmp_path: Path) -> None:
    out = tmp_path / "plan.toml"
    with started("tune", "digits", "--processes", "2", "--budget", "1s", "-o", str(out), folder=tmp_path) as process:
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert "Layouts, measured" in printed
    assert "3 rounds of trials" in printed
    words = " ".join(printed.split())
    assert "2 processes, sync_batch_norm" in words  # digits has batch normalization
    assert "one process's, more than rounding" not in words
    assert read_plan(out).task == "digits"
    assert printed.splitlines()[-1].startswith("next: hasten train digits")


STAGES = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from hasten import Data, Stop, Task, Update

def task():
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, x.sum(1).gt(0).long())
    model = lambda: nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    return Task(name="stages", data=Data(train=data, valid=data), model=model, batch_size=16,
                update=Update(optimizer="adamw", lr=0.01), stop=Stop(steps=200))
"""


@pytest.mark.dist
@pytest.mark.timeout(900)
def test_a_pipeline_is_run_against_one_process_and_has_its_gradient(tmp_path: Path) -> None:
    file, out = tmp_path / "stages.py", tmp_path / "plan.toml"
    file.write_text(STAGES)
    words = ("tune", str(file), "--processes", "2", "--only", "pipeline_parallel", "--budget", "1s", "-o", str(out))
    with started(*words, folder=tmp_path) as process:
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    measured = " ".join(printed.partition("Layouts, measured")[2].split())
    assert "3 rounds of trials" in measured
    assert "2 processes," in measured
    assert "fsdp" not in measured
    assert "one process's, more than rounding" not in measured
    assert "ended with exit code" not in measured
    assert read_plan(out).task == "stages"


def test_a_layout_that_is_asked_for_and_cannot_be_used_is_one_message() -> None:
    result = invoke("tune", "linear", "--processes", "2", "--only", "tensor_parallel")
    assert result.exit_code == 2
    assert "no layout of 2 processes with tensor_parallel can be run" in result.output
    assert "no linear layers can be divided by 2" in result.output
    result = invoke("tune", "linear", "--processes", "2", "--only", "pipelines")
    assert result.exit_code == 2
    assert "Did you mean pipeline_parallel" in result.output


@pytest.mark.dist
@pytest.mark.timeout(300)
def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    with started("tune", "digits", "--processes", "2", folder=tmp_path) as process:
        mine = psutil.Process(process.pid)
        trials = list[psutil.Process]()
        while len(trials) < 2 and process.poll() is None:
            time.sleep(0.2)
            trials = [one for one in mine.children() if "layout-trial" in " ".join(one.cmdline())]
        assert process.poll() is None, process.stdout and process.stdout.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 130
    _, alive = psutil.wait_procs(trials, timeout=10)
    assert alive == []
