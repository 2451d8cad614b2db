"""Runs ejected scripts in a process in which hasten cannot be imported, and compares them with a training."""

import json
import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import torch

from hasten import Task
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.run import Progress
from hasten.pipeline.eject.ejecting import Ejected
from hasten.techniques.applying import apply_plan
from hasten.techniques.baseline import baseline_of
from hasten.training.running import Trained, run_training

from forked import Forked

RUNNER = """
import json, os, runpy, sys
sys.modules["hasten"] = None  # an import of it raises ImportError
import torch, torch._dynamo, torchmetrics  # once for all: torch imports its compiler with the first optimizer
for folder in sys.argv[1:]:
    child = os.fork()
    if child == 0:  # settings of one script must not reach the next
        os.chdir(folder)
        try:
            losses = runpy.run_path("train.py")["main"]()
            json.dump(losses, open("losses.json", "w"))
        except BaseException as error:
            open("error.txt", "w").write(f"{type(error).__name__}: {error}")
        os._exit(0)
    os.waitpid(child, 0)
"""


def trained(task: Task, plan: Plan, here: Machine) -> tuple[list[float], Trained]:
    losses: list[float] = []

    def keep(event: object) -> None:
        if isinstance(event, Progress):
            losses.extend(loss or 0.0 for loss in event.losses)

    done = run_training(apply_plan(plan, baseline_of(task, here), here), plan, show=keep)
    return losses, done


def run_scripts(*scripts: tuple[Path, Ejected]) -> None:
    for folder, ejected in scripts:
        folder.mkdir(parents=True, exist_ok=True)
        ejected.write(folder / "train.py")
    folders = [str(folder) for folder, _ in scripts]
    subprocess.run([sys.executable, "-c", RUNNER, *folders], check=True, timeout=900, capture_output=True)


def run_in_forks(*scripts: tuple[Path, Ejected]) -> None:
    """Run scripts in forks of this process in which hasten cannot be imported, which saves the import of torch.

    For scripts that need no more of hasten than their own lines. Operators of torch that hasten registers are still
    there, so techniques are tried by `run_scripts`.
    """
    for folder, ejected in scripts:
        folder.mkdir(parents=True, exist_ok=True)
        ejected.write(folder / "train.py")
        with Forked(lambda folder=folder: _run(folder)) as script:  # type: ignore[misc]
            script.stdout.read()
            if error := script.stderr.read():
                (folder / "error.txt").write_text(error)
            script.wait()


def _run(folder: Path) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "hasten"]:
        sys.modules[name] = None  # type: ignore[assignment]
    warnings.resetwarnings()
    os.chdir(folder)
    losses = runpy.run_path("train.py")["main"]()
    Path("losses.json").write_text(json.dumps(losses))


def losses_of(folder: Path) -> list[float]:
    error = folder / "error.txt"
    assert not error.exists(), f"{error.read_text()}\n{(folder / 'train.py').read_text()}"
    return json.loads((folder / "losses.json").read_text())


def assert_same(folder: Path, task: Task, plan: Plan, here: Machine, *, bits: bool) -> None:
    found, (expected, done) = losses_of(folder), trained(task, plan, here)
    assert len(found) == len(expected)
    one, other = torch.tensor(found), torch.tensor(expected)
    if bits:
        assert torch.equal(one, other)
    else:
        assert torch.allclose(one, other, rtol=1e-3)
    weights = torch.load(folder / "final.pt", weights_only=True)
    for name, value in done.model.state_dict().items():
        assert torch.equal(value, weights[name]) if bits else torch.allclose(value, weights[name], atol=1e-2), name


def clean(*scripts: Path) -> None:
    """Check scripts with ruff: the rules of this project that are about code, and its format."""
    files = [str(one) for one in scripts]
    rules = ["check", "--isolated", "--line-length", "120", "--select", "E,F,W,I,UP"]
    for words in (rules, ["format", "--isolated", "--line-length", "120", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, *files], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
