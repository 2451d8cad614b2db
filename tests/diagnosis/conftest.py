"""A healthy profile of an ordinary step, and changes that plant a fault in it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hasten.base.records.complexity import Complexity, LayerCost
from hasten.base.records.machine import Machine, Peak
from hasten.base.records.profile import MemoryAccount, Profile, Roofline
from hasten.base.records.record import Interval
from hasten.base.records.signals import Ablation, Loading, MachineLoad, StepSpread, Structure

from diagnosis_records import GB, ablation, operator, parts

Plant = Callable[..., Profile]


@pytest.fixture
def machine() -> Machine:
    def peak(form: str, rate: float) -> Peak:
        return Peak(
            kind="gemm", format=form, backend="mkl", size=(1024, 1024, 1024), rate=rate, spread=0.01, stable=True
        )

    return Machine(
        cpu="a processor",
        isa=("avx2",),
        cores=4,
        threads=4,
        memory_bytes=16 * GB,
        gpu=None,
        compiler=None,
        platform="linux",
        python="3.11",
        torch="2.13",
        peaks=(peak("float32", 1e11), peak("bfloat16", 2e11)),
    )


@pytest.fixture
def healthy() -> Profile:
    layer = LayerCost(
        name="0",
        kind="Linear",
        parameters=10**6,
        flops_forward=10**9,
        flops_backward=2 * 10**9,
        bytes_forward=10**7,
        bytes_backward=2 * 10**7,
        activation_bytes=10**7,
    )
    return Profile(
        task="healthy",
        command="healthy --data DIR",
        plan=(),
        steps=100,
        step_s=Interval(value=0.098, low=0.097, high=0.099, n=30),
        samples_per_s=640.0,
        parts=parts(),
        parameters=10**6,
        peak_bytes=4 * GB,
        verdict="",
        batch_size=64,
        planned_steps=10_000,
        build_s=0.1,
        first_step_s=0.15,
        evaluation_s=1.0,
        steps_per_evaluation=500,
        checkpoint_s=0.01,
        complexity=Complexity(layers=(layer,), uncounted=()),
        roofline=Roofline(
            number_format="bfloat16", peak_flops=2e11, peak_bandwidth=2e10, bound_s=0.055, achieved=0.6, layers=()
        ),
        memory=MemoryAccount(
            parameters=4 * 10**6,
            gradients=4 * 10**6,
            optimizer_state=8 * 10**6,
            activations=3 * GB,
            inputs=10**6,
            framework=3 * 10**8,
            predicted_peak=4 * GB,
            measured_peak=4 * GB,
            available=15 * GB,
            largest_batch=240,
            growth_per_step=Interval(value=0.0, low=-10.0, high=10.0, n=30),
        ),
        spread=StepSpread(
            median_s=0.098, p99_s=0.12, outliers=0, period=None, excess_share=0.001, collector_share=0.001
        ),
        loading=Loading(sample_s=1e-5, batch_s=1e-3, cpu_share=1.0, read_bytes_per_s=0.0, workers=0),
        operators=(
            operator("aten.mm", 0.025, form="bfloat16"),
            operator("aten.mm", 0.055, phase="backward", form="bfloat16"),
            operator("aten.add", 0.008),
        ),
        structure=Structure(
            number_format="bfloat16",
            fused_update=True,
            padding_share=0.05,
            recompilations=0,
            sync_points=None,
            queue_empty_share=None,
        ),
        load=MachineLoad(foreign_share=0.01, waited_share=0.01, clock_share=0.99),
        ablations=(
            ablation("cached_batch", 1.01),
            ablation("doubled_batch", 1.04),
            ablation("skipped_update", 1.05),
            ablation("thread_sweep", 1.0, detail="2 threads"),
            ablation("no_logging", 1.0),
            ablation("padded_products", 1.01, detail="1000 x 1000"),
        ),
    )


@pytest.fixture
def plant(healthy: Profile) -> Plant:
    """Return a function that changes the healthy profile; a dictionary changes fields of the record in that field."""

    def planted(**changes: Any) -> Profile:
        values = {
            name: msgspec.structs.replace(getattr(healthy, name), **value) if isinstance(value, dict) else value
            for name, value in changes.items()
            if name != "ablation"
        }
        if "ablation" in changes:
            new: Ablation = changes["ablation"]
            values["ablations"] = (*(one for one in healthy.ablations if one.name != new.name), new)
        return msgspec.structs.replace(healthy, **values)

    return planted
