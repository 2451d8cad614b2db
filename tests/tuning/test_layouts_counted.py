"""Steps counted on tensors without memory are those that are measured, and large models get a plan in little memory."""

import resource
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update, find_layout
from hasten.api import choosing
from hasten.base.errors import BadInput, Unstable
from hasten.base.records.layout import CountedStep, Links
from hasten.base.records.machine import Machine, Peak
from hasten.machine.facts import facts
from hasten.profiling.stepping import one_batch, resized
from hasten.techniques.parallel.layouts import in_passes, layouts
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step
from hasten.tuning.layouts.counting import SLOWER, Counted, counted_step, fitting_devices, tried
from hasten.tuning.layouts.dry_run import NOT_HERE, dry_step, why_not_dry
from hasten.tuning.layouts.fake import on_fake_tensors
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.predict import devices_that_fit, predict_counted
from hasten.tuning.layouts.readings import measured_memory, sizes
from hasten.tuning.layouts.time import communication

from tiny_tasks import block_task, cnn_task, mlp_task, padded_task

GIB = 2**30
LINKS = Links(latency_s=0.0, bytes_per_s=1e15, overlap=0.0)


def peak(kind: str, number_format: str, rate: float) -> Peak:
    return Peak(kind=kind, format=number_format, backend="", size=(1,), rate=rate, spread=0.01, stable=True)


MACHINE = structs.replace(facts(), gpu=None, peaks=(peak("gemm", "float32", 1e11), peak("memory", "", 1e10)))


def encoder_task() -> Task:
    """Torch's own encoder layer between an embedding and an output layer."""

    def model() -> nn.Module:
        layer = nn.TransformerEncoderLayer(12, 4, 24, dropout=0.1, batch_first=True)
        return nn.Sequential(nn.Embedding(11, 12), layer, nn.Linear(12, 11))

    return block_task(model=model)


TASKS: dict[str, Callable[[], Task]] = {
    "perceptron": lambda: mlp_task(dropout=0.2),
    "convolutions": cnn_task,
    "blocks": block_task,
    "encoder": encoder_task,
    "ignored labels": padded_task,
    "a loss of one's own": lambda: mlp_task(loss=lambda output, target: nn.functional.cross_entropy(output, target)),
    "used techniques": lambda: mlp_task(uses={"clip_norm": {"max_norm": 1.0}}),
}


@pytest.mark.parametrize("name", TASKS)
def test_counted_memory_is_that_of_watched_steps(name: str) -> None:
    task = TASKS[name]()
    counted = counted_step(task, MACHINE, 4)
    assert counted.why_not == ""
    assert counted.memory is not None
    measured = measured_memory(baseline(replace(task, uses={})), 4)
    assert counted.parameter_bytes == counted.memory.parameter_bytes == measured.parameter_bytes
    for layout in layouts(4, 8):
        if layout.parts == 1:
            for one in (layout, in_passes(layout, 1)):
                assert memory_bytes(one, counted.memory) == pytest.approx(memory_bytes(one, measured), rel=0.05)


def test_counted_operations_are_those_of_real_steps() -> None:
    counted, run = counted_step(block_task(dropout=0.0), MACHINE, 2), build(baseline(block_task(dropout=0.0)))
    batch = one_batch(run)
    for size, work in zip(counted.samples, counted.work, strict=True):
        with torch.utils.flop_counter.FlopCounterMode(display=False) as flops:
            step(run, resized(batch, size))
        forward, backward = (sum(one for one, _ in part) for part in (work.forward, work.backward))
        assert forward + backward == flops.get_total_flops()
        assert 0 < forward < backward


KEPT: list[Tensor] = []


def test_what_a_model_keeps_outside_of_itself_stays_real() -> None:
    def model() -> nn.Module:
        KEPT.append(torch.ones(3))
        return nn.Linear(5, 2)

    assert counted_step(mlp_task(model=model), MACHINE, 2).why_not == ""
    assert KEPT == []


