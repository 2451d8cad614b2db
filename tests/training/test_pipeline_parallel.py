"""Processes that hold stages of one model train as one process that holds all of it."""

import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import psutil
import pytest
import torch
from divided import resumed_task, resuming_work
from pipelining import CASES, PREDICTED, changed, dropped_work, gpt, optimizers_work, predicted_work, volume_work, work
from together import check_trained_as_one, found_in, resumed_in, trained
from torch import multiprocessing

from hasten.base.records.plan import Plan
from hasten.techniques.parallel.layouts import pipelines
from hasten.techniques.parallel.pipeline_parallel import PipelineParallel
from hasten.techniques.plan_file import write_plan
from hasten.training.marks import BACKWARD, FORWARD, LOSS
from hasten.training.recipe import baseline
from hasten.training.technique import choice_of
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.one_process import Measured
from hasten.tuning.layouts.time import communication

pytestmark = [pytest.mark.dist, pytest.mark.timeout(900)]

IN_GROUPS = ["gpt", "weighted", "rarely labeled", "perceptron", "objective"]
IN_FOUR = ["gpt", "weighted", "convolutions"]
CHANGED = ["SGD", "Adam", "NAdam", "RAdam", "Adagrad", "RMSprop", "Adamax", "clip_value", "clip_adaptive", "centralize"]


@pytest.mark.parametrize(
    ("size", "group", "names"),
    [(2, 2, list(CASES)), (4, 2, IN_GROUPS), (4, 4, IN_FOUR)],
    ids=["2", "2 x 2", "4"],
)
def test_processes_with_stages_of_a_model_train_as_one(size: int, group: int, names: list[str], tmp_path: Path) -> None:
    found = found_in(tmp_path, size, work, group, names)
    for name in names:
        check_trained_as_one(found, name, CASES[name].recipe())


def test_optimizers_and_changes_of_gradients_see_the_whole_model(tmp_path: Path) -> None:
    found = found_in(tmp_path, 2, optimizers_work, CHANGED)
    for name in CHANGED:
        alone = trained(changed(name))
        for mine in (one[name] for one in found):
            torch.testing.assert_close(mine["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(mine["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("size", "group", "schedule"), [(2, 2, "1f1b"), (4, 4, "gpipe"), (4, 2, "1f1b")])
def test_a_step_sends_what_theory_says(size: int, group: int, schedule: str, tmp_path: Path) -> None:
    """The activations at the cuts, there and their gradients back, and gradients of parameters where groups share."""
    found = found_in(tmp_path, size, volume_work, group, schedule)
    sequences, length, width = 8 // (size // group), 7, 16
    tied = 11 * 16
    whole = sum(one.numel() for one in gpt().parameters())
    for rank, seen in enumerate(found):
        stage = rank % group
        assert seen["marks"][:3] == [BACKWARD, FORWARD, LOSS]  # the wait for the first micro-batch is no forward pass
        cuts = (stage < group - 1) + (stage > 0)
        micro_batches = 4
        activation = sequences // micro_batches * length * width
        # the loss of the share is known to the last stage alone, and told by a few bytes that are no activations
        assert seen["numbers"]["c10d::send"] == [activation] * (micro_batches * cuts)
        reduced = seen["numbers"]["c10d::allreduce_"]
        gradients = [sum(seen["held"]) - tied] if size > group else []
        large = [one for one in reduced if one > 100]
        own = [one for one in large if one > tied + 1 or one < tied]
        assert tied + 1 in large  # the tied weight, and whether it has a gradient
        if gradients:
            assert len(own) == 1
            assert gradients[0] < own[0] <= gradients[0] + len(seen["held"])
        else:
            assert not own
    group_held = sum(sum(seen["held"]) for seen in found[:group])
    assert group_held == whole + (group - 1) * tied  # nothing is held twice but the tied weight


@pytest.mark.parametrize(("size", "group"), [(4, 2), (4, 4)])
def test_a_step_sends_and_holds_what_the_chooser_of_layouts_predicts(size: int, group: int, tmp_path: Path) -> None:
    found = found_in(tmp_path, size, predicted_work, group)
    for name, task in PREDICTED.items():
        recipe = baseline(task())
        (layout,) = (one for one in pipelines(size, recipe.input.batch_size) if one.stages == group)
        memory = Measured(recipe, size, threads=None, crowded=1.0).of(layout).memory
        messages = sum(size * count for size, count in communication(layout, memory).messages)
        assert max(one[name]["sent"] for one in found) == messages
        held = max(memory_bytes(layout, memory), memory.parameter_bytes)  # each process builds the whole model first
        assert 0.9 < held / max(one[name]["peak"] for one in found) < 1.1, name


def test_each_stage_drops_other_units_in_each_micro_batch(tmp_path: Path) -> None:
    found = [one for masks in found_in(tmp_path, 2, dropped_work) for one in masks]
    assert [one.shape for one in found] == [(4, 64)] * (2 * 2 * 2)  # processes, steps, micro-batches
    assert all(0.3 < one.float().mean() < 0.7 for one in found)
    assert not any(torch.equal(one, other) for one, other in combinations(found, 2))


def test_a_run_in_stages_resumes_in_another_number_of_processes(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for size, stop, group in ((2, 6, 2), (4, 9, 2), (1, 13, 0), (2, 17, 2)):
        chosen = [PipelineParallel(group)] if group else []
        multiprocessing.spawn(resuming_work, args=(size, stop, gpt, chosen, str(tmp_path)), nprocs=size)
    alone = trained(baseline(resumed_task(gpt, 17)))["parameters"]
    torch.testing.assert_close(torch.load(tmp_path / "0.pt"), alone, rtol=1e-3, atol=1e-4)


def test_a_run_in_stages_with_dropout_resumes_bit_for_bit(tmp_path: Path) -> None:
    ends = list[list[torch.Tensor]]()
    for stops in ([13], [6, 11, 13]):
        ends.append(resumed_in(tmp_path / str(len(stops)), 2, stops, (PipelineParallel(micro_batches=2),))[0])
    assert all(map(torch.equal, *ends))


TASK = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
import hasten


def task():
    x = torch.randn(64, 8)
    data = TensorDataset(x, x.sum(1).gt(0).long())
    return hasten.Task(
        name="endless",
        data=hasten.Data(train=data, valid=data),
        model=lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)),
        batch_size=16,
        stop=hasten.Stop(seconds=600, evaluate_every=10),
    )
"""


def test_ctrl_c_ends_every_process_of_a_pipeline_after_the_same_step(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(TASK)
    write_plan(Plan(task="endless", choices=(choice_of(PipelineParallel()),)), tmp_path / "plan.toml")
    command = [sys.executable, "-m", "hasten", "train", "endless.py", "--plan", "plan.toml", "--processes", "2"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        mine = psutil.Process(process.pid)
        while not list(tmp_path.rglob("metrics*")) and process.poll() is None:
            time.sleep(0.2)
        assert process.poll() is None, process.stdout and process.stdout.read()
        others = mine.children(recursive=True)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 130, printed
    _, alive = psutil.wait_procs(others, timeout=10)
    assert alive == []
    assert "stages in 2 processes, which begin with the beginning" in " ".join(printed.split())
