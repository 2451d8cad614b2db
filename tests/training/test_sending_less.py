"""PowerSGD, local SGD and DiLoCo: what they compute, what they send, and that they resume."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from communicating import LOCAL, Plain, communicating_work, every_step_work, in_doubles, simulated, wide
from hypothesis import given
from hypothesis import strategies as st
from together import clipped, dropping, found_in, resumed_in, special, trained
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import _should_compress

from hasten.machine.facts import facts
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.local_sgd import DiLoCo, LocalSgd
from hasten.techniques.parallel.powersgd import PowerSgd, numbers_sent
from hasten.techniques.update.averaging import ExponentialAverage
from hasten.training.data_parallel import among
from hasten.training.local_steps import LocalSteps
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique

CASES = list(range(6))


@pytest.fixture(scope="module", params=[2, 3])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process of a world found."""
    size, folder = request.param, tmp_path_factory.mktemp("communicating")
    return found_in(folder, size, communicating_work)


@pytest.mark.dist
@pytest.mark.timeout(600)
def test_what_powersgd_leaves_out_is_what_its_errors_hold(found: list[dict[str, Any]]) -> None:
    for one in (each["compressed"] for each in found):
        assert one["buckets"] > 1
        left_out = (one["gradients"] - one["updates"]).sort().values
        assert left_out.abs().max() > 1e-3  # it does compress
        errors = one["errors"].sort().values  # buckets have the parameters in another order
        nothing = len(errors) - len(left_out)  # of the parameter that stands for "no term counts"
        expected = torch.cat([left_out, left_out.new_zeros(nothing)]).sort().values
        torch.testing.assert_close(errors, expected, rtol=1e-9, atol=1e-9)
        assert torch.equal(one["updates"], found[0]["compressed"]["updates"])


