import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from hasten.base.errors import BadInput
from hasten.base.records.profile import Profile
from hasten.base.records.record import load, save
from hasten.base.seeds import random_state
from hasten.diagnosis.diagnose import diagnose
from hasten.diagnosis.registry import RULES
from hasten.machine.facts import facts
from hasten.measurement.clock import Marks
from hasten.profiling.profile import profile, profile_in_depth
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.task import Data, Stop, Task

MakeTask = Callable[..., Task]


class Slow(Dataset[Any]):
    def __init__(self, of: Dataset[Any], delay_s: float) -> None:
        self.of = of
        self.delay_s = delay_s

    def __len__(self) -> int:
        return len(self.of)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        time.sleep(self.delay_s)
        return self.of[index]


def test_the_parts_sum_to_the_wall_and_the_record_goes_to_json_and_back(make_task: MakeTask, tmp_path: Path) -> None:
    found = profile(baseline(make_task()), facts(), budget_s=0.3)
    assert sum(part.share for part in found.parts) == pytest.approx(1)
    inside = [part.seconds for part in found.parts if part.name not in ("evaluation", "checkpoint", "hiccups")]
    assert sum(inside) == pytest.approx(found.step_s.value)
    assert found.parameters == 16 * 32 + 32 + 32 * 4 + 4
    assert found.peak_bytes > 3 * 4 * found.parameters  # weights and two moments, at least
    assert found.samples_per_s == pytest.approx(32 / found.step_s.value)
    assert found.steps_per_evaluation == 8
    assert found.step_s.low <= found.step_s.value <= found.step_s.high
    assert len(found.verdict.split()) <= 25
    save(found, tmp_path / "profile.json")
    assert load(Profile, tmp_path / "profile.json") == found


def test_a_slow_loader_is_seen_as_the_wait_for_input(make_task: MakeTask) -> None:
    task = make_task()
    slow = make_task(data=Data(train=Slow(task.data.train, 2e-4), valid=task.data.valid))
    found = profile(baseline(slow), facts(), budget_s=0.5)
    assert found.seconds("input") > 32 * 2e-4
    assert found.share("input") > 0.5 * (1 - found.share("hiccups"))
    assert "waits for data" in found.verdict


def test_marks_change_no_bit_of_the_training(make_task: MakeTask) -> None:
    recipe = baseline(make_task())

    def trained(mark: Callable[[int], None]) -> list[torch.Tensor]:
        run = build(recipe)
        list(train(run, mark))
        return [parameter.detach().clone() for parameter in run.model.parameters()]

    plain = trained(lambda part: None)
    marked = trained(Marks().mark)
    assert all(torch.equal(a, b) for a, b in zip(plain, marked, strict=True))


def test_profiling_leaves_the_random_generators_as_they_were(make_task: MakeTask) -> None:
    before = random_state()
    profile(baseline(make_task()), facts(), steps=8)
    after = random_state()
    assert torch.equal(before["torch"], after["torch"])
    assert before["python"] == after["python"]
    assert torch.equal(before["numpy"]["keys"], after["numpy"]["keys"])


def test_a_number_of_steps_is_kept(make_task: MakeTask) -> None:
    assert 10 <= profile(baseline(make_task()), facts(), steps=20).steps <= 17  # the others warm up


def test_the_error_of_a_task_that_fails_in_its_first_step_is_its_own(make_task: MakeTask) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        profile(baseline(make_task(model=lambda: nn.Linear(3, 4))), facts(), budget_s=0.2)


def test_a_model_without_parameters_is_refused(make_task: MakeTask) -> None:
    with pytest.raises(BadInput, match="must have parameters to train"):
        profile(baseline(make_task(model=nn.Flatten)), facts(), budget_s=0.2)


