"""Which layouts of a training fit, and why the others do not: on small trainings whose memory is known."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import nn

from hasten import Update
from hasten.base.records.layout import LayoutPlan, Links
from hasten.machine.facts import facts
from hasten.machine.links import SIZES, fitted, measured_links, overlap_of
from hasten.measurement.memory import peak_memory
from hasten.profiling.stepping import one_batch, resized
from hasten.techniques.parallel.layouts import layouts
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.step import step
from hasten.tuning.layouts import one_process, readings
from hasten.tuning.layouts import predict as predicting
from hasten.tuning.layouts.one_process import Measured
from hasten.tuning.layouts.predict import predict
from hasten.tuning.layouts.readings import measured_memory

from tiny_tasks import block_task, cnn_task, mlp_task

LINKS = Links(latency_s=1e-5, bytes_per_s=1e9, overlap=0.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "BLOCK_S", 0.001)
    monkeypatch.setattr(readings, "ROUNDS", 2)


def wide_recipe(**changes: Any) -> Recipe:
    """A perceptron with more parameters than activations."""
    model = lambda: nn.Sequential(nn.Linear(5, 400), nn.Sequential(nn.Linear(400, 400), nn.ReLU()), nn.Linear(400, 2))  # noqa: E731
    return baseline(mlp_task(model=model, **changes))


def predicted(recipe: Recipe, **options: Any) -> LayoutPlan:
    return predict(recipe, facts(), **{"devices": 4, "links": LINKS, "memory_limit": 2**40} | options)


def test_the_first_is_the_fastest_that_fits_and_nothing_is_refused_where_all_fit() -> None:
    found = predicted(wide_recipe())
    same = [one for one in found.costs if one.layout.same_training]
    assert [one.why_not for one in same] == [""] * 9
    others = {one.layout.choices[0].technique for one in found.costs if not one.layout.same_training}
    assert others == {"local_sgd", "diloco", "powersgd"}
    assert "4 processes, local_sgd" in [one.layout.label for one in found.other_trainings]
    assert all(one.slow_step_s >= one.step_s.low for one in found.costs)
    times = [one.step_s.value for one in found.usable]
    assert times == sorted(times)
    assert found.plan.choices == found.usable[0].layout.choices
    assert all(one.step_s.low <= one.step_s.value <= one.step_s.high for one in found.costs)


def test_the_state_of_the_optimizer_is_counted_in_the_optimizer() -> None:
    parameters = sum(one.numel() for one in wide_recipe().subject.model().parameters()) * 4
    for optimizer, times in (("sgd", 0), ("momentum", 1), ("adam", 2)):
        memory = measured_memory(wide_recipe(update=Update(optimizer=optimizer, lr=0.01)), 4)
        assert memory.parameter_bytes == memory.gradient_bytes == parameters
        assert times * parameters <= memory.state_bytes < times * parameters + 100  # a counter for each parameter
        assert sum(memory.groups) == parameters


@pytest.mark.parametrize("make", [wide_recipe, lambda: baseline(block_task()), lambda: baseline(cnn_task())])
def test_the_predicted_memory_of_one_process_is_what_a_step_takes(make: Any) -> None:
    recipe = make()
    found = predicted(recipe)
    run = build(recipe)
    batch = one_batch(run)
    step(run, batch)
    batch = resized(batch, recipe.input.batch_size)
    taken = peak_memory(lambda: step(run, batch)).peak_bytes
    alone = next(one for one in found.costs if one.layout.processes == 1)
    assert alone.memory_bytes == pytest.approx(taken, rel=0.05)


def test_what_does_not_fit_is_sharded_or_cut_into_micro_batches_or_says_what_it_needs() -> None:
    recipe = wide_recipe(batch_size=32)
    roomy = predicted(recipe)
    whole = next(one.memory_bytes for one in roomy.costs if one.layout.processes == 1)
    least = min(one.memory_bytes for one in roomy.costs)
    assert least < whole
    found = predicted(recipe, memory_limit=round(least / predicting.FILL) + 1)
    assert found.usable
    assert all(one.layout.shards > 1 or one.layout.parts > 1 or one.layout.stages > 1 for one in found.usable)
    refused = next(one for one in found.costs if one.layout.processes == 1)
    assert refused.why_not.startswith("needs ")


def test_micro_batches_are_used_where_a_share_does_not_fit() -> None:
    recipe = baseline(block_task(batch_size=32, dropout=0.0))
    alone = next(one for one in predicted(recipe).costs if one.layout.processes == 1)
    found = predicted(recipe, memory_limit=round(0.9 * alone.memory_bytes / predicting.FILL))
    mine = next(one for one in found.costs if one.layout.processes == 1)
    assert (mine.why_not, mine.layout.micro_batch, mine.layout.passes) == ("", 16, 2)
    assert [one.technique for one in mine.layout.choices] == ["micro_batch"]
    assert mine.memory_bytes < alone.memory_bytes


def test_a_model_whose_parts_do_not_add_up_is_not_cut_into_micro_batches() -> None:
    recipe = baseline(cnn_task())
    found = predicted(recipe, memory_limit=round(0.9 * predicted(recipe).costs[0].memory_bytes / predicting.FILL))
    refused = next(one for one in found.costs if one.layout.processes == 1)
    assert "micro-batches are refused: the buffer" in refused.why_not


def test_a_batch_with_fewer_samples_than_devices_is_trained_by_one() -> None:
    found = predicted(wide_recipe(batch_size=3))
    assert sorted(one.layout.shares for one in found.usable) == [1, 1, 2, 2]  # by parts or stages
    refused = {one.why_not for one in found.costs if one.why_not}
    assert refused == {"a batch of 3 has no sample for 1 of 4 processes"}


def test_an_optimizer_that_needs_whole_parameters_cannot_be_sharded_and_the_reason_is_told() -> None:
    found = predicted(wide_recipe(update=Update(optimizer="lion", lr=0.001)))
    refused = {one.why_not for one in found.costs if one.layout.shards > 1}
    assert len(refused) == 1
    assert "only torch's optimizers" in refused.pop()


def test_a_process_with_a_part_of_the_layers_is_read_as_one() -> None:
    recipe = wide_recipe()
    parameters = {name: one.numel() for name, one in recipe.subject.model().named_parameters()}
    divided = sum(parameters[name] for name in ("0.weight", "0.bias", "1.0.weight"))  # the output layer is left
    total = sum(parameters.values())
    layout = next(one for one in layouts(4, recipe.input.batch_size) if one.parts == 2)
    read = Measured(recipe, 4, threads=None, crowded=1.0).of(layout)
    assert read.divided == pytest.approx(divided / total)
    assert read.memory.parameter_bytes == 4 * (total - divided / 2)
    assert read.memory.state_bytes == pytest.approx(2 * read.memory.parameter_bytes, rel=0.01)
    assert read.memory.summed == ((0.0, 4 * 400.0),)  # the input needs no gradient


def test_models_whose_layers_cannot_be_divided_say_so() -> None:
    found = predicted(baseline(mlp_task(model=lambda: nn.Linear(5, 2))))
    refused = {one.why_not for one in found.costs if one.layout.parts > 1}
    assert len(refused) == 2
    assert all("no linear layers can be divided" in one for one in refused)
    assert all(one.divided is None for one in found.costs)


def test_slow_links_leave_one_process_and_fast_ones_do_not() -> None:
    recipe = wide_recipe()
    slow = predicted(recipe, links=structs.replace(LINKS, latency_s=10.0))
    assert slow.usable[0].layout.processes == 1
    fast = predicted(recipe, links=Links(latency_s=0.0, bytes_per_s=1e15, overlap=1.0))
    assert fast.usable[0].layout.processes == 4


def test_what_is_assumed_is_said() -> None:
    found = predict(wide_recipe(), facts(), devices=1024, memory_limit=2**40)
    assert not found.measured_links
    assert any("100 Gbit/s" in one for one in found.assumptions)
    assert any("as fast as this one" in one for one in found.assumptions)


def test_prediction_leaves_the_process_as_it_was() -> None:
    before = torch.get_rng_state()
    threads = torch.get_num_threads()
    predicted(wide_recipe())
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_link_is_fitted_to_the_times_of_its_messages() -> None:
    found = fitted([2 * 3e-5 + size / 2e9 for size in SIZES], 0.25)
    assert found.latency_s == pytest.approx(3e-5, rel=1e-6)
    assert found.bytes_per_s == pytest.approx(2e9, rel=1e-6)
    assert found.overlap == 0.25


def test_a_link_without_latency_or_without_end_has_no_negative_number() -> None:
    assert fitted([size / 1e9 for size in SIZES], 0.0).latency_s == pytest.approx(0.0, abs=1e-12)
    assert fitted([1e-3] * len(SIZES), 0.0).bytes_per_s > 0


@pytest.mark.parametrize(("both", "share"), [(3.0, 0.0), (2.0, 1.0), (2.5, 0.5), (5.0, 0.0), (1.0, 1.0)])
def test_overlap_is_the_share_of_the_shorter_one_that_is_hidden(both: float, share: float) -> None:
    assert overlap_of(2.0, 1.0, both) == share


@pytest.mark.dist
def test_links_of_this_machine_are_measured() -> None:
    found = measured_links()
    assert len(found) == 5
    assert all(0 <= one.latency_s < 0.1 and one.bytes_per_s > 1e6 and 0 <= one.overlap <= 1 for one in found)


def test_batch_normalization_over_shares_is_synchronized_or_refused_by_name() -> None:
    found = predicted(baseline(cnn_task()), devices=2)
    names = {choice.technique for one in found.usable for choice in one.layout.choices}
    assert names == {"sync_batch_norm", "ddp"}
    assert all("sync_batch_norm" in one.layout.label for one in found.usable if one.layout.processes > 1)
    refused = {one.layout.label: one.why_not for one in found.costs if "fsdp" in one.layout.label}
    assert refused
    assert all("cannot be combined with" in why and "sync_batch_norm" in why for why in refused.values())
    plain = predicted(baseline(cnn_task(norm=False)), devices=2)
    assert not any("sync_batch_norm" in one.layout.label for one in plain.costs)


@pytest.mark.parametrize(("cores", "threads", "copies"), [(4, 4, 3), (4, 8, 2), (2, 2, 1)])
def test_the_other_cores_of_a_cpu_are_busy_while_a_step_of_several_is_timed(
    cores: int, threads: int, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = list[int]()

    def noted(work: Any, number: int) -> Any:
        beside.append(number)
        return nullcontext()

    monkeypatch.setattr(readings, "company", noted)
    machine = structs.replace(facts(), cores=cores, threads=threads)
    found = predict(wide_recipe(), machine, devices=cores, links=LINKS, memory_limit=2**40, here=True)
    assert beside[:2] == [0, copies], "one process has all cores; of several, each has the others beside it"
    assert not [one for one in found.assumptions if "other cores busy" in one]
    monkeypatch.setattr(one_process, "SPARE", 0.0)
    found = predict(wide_recipe(), machine, devices=cores, links=LINKS, memory_limit=2**40, here=True)
    assert f"steps were timed with 0 of {copies} other cores busy" in found.assumptions
