"""The cause of dear data is the largest part of what a batch costs, told with its number."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.diagnose import diagnose
from hasten.diagnosis.registry import RULES
from hasten.diagnosis.speed.input_cause import input_cause

from diagnosis_records import ablation, parts

Plant = Callable[..., Profile]

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "input: waiting": (
        {"sample_s": 9e-4, "batch_s": 6e-2, "sample_waits": 0.9},
        "900 µs a sample waiting for disk or network",
    ),
    "input: computing": (
        {"sample_s": 9e-4, "batch_s": 6e-2, "sample_waits": 0.1, "hot": "ImagingDecoder.decode"},
        "900 µs a sample in ImagingDecoder.decode",
    ),
    "input: reading": ({"sample_s": 9e-4, "batch_s": 6e-2, "hot": ""}, "900 µs a sample"),
    "input: collating": ({"sample_s": 1e-5, "batch_s": 2.064e-2}, "20.0 ms to collate"),
    "input: fetching": ({"sample_s": 1e-5, "batch_s": 1e-4}, "100 µs to fetch a batch"),
    "input: Blur": ({"change_s": {"Flip": 1e-3, "Blur": 2e-2}}, "20.0 ms a batch in Blur"),
    "input: workers": (
        {"sample_s": 1e-6, "batch_s": 3e-3, "workers": 2, "collate_s": 0.0},
        "3.00 ms a batch from 2 workers, 64.0 µs without",
    ),
}


@pytest.mark.parametrize("where", sorted(CASES))
def test_the_largest_part_is_the_cause(where: str, plant: Plant, machine: Machine) -> None:
    loading, words = CASES[where]
    sick = plant(loading=loading, parts=parts(input=0.05), ablation=ablation("cached_batch", 1.5))
    cause = input_cause(sick)
    assert cause is not None
    assert (cause.where, cause.words) == (where, words)
    said = diagnose(sick, machine)
    assert said.findings[0].where == where
    assert words in said.verdict
    assert " in ;" not in said.verdict
    assert len(said.verdict.split()) <= 25


def test_workers_are_not_blamed_where_collation_alone_is_not_known(plant: Plant) -> None:
    cause = input_cause(plant(loading={"sample_s": 1e-6, "batch_s": 3e-3, "workers": 2, "collate_s": None}))
    assert cause is not None
    assert cause.where != "input: workers"


def test_changes_made_ahead_are_no_part_of_fetching(plant: Plant) -> None:
    loading = {"sample_s": 1e-5, "batch_s": 2e-2, "change_s": {"Blur": 1.9e-2}}
    made_ahead, after = input_cause(plant(loading=loading | {"ahead": True})), input_cause(plant(loading=loading))
    assert made_ahead is not None
    assert after is not None
    assert (made_ahead.where, after.where) == ("input: Blur", "input: collating")


def test_the_verdict_speaks_against_the_constant_batch_bound(plant: Plant, machine: Machine) -> None:
    sick = plant(parts=parts(input=0.05), ablation=ablation("cached_batch", 1.5), loading=None)
    found = RULES["input_bound"](sick, machine)
    assert isinstance(found, Finding)
    assert found.bound == pytest.approx(1.515)
    assert found.sentence == "Data loading costs 34 % (640 samples/s, 970 without)."


def test_slow_changes_on_the_cpu_cost_data_and_not_a_copy(plant: Plant, machine: Machine) -> None:
    sick = plant(
        parts=parts(transfer=0.05), ablation=ablation("cached_batch", 1.5), loading={"change_s": {"Blur": 0.05}}
    )
    found = diagnose(sick, machine).findings
    assert [one.symptom for one in found] == ["input_bound"]
    assert RULES["input_bound"](msgspec.structs.replace(sick, device="cuda"), machine) is None


def test_a_loader_that_works_ahead_is_judged_by_the_ablation(plant: Plant, machine: Machine) -> None:
    """The share of the step in which it is waited for hides its work."""
    seen = ablation("cached_batch", 1.4)
    for loading in ({"workers": 2}, {"ahead": True}):
        found = RULES["input_bound"](plant(parts=parts(input=0.05), ablation=seen, loading=loading), machine)
        assert isinstance(found, Finding)
        assert found.bound == pytest.approx(1.4)


def test_spreading_work_over_workers_gains_only_what_the_cores_allow(plant: Plant, machine: Machine) -> None:
    """A step of 98 ms waits for a worker that computes 98 ms a batch; the step itself needs 49 ms."""
    loading = {"workers": 4, "worker_skew": 4.0, "batch_s": 0.098, "cpu_share": 1.0, "sample_s": 1.5e-3}
    steps = msgspec.structs.replace(ablation("cached_batch", 2.0), step_s=0.098)
    sick = plant(parts=parts(input=0.05), ablation=steps, loading=loading)
    on_four, on_two = (RULES["worker_skew"](sick, msgspec.structs.replace(machine, cores=cores)) for cores in (4, 2))
    assert isinstance(on_four, Finding)
    assert isinstance(on_two, Finding)
    assert on_four.bound == pytest.approx(2.0)
    assert on_two.bound == pytest.approx(98 / 73.5)
    assert diagnose(sick, machine).findings[0].symptom == "worker_skew"