class Looking(nn.Module):
    """A model that looks at a value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if float(x.detach().sum()) < 1e9 else x[:, :2]


def test_a_model_that_looks_at_values_is_measured_where_it_fits_and_else_the_message_says_why() -> None:
    counted = counted_step(mlp_task(model=Looking), MACHINE, 2)
    assert counted.parameter_bytes == 48
    assert "DataDependent" in counted.why_not
    recipe = baseline(mlp_task(model=Looking))
    assert devices_that_fit(counted, recipe, MACHINE, 2) == 2
    with pytest.raises(BadInput, match=r"must not look at the values of its tensors.*larger machine"):
        devices_that_fit(counted, recipe, structs.replace(MACHINE, memory_bytes=100), 2)


def test_smaller_micro_batches_are_measured_where_the_share_does_not_fit() -> None:
    counted = counted_step(block_task(batch_size=32), MACHINE, 2)
    assert counted.memory is not None
    alone = layouts(1, 32)[0]

    def needed(devices: int) -> int:
        assert counted.memory is not None
        return memory_bytes(in_passes(alone, sizes(32, devices)[1]), counted.memory)

    assert fitting_devices(counted, 32, 2, needed(2)) == 2
    assert fitting_devices(counted, 32, 2, needed(16)) == 16
    assert fitting_devices(counted, 32, 2, needed(32) - 1) is None


def test_a_step_takes_its_operations_at_the_peak_or_longer() -> None:
    counted = counted_step(block_task(batch_size=32, dropout=0.0), MACHINE, 2)
    read = Counted(counted, {}, MACHINE, "cpu").shared
    assert len(read.times) == len(SLOWER)
    first, last = read.times[0], read.times[-1]
    assert last.sample_s == pytest.approx(SLOWER[-1] * first.sample_s)
    work = [*counted.work[1].forward, *counted.work[1].backward]
    least = sum(max(flops / 1e11, moved / 1e10) for flops, moved in work)
    assert first.pass_s + counted.samples[1] * first.sample_s == pytest.approx(least)
    assert 0.5 < first.backward_share < 0.8
    with pytest.raises(Unstable, match="no peak of this machine"):
        Counted(counted, {}, structs.replace(MACHINE, peaks=()), "cpu")


@pytest.mark.slow
def test_the_first_of_eight_processes_that_are_not_there_sends_what_is_predicted() -> None:
    def model() -> nn.Module:  # sizes that eight processes divide evenly
        blocks = (nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16)) for _ in range(3))
        return nn.Sequential(nn.Linear(5, 16), nn.Sequential(*blocks), nn.Linear(16, 8))

    task, tried = mlp_task(model=model), 0
    fake, memory = on_fake_tensors(task, MACHINE), measured_memory(baseline(task), 8)
    for layout in layouts(8, 8):
        if layout.processes == 1 or layout.bucket_bytes is not None or layout.parts > 1 or layout.every > 1:
            continue
        sent, theory = dry_step(layout, fake, MACHINE), communication(layout, memory)
        moved = sent.whole_bytes["_allgather_base_"] + sent.whole_bytes["_reduce_scatter_base_"]
        assert moved == pytest.approx(sum(one.size_bytes * one.count for one in theory.gathers))
        reduced = sum(one.size_bytes * one.count for one in theory.all_reduces)
        assert reduced <= sent.whole_bytes["allreduce_"] < 1.03 * reduced + 200
        tried += 1
    assert tried == 4


def test_what_cannot_be_used_is_found_without_devices() -> None:
    fake = on_fake_tensors(mlp_task(update=Update(optimizer="lion", lr=0.01)), MACHINE)
    for layout in layouts(4, 8):
        why = why_not_dry(layout, fake, MACHINE)
        assert (why == NOT_HERE) == (layout.parts > 1)
        assert ("only torch's optimizers" in why) == (layout.shards > 1)
    few = on_fake_tensors(mlp_task(batch_size=3), MACHINE)
    assert "no sample for 1 of 4 processes" in why_not_dry(layouts(4, 3)[1], few, MACHINE)


def test_a_layout_whose_step_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: Any, **options: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("hasten.tuning.layouts.dry_run.step", failing)
    why = why_not_dry(layouts(4, 8)[1], on_fake_tensors(mlp_task(), MACHINE), MACHINE)
    assert why == "a step without devices fails: RuntimeError: planted"
    assert not torch.distributed.is_initialized()


def test_a_plan_of_counted_steps_says_that_nothing_was_measured() -> None:
    task = mlp_task()
    counted, seen = counted_step(task, MACHINE, 4), tried(task, MACHINE, 4)
    found = predict_counted(baseline(task), MACHINE, counted, seen, devices=4, memory_limit=2**40, links=LINKS)
    assert found.counted_steps
    assert not found.measured_links
    assert {one.why_not for one in found.costs if one.layout.parts > 1} == {NOT_HERE}
    assert [one.layout.processes for one in found.usable].count(1) == 1
    assert len(found.usable) == 7
    (stages,) = (one for one in found.usable if one.layout.stages > 1)
    assert (stages.layout.stages, stages.layout.replicas) == (2, 2)
    assert any("stages compute what the whole model does" in text for text in found.assumptions)
    for one in found.usable:
        assert one.step_s.high > 1.5 * one.step_s.value > 0
    assert any("1 to 5 times as long" in text for text in found.assumptions)
    unsure = structs.replace(MACHINE, peaks=tuple(structs.replace(one, stable=False) for one in MACHINE.peaks))
    again = predict_counted(baseline(task), unsure, counted, seen, devices=4)
    assert any("beside other work" in text for text in again.assumptions)


def large_task() -> Task:
    """A perceptron with 20 GiB of parameters."""
    x = torch.randn(64, 512, generator=torch.Generator().manual_seed(1))
    data, width = TensorDataset(x, x.sum(1).gt(0).long()), 36_000

    def model() -> nn.Module:
        block: Callable[[], nn.Module] = lambda: nn.Sequential(nn.Linear(width, width), nn.ReLU())  # noqa: E731
        return nn.Sequential(nn.Linear(512, width), nn.Sequential(*(block() for _ in range(4))), nn.Linear(width, 2))

    update = Update(optimizer="adamw", lr=1e-3)
    data = Data(train=data, valid=data)
    return Task(name="large", data=data, model=model, update=update, batch_size=32, stop=Stop(steps=100))


@pytest.mark.slow
def test_twenty_gigabytes_of_parameters_get_a_plan_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    here: Callable[[], Machine] = lambda: structs.replace(MACHINE, memory_bytes=16 * GIB)  # noqa: E731
    monkeypatch.setattr(choosing, "facts", here)
    monkeypatch.setattr(choosing, "load_cached", lambda quick: here())
    found = find_layout(large_task(), devices=8, memory_limit=80 * GIB)
    parameters = found.memory.parameter_bytes
    assert 19 * GIB < parameters < 21 * GIB
    assert found.memory.state_bytes == pytest.approx(2 * parameters, rel=0.01)
    alone = next(one for one in found.costs if one.layout.processes == 1)
    assert alone.why_not.startswith("needs ")
    divided = [one.layout.shards * one.layout.parts * one.layout.stages for one in found.usable]
    assert all(one > 1 for one in divided), "no process holds all parameters"
    assert found.usable
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 * 2**20  # KiB: the copies that counted


def test_a_training_that_fits_is_measured_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*args: Any, **options: Any) -> CountedStep:
        raise AssertionError("nothing is counted that fits")

    monkeypatch.setattr(choosing, "tried", unexpected)
    assert not find_layout(mlp_task(), devices=1).counted_steps
