"""Layouts that are run: one process is kept unless another is surely faster, with the same gradient."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from msgspec import structs
from safetensors.torch import load_file, save_file

from hasten.base.errors import BadInput
from hasten.base.records.layout import LayoutPlan, LayoutTrial, LayoutTuning, Links
from hasten.base.records.plan import Plan
from hasten.base.records.record import load, save
from hasten.base.records.signals import MachineLoad
from hasten.machine.facts import facts
from hasten.profiling.machine_load import Observed
from hasten.techniques.plan_file import read_plan
from hasten.training.recipe import baseline
from hasten.tuning.layouts import measure, readings
from hasten.tuning.layouts.measure import MOST, gradient_error, measure_layouts
from hasten.tuning.layouts.predict import predict
from hasten.tuning.layouts.trial import GRADIENT, TIMES, first_gradient, try_layout
from hasten.tuning.reference_step import without_dropout

from tiny_tasks import mlp_task

ORDER = (
    "2 processes, local_sgd",
    "2 processes, diloco",
    "2 processes, powersgd",
    "2 processes, ddp",
    "2 processes",
    "2 processes, tensor_parallel(size=2)",
    "2 processes, fsdp",
    "one process",
    "2 processes, fsdp(reshard=False)",
    "2 processes, pipeline_parallel(size=2)",
)
"""What is predicted, the fastest first."""


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> LayoutPlan:
    monkeypatch.setattr(readings, "BLOCK_S", 0.001)
    links = Links(latency_s=0.0, bytes_per_s=1e15, overlap=1.0)
    plan = predict(baseline(mlp_task()), facts(), devices=2, links=links, memory_limit=2**40)
    order = sorted(plan.costs, key=lambda one: ORDER.index(one.layout.label))
    return structs.replace(plan, costs=tuple(order))


class Machine:
    """Pretends to start processes: the seconds of a step, the gradient and the exit code by the plan's techniques."""

    def __init__(self, **seconds: float) -> None:
        self.seconds, self.off, self.codes = seconds, dict[str, float](), dict[str, int]()
        self.started = list[tuple[str, int]]()

    def launch(self, words: Sequence[str], processes: int) -> int:
        given = dict(zip(words[2::2], words[3::2], strict=True))
        plan = read_plan(Path(given["--plan"]))
        name = "alone" if processes == 1 else "+".join(plan.names) or "plain"
        self.started.append((name, processes))
        assert words[:2] == ["layout-trial", "tiny"]
        if code := self.codes.get(name, 0):
            return code
        noise = 1 + 0.01 * (len(self.started) % 3)
        folder = Path(given["--out"])
        save(LayoutTrial(step_s=(9.0, *[self.seconds.get(name, 2.0) * noise] * 3), peak_bytes=1000), folder / TIMES)
        save_file({"weight": torch.ones(4) * (1 + self.off.get(name, 0.0))}, folder / GRADIENT)
        return 0

    def tuned(self, found: LayoutPlan, only: Sequence[str] = ()) -> LayoutTuning:
        return measure_layouts(found, ["tiny"], self.launch, only=only, show=lambda record: None)


def test_one_process_is_kept_where_it_is_the_fastest(found: LayoutPlan) -> None:
    tuning = Machine(alone=1.0).tuned(found)
    assert tuning.chosen == 0
    assert tuning.best.predicted.layout.processes == 1
    assert tuning.plan == Plan(task="tiny")


def test_one_process_is_kept_where_the_others_are_not_surely_faster(found: LayoutPlan) -> None:
    assert Machine(alone=1.0, ddp=1.0, plain=1.0, fsdp=1.0).tuned(found).chosen == 0


def test_the_fastest_layout_is_chosen_and_its_gain_is_in_the_plan(found: LayoutPlan) -> None:
    tuning = Machine(alone=1.0, ddp=0.5, plain=0.6).tuned(found)
    (choice,) = tuning.plan.choices
    assert (choice.technique, tuning.best.predicted.layout.processes) == ("ddp", 2)
    assert choice.gain is not None
    assert choice.gain.value == pytest.approx(2.0, rel=0.02)
    assert tuning.best.step_s is not None
    assert tuning.best.step_s.value == pytest.approx(0.5, rel=0.03)


def test_each_round_runs_one_process_and_the_best_three_once(found: LayoutPlan) -> None:
    machine = Machine(alone=1.0)
    tuning = machine.tuned(found)
    assert (tuning.rounds, len(tuning.measured)) == (5, 1 + MOST)
    assert len(machine.started) == 5 * (1 + MOST)
    for turn in range(5):
        assert set(machine.started[4 * turn : 4 * turn + 4]) == {
            ("alone", 1),
            ("ddp", 2),
            ("plain", 2),
            ("tensor_parallel", 2),
        }


