"""Processes that train together compute what one process computes, whatever the shares: also empty ones."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
import torch.distributed as dist
from together import (
    SENT_BATCH,
    SPECIAL,
    STEPS,
    Case,
    dropping,
    found_in,
    replicas_work,
    resumed_in,
    sent_work,
    shared,
    special,
    special_work,
    trained,
    wide,
    work,
)
from torch import multiprocessing

from hasten.base.errors import BadInput
from hasten.cli.processes import run_together
from hasten.machine.facts import facts
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.fsdp import Fsdp
from hasten.techniques.parallel.layouts import in_passes, layouts, other_trainings
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import Processes
from hasten.training.step import accumulate
from hasten.training.technique import Technique
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.one_process import Measured
from hasten.tuning.layouts.time import communication

CASES = list(range(12))


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[list[list[dict[str, Any]]]]:
    """What each process of a world found of each case with each reduction."""
    size, folder = request.param, tmp_path_factory.mktemp("together")
    return found_in(folder, size, work, CASES)


@pytest.mark.dist
@pytest.mark.timeout(600)
def test_several_processes_train_as_one(found: list[list[list[dict[str, Any]]]]) -> None:
    for number in CASES:
        alone = trained(Case(number).recipe())
        pairs = [pair for one in found for pair in zip(one[number], found[0][number], strict=True)]
        for mine, first in pairs:
            assert len(mine["losses"]) == STEPS
            torch.testing.assert_close(mine["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(mine["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)
            assert [one[0] for one in mine["evaluations"]] == [one[0] for one in alone["evaluations"]]
            theirs, ours = ([value for one in side["evaluations"] for value in one[1:]] for side in (alone, mine))
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
            assert mine["losses"] == first["losses"]
            assert all(map(torch.equal, mine["parameters"], first["parameters"]))


@pytest.mark.dist
@pytest.mark.timeout(300)
def test_reduction_during_the_backward_pass_changes_nothing_in_special_cases(tmp_path: Path) -> None:
    first, second = found_in(tmp_path, 2, special_work)
    for name in SPECIAL:
        alone, mine = trained(special(name)[0]), first[name]
        rtol, atol = (0.05, 0.01) if "bf16" in name else (1e-3, 1e-4)
        torch.testing.assert_close(mine["losses"], alone["losses"], rtol=rtol, atol=atol)
        torch.testing.assert_close(mine["parameters"], alone["parameters"], rtol=rtol, atol=atol)
        assert all(map(torch.equal, mine["parameters"], second[name]["parameters"]))


@pytest.mark.dist
@pytest.mark.timeout(300)
def test_groups_that_hold_a_model_each_train_as_one_process(tmp_path: Path) -> None:
    found = found_in(tmp_path, 4, replicas_work)
    for number in range(4):
        alone = trained(Case(number).recipe())
        for mine in (one[number] for one in found):
            torch.testing.assert_close(mine["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(mine["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)
            assert all(map(torch.equal, mine["parameters"], found[0][number]["parameters"]))


@pytest.mark.dist
@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [2, 4])
def test_what_a_step_sends_and_holds_is_what_the_chooser_of_layouts_predicts(size: int, tmp_path: Path) -> None:
    multiprocessing.spawn(sent_work, args=(size, str(tmp_path)), nprocs=size)
    found = torch.load(tmp_path / "sent.pt")
    read, shares = Measured(wide(), size, threads=None, crowded=1.0), dict[str, float]()
    for layout in (*layouts(size, SENT_BATCH)[1:], other_trainings(size, SENT_BATCH)[0]):
        memory = read.of(layout).memory
        for one in (layout, in_passes(layout, layout.samples // 2)):
            predicted, (calls, whole_bytes, peak) = communication(one, memory), found[one.label]
            gathered = sum(every.size_bytes * every.count for every in predicted.gathers)
            moved = whole_bytes.get("_allgather_base_", 0) + whole_bytes.get("_reduce_scatter_base_", 0)
            assert moved == pytest.approx(gathered)
            assert calls.get("_allgather_base_", 0) + calls.get("_reduce_scatter_base_", 0) == sum(
                every.count for every in predicted.gathers
            )
            reduced = sum(every.size_bytes * every.count for every in predicted.all_reduces)
            both = whole_bytes["allreduce_"] + whole_bytes.get("all_reduce", 0)  # in the functional form activations
            small = both - reduced  # flags, and the count and the loss of the whole batch
            assert 0 < small < 200, one.label
            before = one.bucket_bytes is not None or one.every > 1  # buckets, or the weights that all had in common
            shares[one.label] = memory_bytes(one, memory) / (peak + before * memory.gradient_bytes)
    for label, one in shares.items():  # the peak of fsdp depends on when a gathering that nobody waits for is freed
        low, high = (0.85, 1.25) if "fsdp" in label else (0.95, 1.05)
        assert low < one < high, (label, one)


def test_groups_of_unequal_size_and_groups_of_one_are_refused() -> None:
    in_four = among(special("static graph")[0], Processes(0, 4))
    assert "do not form 3 groups" in (Fsdp(replicas=3).refuse(in_four, facts()) or "")
    assert "shards nothing" in (Fsdp(replicas=4).refuse(in_four, facts()) or "")
    assert Fsdp(replicas=2).refuse(in_four, facts()) is None


def test_what_cannot_be_reduced_during_the_backward_pass_is_refused() -> None:
    plain, _ = special("static graph")
    in_three = among(plain, Processes(0, 3, (1.0, 1.0, 0.5)))
    assert "one process alone" in (Ddp().refuse(plain, facts()) or "")
    assert Ddp().refuse(in_three, facts()) is None
    rest = "process 2 has no sample in the last batch of an epoch, of 6"
    assert rest in (Ddp(static_graph=True).refuse(in_three, facts()) or "")
    accumulating = in_three.with_backward(micro_batch=2)
    assert "accumulation" in (Ddp(static_graph=True).refuse(accumulating, facts()) or "")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("technique", [Ddp(), Fsdp()], ids=["ddp", "fsdp"])
def test_a_group_of_one_trains_on_a_gpu_as_without_a_group(technique: Technique) -> None:
    plain, _ = special("static graph")
    plain = replace(plain, parallel=replace(plain.parallel, device="cuda"))
    dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)
    try:
        grouped = trained(shared(plain, Processes(0, 1), [technique]))
    finally:
        dist.destroy_process_group()
    alone = trained(plain)
    torch.testing.assert_close(grouped["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(grouped["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)


def test_shares_are_whole_samples_and_cover_a_batch() -> None:
    for shares in (None, (1.0, 2.0, 4.0), (0.0, 1.0, 1.0), (1.0, 1e-3, 1.0)):
        for size in (1, 2, 7, 64):
            bounds = [Processes(rank, 3, shares).bounds(size) for rank in range(3)]
            assert (bounds[0][0], bounds[-1][1]) == (0, size)
            assert all(one[1] == other[0] for one, other in pairwise(bounds))


def test_a_smaller_batch_is_cut_where_the_usual_one_is() -> None:
    ids = torch.arange(5)
    own = [Processes(rank, 4).own(ids, 16).tolist() for rank in range(4)]
    assert own == [[0, 1, 2, 3], [4], [], []]


def test_a_batch_without_a_sample_for_each_is_refused() -> None:
    recipe = Case(0).recipe().with_input(batch_size=2)
    with pytest.raises(BadInput, match="has none for process 1 of 3"):
        in_processes(among(recipe, Processes(1, 3, (1.0, 0.1, 1.0))))


@pytest.mark.dist
@pytest.mark.timeout(300)
@pytest.mark.parametrize("chosen", [(), (Fsdp(),)], ids=["whole", "sharded"])
def test_a_run_of_several_processes_resumes_bit_for_bit(chosen: tuple[Technique, ...], tmp_path: Path) -> None:
    ends = dict[str, list[list[torch.Tensor]]]()
    for name, stops in (("whole", [13]), ("in parts", [6, 11, 13])):
        ends[name] = resumed_in(tmp_path / name, 2, stops, chosen)
    assert all(map(torch.equal, ends["whole"][0], ends["whole"][1]))
    assert all(map(torch.equal, ends["whole"][0], ends["in parts"][0]))


@pytest.mark.dist
@pytest.mark.timeout(300)
def test_a_sharded_run_resumes_in_another_number_of_processes(tmp_path: Path) -> None:
    for size, stop in ((2, 6), (3, 9), (1, 13)):
        first, *_ = resumed_in(tmp_path, size, [stop], (Fsdp(),), 0.0)
    alone = trained(dropping(13, 0.0))["parameters"]
    torch.testing.assert_close(first, alone, rtol=1e-4, atol=1e-5)


def test_a_process_that_fails_ends_the_others(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "sitecustomize.py"  # runs before hasten is imported
    script.write_text(
        "import os, sys, time\n"
        "if os.environ.get('RANK') == '1':\n    os._exit(3)\n"
        "if os.environ.get('RANK') == '0':\n    time.sleep(60)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        start = perf_counter()
        assert run_together(["train", "linear"], 2) == 3
    assert perf_counter() - start < 30
    assert "process 1 of 2 ended with exit code 3; ending the others." in capfd.readouterr().err


def test_a_strategy_of_another_technique_is_not_dropped() -> None:
    recipe = Case(0).recipe().with_backward(forward_backward=lambda run, batch, mark: accumulate(run, batch, mark))
    with pytest.raises(BadInput, match="makes the step its own way"):
        in_processes(among(recipe, Processes(0, 2)))
