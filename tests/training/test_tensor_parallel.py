"""Processes that hold parts of one model train as one process that holds all of it."""

from pathlib import Path

import pytest
import torch
from divided import (
    CASES,
    RESUMED,
    ROWS,
    Transformer,
    dropping_work,
    encoder,
    encoder_work,
    resumed_task,
    resuming_work,
    rows_work,
    tokens_task,
    volume_work,
    work,
)
from together import check_trained_as_one, found_in, resumed_in, trained
from torch import multiprocessing

from hasten.techniques.parallel.layouts import layouts
from hasten.techniques.parallel.tensor_parallel import TensorParallel
from hasten.training.recipe import baseline
from hasten.tuning.layouts.one_process import Measured

pytestmark = [pytest.mark.dist, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("size", "group"), [(2, 2), (4, 2), (4, 4)])
def test_processes_with_parts_of_a_model_train_as_one(size: int, group: int, tmp_path: Path) -> None:
    found = found_in(tmp_path, size, work, group)
    for name, case in CASES.items():
        check_trained_as_one(found, name, case.recipe())


@pytest.mark.parametrize(("size", "group"), [(2, 2), (4, 2), (4, 4)])
def test_processes_with_parts_of_the_vocabulary_train_as_one(size: int, group: int, tmp_path: Path) -> None:
    names = [name for name in ROWS if group == 2 or name != "classes last of two dimensions"]
    found = found_in(tmp_path, size, rows_work, group, names)
    for name in names:
        check_trained_as_one(found, name, ROWS[name].recipe())
        classes = 3 if "last" in name else 11
        assert sum(one[name]["own"][-1] for one in found[:group]) == classes  # uneven, and none has all
        assert all(one[name]["judged"][-1] == classes for one in found)
        assert max(one[name]["held"] for one in found) < sum(
            one.numel() for one in ROWS[name].task().model().parameters()
        )


def test_dropout_drops_the_same_outside_of_divided_layers_and_other_units_inside(tmp_path: Path) -> None:
    first, second = found_in(tmp_path, 2, dropping_work, 2)
    outside = trained(baseline(tokens_task(lambda: Transformer(dropout=0.3))))
    torch.testing.assert_close(first["outside"]["losses"], outside["losses"], rtol=1e-4, atol=1e-5)
    plain = trained(baseline(tokens_task(lambda: Transformer())))
    assert first["inside"]["losses"] != plain["losses"]
    assert first["dropped"].shape == second["dropped"].shape
    assert not torch.equal(first["dropped"], second["dropped"])
    for name in ("outside", "inside"):
        assert first[name]["losses"] == second[name]["losses"]
        assert all(map(torch.equal, first[name]["parameters"], second[name]["parameters"]))


@pytest.mark.parametrize(("size", "group"), [(2, 2), (4, 2)])
def test_attention_of_torch_sends_what_the_chooser_predicts_and_drops_alike_outside(
    size: int, group: int, tmp_path: Path
) -> None:
    shares = size // group
    layout = next(one for one in layouts(size, 8) if one.parts == group)
    read = Measured(baseline(tokens_task(encoder)), size, threads=None, crowded=1.0).of(layout)
    for found in (all_found := found_in(tmp_path, size, encoder_work, group)):
        assert found["bytes"] == sum(constant + sample * (8 // shares) for constant, sample in read.memory.summed)
        assert 4 * found["own"] == read.memory.parameter_bytes
        assert found["dropping"]["losses"] == all_found[0]["dropping"]["losses"]
        assert all(map(torch.equal, found["dropping"]["parameters"], all_found[0]["dropping"]["parameters"]))


@pytest.mark.parametrize(("size", "group"), [(2, 2), (4, 2)])
def test_a_step_sends_what_theory_says(size: int, group: int, tmp_path: Path) -> None:
    """Two activations for each split, and the gradients of the parts once where groups share the batch."""
    for found in found_in(tmp_path, size, volume_work, group):
        sequences, length, width, splits = 8 // (size // group), 7, 16, 2 * 2
        sent = found["numbers"]
        activations = sent["_c10d_functional::all_reduce"]
        assert activations == [sequences * length * width] * (2 * splits)
        gradients = sum(found["own"]) + len(found["own"])  # and for each parameter whether anybody has one
        others = sent["c10d::allreduce_"]  # beside these the count of the batch, and its loss
        assert [one for one in others if one > 3] == ([gradients] if size > group else [])
        assert found["counts"] == len(activations) + len(others)
        whole = sum(one.numel() for one in Transformer().parameters())
        divided = 2 * (2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 24 + 16 + 8 + 24)  # weights, and biases of columns
        assert sum(found["own"]) == whole - divided + divided // group


@pytest.mark.parametrize("model", sorted(RESUMED))
def test_a_divided_run_resumes_in_another_number_of_processes(model: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for size, stop, group in ((2, 6, 2), (4, 9, 2), (1, 13, 0)):
        chosen = [TensorParallel(group, rows=model == "gpt")] if group else []
        multiprocessing.spawn(resuming_work, args=(size, stop, RESUMED[model], chosen, str(tmp_path)), nprocs=size)
    alone = trained(baseline(resumed_task(RESUMED[model], 13)))["parameters"]
    torch.testing.assert_close(torch.load(tmp_path / "0.pt"), alone, rtol=1e-3, atol=1e-4)


def test_a_divided_run_with_dropout_resumes_bit_for_bit(tmp_path: Path) -> None:
    ends = list[list[torch.Tensor]]()
    for stops in ([13], [6, 11, 13]):
        ends.append(resumed_in(tmp_path / str(len(stops)), 2, stops, (TensorParallel(),))[0])
    assert all(map(torch.equal, *ends))