def test_only_the_layouts_that_are_asked_for_run_against_one_process(found: LayoutPlan) -> None:
    machine = Machine(alone=1.0)
    machine.tuned(found, only=["tensor_parallel"])
    assert set(machine.started) == {("alone", 1), ("tensor_parallel", 2)}
    with pytest.raises(BadInput, match=r"with local_sgd .*: 2 processes, local_sgd: not the same training"):
        machine.tuned(found, only=["local_sgd"])
    with pytest.raises(BadInput, match="with shares_by_speed can be run against one process: hasten plan lists none"):
        machine.tuned(found, only=["shares_by_speed"])


def test_what_is_not_the_same_training_is_predicted_and_never_run(found: LayoutPlan) -> None:
    (other,) = found.other_trainings
    assert other.layout.label == "2 processes, local_sgd"
    assert not any(one.layout.every > 1 for one in found.usable)
    assert found.plan.names == ("ddp",)
    machine = Machine(alone=1.0, local_sgd=0.1)
    assert machine.tuned(found).chosen == 0
    assert not [name for name, _ in machine.started if "local" in name]


def test_a_layout_with_another_gradient_is_out_however_fast(found: LayoutPlan) -> None:
    machine = Machine(alone=1.0, ddp=0.1, plain=0.9)
    machine.off["ddp"] = 0.02
    tuning = machine.tuned(found)
    assert tuning.best.predicted.layout.label == "2 processes"
    (out,) = [one for one in tuning.measured if one.why_not]
    assert "first gradient is off by 2.0 %" in out.why_not
    assert machine.started.count(("ddp", 2)) == 1


def test_a_layout_that_fails_is_out_and_one_process_that_fails_is_an_error(found: LayoutPlan) -> None:
    machine = Machine(alone=1.0, ddp=0.1)
    machine.codes["ddp"] = 1
    tuning = machine.tuned(found)
    assert tuning.chosen == 0
    assert [one.why_not for one in tuning.measured if one.why_not] == ["its processes ended with exit code 1"]
    machine.codes["alone"] = 2
    with pytest.raises(BadInput, match="one process cannot train 'tiny': its processes ended with exit code 2"):
        machine.tuned(found)


def test_an_interruption_ends_the_tuning(found: LayoutPlan) -> None:
    machine = Machine(alone=1.0)
    machine.codes["ddp"] = 130
    with pytest.raises(KeyboardInterrupt):
        machine.tuned(found)
    assert len(machine.started) <= 1 + MOST


def test_a_budget_ends_the_rounds_but_not_before_three(found: LayoutPlan) -> None:
    machine = Machine(alone=1.0)
    tuning = measure_layouts(found, ["tiny"], machine.launch, budget_s=1e-9, show=lambda record: None)
    assert tuning.rounds == 3


@pytest.mark.parametrize(("share", "told"), [(0.02, False), (0.4, True)])
def test_a_machine_with_other_work_is_told(
    share: float, told: bool, found: LayoutPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = MachineLoad(foreign_share=share, waited_share=0.0, clock_share=None, temperature_c=None)
    monkeypatch.setattr(measure, "load_observed", lambda: nullcontext(Observed(load)))
    remark = Machine(alone=1.0).tuned(found).remark
    assert remark.startswith("other work had 40 % of the cores") == told
    assert bool(remark) == told


def test_the_error_of_a_gradient_is_that_of_its_worst_tensor() -> None:
    alone = {"a": torch.tensor([3.0, 4.0]), "b": torch.zeros(2)}
    assert gradient_error(alone, alone) == 0
    assert gradient_error({**alone, "a": torch.tensor([3.0, 4.5])}, alone) == pytest.approx(0.1)
    assert gradient_error({**alone, "b": torch.tensor([0.0, 1e-9])}, alone) < 1e-7
    assert gradient_error({"a": alone["a"]}, alone) == math.inf
    assert gradient_error({**alone, "a": torch.tensor([math.nan, 0.0])}, alone) == math.inf


def test_a_trial_in_one_process_writes_times_and_the_gradient(tmp_path: Path) -> None:
    recipe = baseline(mlp_task(dropout=0.5))
    try_layout(recipe, Plan(task="tiny"), facts(), steps=4, folder=tmp_path)
    trial = load(LayoutTrial, tmp_path / TIMES)
    assert len(trial.step_s) == 4
    assert min(trial.step_s) > 0
    again = first_gradient(without_dropout(recipe))
    assert gradient_error(load_file(tmp_path / GRADIENT), again) == 0
    assert set(again) == {"0.weight", "0.bias", "3.weight", "3.bias"}
