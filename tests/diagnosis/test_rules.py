"""Every rule fires on its planted fault, is silent on a healthy profile, and abstains without its signal."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.record import Interval
from hasten.base.records.signals import Habit
from hasten.diagnosis.diagnose import diagnose
from hasten.diagnosis.registry import RULES

from diagnosis_records import GB, ablation, operator, parts

Plant = Callable[..., Profile]


def slow_input(healthy: Profile) -> dict[str, Any]:
    return {"parts": parts(input=0.05), "ablation": ablation("cached_batch", 1.5)}


FAULTS: dict[str, Callable[[Profile], dict[str, Any]]] = {
    "input_bound": slow_input,
    "loader_cpu_bound": slow_input,
    "io_bound": lambda healthy: slow_input(healthy) | {"loading": {"cpu_share": 0.1}},
    "worker_skew": lambda healthy: slow_input(healthy) | {"loading": {"workers": 4, "worker_skew": 3.0}},
    "h2d_bound": lambda healthy: {
        "device": "cuda",
        "parts": parts(transfer=0.03),
        "loading": {"pinned": False},
    },
    "host_bound": lambda healthy: {"ablation": ablation("doubled_batch", 1.7)},
    "small_kernels": lambda healthy: {"operators": (operator("aten.add", 0.04, calls=5000),)},
    "sync_points": lambda healthy: {"device": "cuda", "structure": {"sync_points": 4.0}},
    "low_compute_efficiency": lambda healthy: {"roofline": {"achieved": 0.2}},
    "precision_unused": lambda healthy: {"operators": (operator("aten.mm", 0.08),)},
    "misaligned_shapes": lambda healthy: {
        "operators": (operator("aten.mm", 0.01, form="bfloat16", shapes=((1021, 64), (64, 1021))),),
        "ablation": ablation("padded_products", 1.2, detail="1021 x 1021"),
    },
    "attention_unfused": lambda healthy: {
        "operators": (operator("aten.bmm", 0.03), operator("aten._softmax", 0.02)),
        "ablation": ablation("fused_attention", 1.3),
    },
    "optimizer_heavy": lambda healthy: {
        "parts": parts(update=0.05),
        "structure": {"fused_update": False},
        "ablation": ablation("skipped_update", 1.5),
    },
    "backward_anomaly": lambda healthy: {"parts": parts(backward=0.2)},
    "needless_checkpointing": lambda healthy: {
        "operators": (*(healthy.operators or ()), operator("aten.mm", 0.02, phase="recomputation")),
    },
    "padding_waste": lambda healthy: {"structure": {"padding_share": 0.6}},
    "recompiles": lambda healthy: {"structure": {"recompilations": 5}, "spread": {"excess_share": 0.3}},
    "step_outliers": lambda healthy: {
        "spread": {"p99_s": 0.5, "outliers": 5, "period": 20, "excess_share": 0.2},
    },
    "eval_ckpt_overhead": lambda healthy: {"parts": parts(evaluation=0.04)},
    "cold_start": lambda healthy: {"first_step_s": 90.0, "planned_steps": 1000},
    "thermal_or_contention": lambda healthy: {"load": {"foreign_share": 0.5, "waited_share": 1.0}},
    "thread_oversubscription": lambda healthy: {"ablation": ablation("thread_sweep", 1.3, detail="2 threads")},
    "static_anti_patterns": lambda healthy: {
        "structure": {"habits": (Habit(name="loop_indexing", where="forward", seconds=0.02),)},
    },
    "near_memory_limit": lambda healthy: {"memory": {"measured_peak": 14 * GB}},
    "memory_headroom": lambda healthy: {"ablation": ablation("doubled_batch", 1.15)},
    "memory_fragmentation": lambda healthy: {"device": "cuda", "memory": {"reserved": 10 * GB}},
    "memory_leak": lambda healthy: {
        "memory": {"growth_per_step": Interval(value=1e6, low=9e5, high=1.1e6, n=30)},
    },
    "memory_hog": lambda healthy: {"memory": {"measured_peak": 8 * GB, "activations": 7 * GB}},
}

FIRST = {
    "loader_cpu_bound": "input_bound",
    "io_bound": "input_bound",
}
"""Rules that say why another one fires, and stand behind it."""

WITHOUT: dict[str, dict[str, Any]] = {
    "loader_cpu_bound": {"loading": None},
    "io_bound": {"loading": None},
    "worker_skew": {"loading": None},
    "h2d_bound": {"device": "cpu"},
    "host_bound": {"ablations": ()},
    "small_kernels": {"operators": None},
    "sync_points": {"structure": None},
    "low_compute_efficiency": {"roofline": None},
    "precision_unused": {"operators": None},
    "misaligned_shapes": {"operators": None},
    "attention_unfused": {"operators": None},
    "backward_anomaly": {"complexity": None},
    "needless_checkpointing": {"memory": None},
    "padding_waste": {"structure": {"padding_share": None}},
    "step_outliers": {"spread": None},
    "thermal_or_contention": {"load": None},
    "thread_oversubscription": {"ablations": ()},
    "static_anti_patterns": {"structure": None},
    "near_memory_limit": {"memory": None},
    "memory_headroom": {"memory": None},
    "memory_fragmentation": {"memory": {"reserved": None}},
    "memory_leak": {"memory": {"growth_per_step": None}},
    "memory_hog": {"memory": None},
}


def test_every_rule_has_its_planted_fault() -> None:
    assert set(FAULTS) == set(RULES)


@pytest.mark.parametrize("symptom", sorted(FAULTS))
def test_a_planted_fault_fires_its_rule(symptom: str, healthy: Profile, plant: Plant, machine: Machine) -> None:
    found = RULES[symptom](plant(**FAULTS[symptom](healthy)), machine)
    assert isinstance(found, Finding)
    assert found.symptom == symptom
    assert any(letter.isdigit() for letter in found.sentence) or symptom in ("static_anti_patterns",)
    assert found.check == "hasten profile healthy --data DIR"
    assert found.advice
    assert found.bound is None or found.bound >= 1


@pytest.mark.parametrize("symptom", sorted(RULES))
def test_a_rule_is_silent_on_a_healthy_profile(symptom: str, healthy: Profile, machine: Machine) -> None:
    assert not isinstance(RULES[symptom](healthy, machine), Finding)


@pytest.mark.parametrize("symptom", sorted(WITHOUT))
def test_a_rule_without_its_signal_abstains(symptom: str, plant: Plant, machine: Machine) -> None:
    said = RULES[symptom](plant(**WITHOUT[symptom]), machine)
    assert isinstance(said, Abstained)
    assert said.symptom == symptom
    assert said.reason


@pytest.mark.parametrize("symptom", sorted(FAULTS))
def test_the_verdict_names_the_planted_fault_first(
    symptom: str, healthy: Profile, plant: Plant, machine: Machine
) -> None:
    said = diagnose(plant(**FAULTS[symptom](healthy)), machine)
    assert said.findings[0].symptom == FIRST.get(symptom, symptom)
    assert symptom in {one.symptom for one in said.findings}
    assert len(said.verdict.split()) <= 25


def test_a_healthy_profile_gets_no_finding_and_a_plain_verdict(healthy: Profile, machine: Machine) -> None:
    said = diagnose(healthy, machine)
    assert said.findings == ()
    assert said.verdict == "No problem found: a step takes 98.0 ms, 60 % of it backward."
    assert set(said.silent) | {one.symptom for one in said.abstained} == set(RULES)


def test_what_a_finding_explains_comes_after_it(healthy: Profile, plant: Plant, machine: Machine) -> None:
    sick = plant(
        roofline={"achieved": 0.01},  # seems to cost more than its cause
        ablation=ablation("doubled_batch", 1.6),
    )
    symptoms = [one.symptom for one in diagnose(sick, machine).findings]
    assert symptoms.index("host_bound") == 0
    assert symptoms.index("low_compute_efficiency") > 0


def test_where_threads_wait_for_cores_their_neighbors_are_told_first(plant: Plant, machine: Machine) -> None:
    busy = {"foreign_share": 0.5, "waited_share": 0.6 * machine.threads}
    sick = plant(load=busy, ablation=ablation("doubled_batch", 1.9))
    symptoms = [one.symptom for one in diagnose(sick, machine).findings]
    assert symptoms[0] == "thermal_or_contention"
    assert "host_bound" in symptoms


def test_what_ends_the_training_comes_before_what_slows_it(healthy: Profile, plant: Plant, machine: Machine) -> None:
    sick = plant(**FAULTS["memory_leak"](healthy), parts=parts(input=0.5), ablations=(ablation("cached_batch", 3.0),))
    symptoms = [one.symptom for one in diagnose(sick, machine).findings]
    assert symptoms[:2] == ["memory_leak", "input_bound"]


def test_a_wait_that_no_ablation_can_gain_is_not_told(healthy: Profile, plant: Plant, machine: Machine) -> None:
    waiting = plant(parts=parts(input=0.05), ablation=ablation("cached_batch", 1.0))
    assert RULES["input_bound"](waiting, machine) is None


def test_a_ablation_too_wide_to_tell_leaves_the_share_of_the_time(
    healthy: Profile, plant: Plant, machine: Machine
) -> None:
    wide = msgspec.structs.replace(ablation("cached_batch", 1.5), ratio=Interval(value=1.5, low=0.8, high=4.0, n=3))
    found = RULES["input_bound"](plant(parts=parts(input=0.05), ablation=wide), machine)
    assert isinstance(found, Finding)
    assert found.bound_from == "share of the time"
    assert found.bound == pytest.approx(1 / (1 - 0.05 / 0.098))


@pytest.mark.parametrize(("share", "expected"), [(0.06, "note"), (0.15, "warning"), (0.3, "critical")])
def test_severity_follows_the_share_that_could_be_saved(
    share: float, expected: str, healthy: Profile, plant: Plant, machine: Machine
) -> None:
    others = sum(part.seconds for part in healthy.parts if part.name != "input")
    sick = plant(parts=parts(input=others * share / (1 - share)), ablations=())
    found = RULES["input_bound"](sick, machine)
    assert isinstance(found, Finding)
    assert found.severity is Severity(expected)


def test_gpu_rules_judge_a_gpu(healthy: Profile, plant: Plant, machine: Machine) -> None:
    found = RULES["host_bound"](plant(device="cuda", structure={"queue_empty_share": 0.9}), machine)
    assert isinstance(found, Finding)
    assert "queue is empty after 90 %" in found.sentence
    silent = plant(device="cuda", structure={"queue_empty_share": 0.1, "sync_points": 0.0})
    assert RULES["host_bound"](silent, machine) is None
    assert RULES["sync_points"](silent, machine) is None
    assert RULES["h2d_bound"](silent, machine) is None


def test_the_layer_of_diagnosis_goes_to_json_and_back(healthy: Profile, plant: Plant, machine: Machine) -> None:
    said = diagnose(plant(**FAULTS["optimizer_heavy"](healthy)), machine)
    assert msgspec.json.decode(msgspec.json.encode(said), type=type(said)) == said


def gpu_peaks(machine: Machine) -> Machine:
    rates = {"float32": 51e12, "tf32": 392e12, "bfloat16": 750e12}
    peaks = [msgspec.structs.replace(machine.peaks[0], format=form, rate=rate) for form, rate in rates.items()]
    return msgspec.structs.replace(machine, peaks=tuple(msgspec.structs.replace(one, device="cuda") for one in peaks))


def test_convolutions_in_tf32_are_compared_with_tf32(plant: Plant, machine: Machine) -> None:
    conv = msgspec.structs.replace(operator("aten.convolution", 0.05), arithmetic="tf32")
    found = RULES["precision_unused"](plant(device="cuda", operators=(conv,)), gpu_peaks(machine))
    assert isinstance(found, Finding)
    assert "bfloat16 runs 1.9x faster" in found.sentence
    assert found.bound == pytest.approx(1 / (1 - 0.5 * (1 - 392 / 750)), rel=0.05)


def test_each_format_saves_its_own_share(plant: Plant, machine: Machine) -> None:
    conv = msgspec.structs.replace(operator("aten.convolution", 0.02), arithmetic="tf32")
    mixed = (conv, operator("aten.mm", 0.02))
    found = RULES["precision_unused"](plant(device="cuda", operators=mixed), gpu_peaks(machine))
    assert isinstance(found, Finding)
    assert "float32 and tf32" in found.sentence
    total_s = 0.1
    saved = 0.02 / total_s * (1 - 392 / 750) + 0.02 / total_s * (1 - 51 / 750)
    assert found.bound == pytest.approx(1 / (1 - saved), rel=0.02)


def test_reserved_memory_on_an_almost_empty_gpu_is_no_finding(plant: Plant, machine: Machine) -> None:
    filled = {"measured_peak": 2 * GB, "available": 150 * GB, "reserved": 3 * GB, "retries": 0}
    profile = plant(device="cuda", memory=filled)
    assert RULES["near_memory_limit"](profile, machine) is None
    assert RULES["memory_fragmentation"](profile, machine) is None


def test_retries_of_the_allocator_are_named(plant: Plant, machine: Machine) -> None:
    found = RULES["near_memory_limit"](plant(device="cuda", memory={"retries": 2}), machine)
    assert isinstance(found, Finding)
    assert "retry" in found.sentence


@pytest.mark.parametrize(("low", "fires"), [(9e5, True), (-1e3, False), (0.0, False)])
def test_a_leak_fires_only_on_a_slope_that_is_surely_above_zero(
    plant: Plant, machine: Machine, low: float, fires: bool
) -> None:
    slope = Interval(value=1e6, low=low, high=2e6, n=30)
    found = RULES["memory_leak"](plant(memory={"growth_per_step": slope}), machine)
    assert isinstance(found, Finding) is fires