@pytest.mark.dist
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LOCAL)
def test_local_steps_are_those_of_their_definition(name: str, found: list[dict[str, Any]]) -> None:
    technique, options = LOCAL[name]
    expected = simulated(in_doubles(11, every=2), len(found), every=technique.every, **options)  # type: ignore[attr-defined]
    for one in (each["local"][name] for each in found):
        torch.testing.assert_close(one["losses"], expected["losses"], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(one["parameters"], expected["parameters"], rtol=1e-9, atol=1e-9)
        assert [evaluation[0] for evaluation in one["evaluations"]] == [3, 6, 9, 11]
        assert one["evaluations"] == found[0]["local"][name]["evaluations"]


@pytest.mark.dist
@pytest.mark.timeout(600)
def test_each_sends_what_theory_says(found: list[dict[str, Any]]) -> None:
    parameters = list(wide().parameters())
    all_numbers = sum(one.numel() for one in parameters)
    factors = sum(numbers_sent(one, 2) for one in parameters)
    assert factors < 0.2 * all_numbers
    all_of_them, flags = 4 * all_numbers, 4 * len(parameters)  # float32; whether a parameter has a gradient anywhere
    counts = 8 * 4  # float64: count of the batch, and of its loss count, sum and number of terms
    reducer = flags + 4 + 4  # torch's own flags, int32; it has a parameter more, of one number
    for one in (each["sent"] for each in found):
        assert one["after the backward pass"] == [all_of_them + flags + counts] * 12
        assert one["ddp"] == [all_of_them + reducer + counts] * 12
        assert one["powersgd"] == [all_of_them + reducer + counts] * 2 + [4 * factors + reducer + counts] * 10
        assert one["local_sgd"] == ([0] * 3 + [all_of_them + flags + 4 * 8 * 3]) * 3


@pytest.mark.dist
@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_averaging_after_every_step_of_sgd_is_the_training_of_one_process(size: int, tmp_path: Path) -> None:
    found = found_in(tmp_path, size, every_step_work, CASES)
    for number in CASES:
        alone = trained(Plain(number).recipe())
        for one in found:
            torch.testing.assert_close(one[number]["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(one[number]["parameters"], alone["parameters"], rtol=1e-4, atol=1e-5)
            theirs, ours = ([v for e in side["evaluations"] for v in e] for side in (alone, one[number]))
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
            assert all(map(torch.equal, one[number]["parameters"], found[0][number]["parameters"]))


RESUMED = {"powersgd": PowerSgd(rank=1, start=2), "diloco": DiLoCo(every=2)}


@pytest.mark.dist
@pytest.mark.timeout(600)
@pytest.mark.parametrize("technique", RESUMED.values(), ids=RESUMED)
def test_what_each_process_keeps_resumes_bit_for_bit(technique: Technique, tmp_path: Path) -> None:
    ends = dict[str, list[list[torch.Tensor]]]()
    for name, stops in (("whole", [13]), ("in parts", [6, 10, 13])):
        ends[name] = resumed_in(tmp_path / name, 2, stops, (technique,))
    assert all(map(torch.equal, ends["whole"][0], ends["whole"][1]))
    for rank in range(2):
        assert all(map(torch.equal, ends["whole"][rank], ends["in parts"][rank]))


@pytest.mark.dist
@pytest.mark.timeout(600)
@pytest.mark.parametrize("technique", RESUMED.values(), ids=RESUMED)
def test_what_each_process_keeps_goes_on_in_another_number_of_them(technique: Technique, tmp_path: Path) -> None:
    ends = dict[str, list[list[torch.Tensor]]]()
    for name, parts in (("in two", ((2, 10),)), ("in two, then three", ((2, 6), (3, 10)))):
        for size, stop in parts:
            ends[name] = resumed_in(tmp_path / name, size, [stop], (technique,), 0.0)
    for mine in ends["in two, then three"]:
        assert all(map(torch.equal, mine, ends["in two, then three"][0]))
        if isinstance(technique, PowerSgd):  # only the mean of the errors counts
            torch.testing.assert_close(mine, ends["in two"][0], rtol=1e-3, atol=1e-4)


@given(rows=st.integers(1, 60), columns=st.integers(1, 60), rank=st.integers(1, 8))
def test_what_is_sent_is_counted_as_torch_decides(rows: int, columns: int, rank: int) -> None:
    compresses, whole, factors = _should_compress(rows, columns, min(rows, columns, rank), 2)
    assert numbers_sent(torch.empty(rows, columns), rank) == (factors if compresses else whole)
    assert numbers_sent(torch.empty(rows), rank) == rows


def test_a_run_ends_synchronized() -> None:
    local = LocalSteps(every=4)
    assert [step for step in range(1, 12) if local.due(step, 11)] == [4, 8, 11]
    assert [step for step in range(1, 12) if local.due(step, None)] == [4, 8]
    assert [local.since_last(step) for step in (1, 4, 5, 8)] == [1, 4, 1, 4]


def with_model(model: Any, processes: int = 2) -> Recipe:
    """Return a long training of a model by several processes."""
    recipe = dropping(500)
    return among(baseline(replace(recipe.task, model=model)), Processes(0, processes))


class Scaled(nn.Linear):
    """A layer with a scalar."""

    def __init__(self) -> None:
        super().__init__(40, 40)
        self.scale = nn.Parameter(torch.ones(()))


def test_where_powersgd_cannot_help_it_says_why() -> None:
    fits = with_model(wide)
    for technique, recipe, reason in (
        (PowerSgd(), special("static graph")[0], "one process alone"),
        (PowerSgd(), with_model(lambda: nn.Linear(6, 3)), "matrices are too small"),
        (PowerSgd(rank=40), fits, "factors of rank 40"),
        (PowerSgd(), with_model(Scaled), "'scale' is a scalar"),
        (PowerSgd(start=500), fits, "the run has 500 steps"),
        (PowerSgd(), Ddp(static_graph=True).apply(fits), "static_graph"),
    ):
        assert reason in (technique.refuse(recipe, facts()) or ""), reason
    assert PowerSgd().refuse(fits, facts()) is None
    assert PowerSgd().refuse(Ddp().apply(fits), facts()) is None


@pytest.mark.parametrize("technique", [LocalSgd(), DiLoCo()], ids=["local_sgd", "diloco"])
def test_where_processes_cannot_be_on_their_own_it_says_why(technique: Technique) -> None:
    fits = with_model(wide)
    for recipe, reason in (
        (dropping(500), "one process alone"),
        (Ddp().apply(fits), "another technique"),
        (fits.with_backward(loss_scale=8.0), "loss scale"),
        (fits.with_post_step(ExponentialAverage(0.9)), "after each update"),
        (fits.with_update(optimizer="lbfgs"), "LBFGS"),
        (among(dropping(8), Processes(0, 2)), "the run has 8 steps"),
    ):
        assert reason in (technique.refuse(recipe, facts()) or ""), reason
    assert technique.refuse(fits.with_gradient(clipped), facts()) is None