def test_a_loader_that_ends_early_is_told(make_task: MakeTask) -> None:
    recipe = baseline(make_task())

    def half(dataset: Dataset[Any], size: int) -> Any:
        fetch = recipe.input.loader(dataset, size)
        return lambda ids: fetch(ids[: len(ids) // 2])

    with pytest.raises(BadInput, match=r"must have 256 samples; the loader ended after 128"):
        profile(replace(recipe, input=replace(recipe.input, loader=half)), facts(), budget_s=0.2)


def test_a_step_that_never_ends_is_given_up(make_task: MakeTask) -> None:
    task = make_task()
    stuck = make_task(data=Data(train=Slow(task.data.train, 60.0), valid=task.data.valid))
    begin = time.perf_counter()
    with pytest.raises(BadInput, match=r"step 1 did not finish within 300 ms"):
        profile(baseline(stuck), facts(), timeout_s=0.3)
    assert time.perf_counter() - begin < 5


def test_the_step_that_never_ends_is_named(make_task: MakeTask) -> None:
    class Sticking(nn.Linear):
        calls = 0

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if self.calls == 4:
                time.sleep(60.0)
            return super().forward(inputs)

    with pytest.raises(BadInput, match=r"step 4 did not finish within 500 ms"):
        profile(baseline(make_task(model=lambda: Sticking(16, 4))), facts(), timeout_s=0.5)


def test_the_stop_rules_of_the_task_do_not_cut_the_profile_short(make_task: MakeTask) -> None:
    task = make_task(stop=Stop(steps=2, evaluate_every=1))
    found = profile(baseline(task), facts(), steps=30)
    assert 15 <= found.steps <= 27
    assert found.steps_per_evaluation == 1


def test_profiling_works_outside_the_main_thread(make_task: MakeTask) -> None:
    found: list[Profile] = []
    thread = threading.Thread(target=lambda: found.append(profile(baseline(make_task()), facts(), steps=8)))
    thread.start()
    thread.join()
    assert 4 <= found[0].steps <= 5


def test_a_profile_in_depth_has_everything_and_names_the_planted_delay(make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task()
    slow = make_task(data=Data(train=Slow(task.data.train, 1e-4), valid=task.data.valid))
    found = profile_in_depth(baseline(slow), facts(), budget_s=2.0, trace=tmp_path / "trace.json")
    assert (tmp_path / "trace.json").stat().st_size > 1000
    assert found.complexity is not None
    assert found.complexity.flops_forward == 2 * 32 * (16 * 32 + 32 * 4)
    assert found.memory is not None
    assert found.memory.measured_peak == found.peak_bytes
    assert found.operators
    assert found.structure is not None
    assert found.loading is not None
    assert found.load is not None
    grown = {(one.cost, one.over) for one in found.growth}
    busy = any(one.startswith("growth over batch size") for one in found.remarks)  # the machine, so that time ran out
    assert busy or grown == {("time", "batch size"), ("memory", "batch size")}
    names = {one.name for one in found.ablations}
    assert {"cached_batch", "doubled_batch", "skipped_update", "no_logging"} <= names
    said = diagnose(found, facts(), rules={name: RULES[name] for name in RULES if name != "thermal_or_contention"})
    assert said.findings[0].symptom == "input_bound"
    assert "io_bound" in {one.symptom for one in said.findings}
    save(found, tmp_path / "profile.json")
    assert load(Profile, tmp_path / "profile.json") == found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler warns of its own doings
def test_a_compiled_recipe_is_profiled_as_far_as_it_can_be_seen(make_task: MakeTask) -> None:
    torch.compiler.reset()
    recipe = baseline(make_task())
    compiling = replace(recipe.forward, wrappers=(partial(torch.compile, backend="eager"),))
    found = profile(replace(recipe, forward=compiling), facts(), budget_s=0.5)
    assert found.structure is not None
    assert found.structure.recompilations == 0
    assert (found.operators, found.complexity, found.memory) == (None, None, None)
    assert found.peak_bytes > 0
    assert "not measured: the model is compiled" in found.remarks[0]
    torch.compiler.reset()


def test_a_loss_that_is_not_finite_ends_the_profile_with_its_step(make_task: MakeTask) -> None:
    def broken(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        time.sleep(0.3)
        return output.mean() * float("nan")

    with pytest.raises(BadInput, match=r"at least 4 steps; found that the loss of step 1 is not finite"):
        profile(baseline(make_task(loss=broken)), facts(), budget_s=2.0)


def test_fewer_steps_than_a_profile_needs_are_refused(make_task: MakeTask) -> None:
    with pytest.raises(BadInput, match="at least 4 steps; found 2"):
        profile(baseline(make_task()), facts(), steps=2)
