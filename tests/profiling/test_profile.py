import threading
import time
from collections.abc import Callable
from dataclasses import replace
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
from hasten.machine.facts import facts
from hasten.measurement.clock import Marks
from hasten.profiling.profile import profile
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.session import build
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
    assert found.share("input") > 0.5
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

    with pytest.raises(BadInput, match=r"must hand out 256 samples; the loader ended after 128"):
        profile(replace(recipe, input=replace(recipe.input, loader=half)), facts(), budget_s=0.2)


def test_a_step_that_never_ends_is_given_up(make_task: MakeTask) -> None:
    task = make_task()
    stuck = make_task(data=Data(train=Slow(task.data.train, 60.0), valid=task.data.valid))
    begin = time.perf_counter()
    with pytest.raises(BadInput, match=r"the first step must end within 300 ms"):
        profile(baseline(stuck), facts(), timeout_s=0.3)
    assert time.perf_counter() - begin < 5


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
