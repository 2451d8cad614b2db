"""A whole run's evidence as the tests of the report need it: made up, and of the size of a real one."""

import math
from typing import Any

import msgspec

from hasten.base.records.complexity import Complexity, LayerCost
from hasten.base.records.evidence import Evidence
from hasten.base.records.finding import Diagnosis, Finding, Severity
from hasten.base.records.history import Forecast, Outcome
from hasten.base.records.machine import Machine, Peak
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.profile import (
    Growth,
    LayerBound,
    MemoryAccount,
    PartMemory,
    PartTime,
    Profile,
    Roofline,
    StepAnatomy,
)
from hasten.base.records.record import Interval
from hasten.base.records.run import Evaluation, RunResult, StopReason, TaskFacts
from hasten.base.records.signals import Ablation
from hasten.base.records.trial import Gate, Trial, Tuning, Verdict
from hasten.base.stages import Guarantee
from hasten.report.contents import contents
from hasten.report.html import page
from hasten.techniques.plan_text import plan_text

SEEDS = (0, 4711, 1303)
CHOSEN = ("batched_gather", "bf16")


def interval(value: float, half: float = 0.05, n: int = 24) -> Interval:
    return Interval(value=value, low=value * (1 - half), high=value * (1 + half), n=n)


def peak(kind: str, number_format: str, backend: str, size: tuple[int, ...], rate: float, **rest: Any) -> Peak:
    return Peak(
        kind=kind,
        format=number_format,
        backend=backend,
        size=size,
        rate=rate,
        **{"spread": 0.01, "stable": True, **rest},
    )


def make_machine() -> Machine:
    return Machine(
        cpu="AMD EPYC",
        isa=("avx2", "avx512", "avx512_bf16", "avx512_vnni"),
        cores=2,
        threads=2,
        memory_bytes=24 << 30,
        gpu=None,
        compiler="/usr/bin/g++",
        platform="Linux-6.1-x86_64-with-glibc2.36",
        python="3.11.7",
        torch="2.13.0+cpu",
        peaks=(
            peak("gemm", "float32", "mkl", (512, 512, 512), 1.5e11),
            peak("gemm", "float32", "mkl", (2048, 2048, 2048), 2.1e11),
            peak("gemm", "float32", "onednn", (2048, 2048, 2048), 3.9e11),
            peak("gemm", "bfloat16", "onednn", (2048, 2048, 2048), 7.2e11),
            peak("gemm", "int8", "onednn", (2048, 2048, 2048), 1.1e12, stable=False, spread=0.4),
            peak("conv", "float32", "onednn", (32, 64, 28, 28, 64, 3), 2.9e11, variant="channels_last"),
            peak("memory", "float32", "", (256 << 20,), 2.4e10, variant="copy"),
            peak("disk", "", "", (64 << 20,), 1.9e9, variant="read"),
        ),
        remarks=("float32 products are 1.86 times as fast with oneDNN as with MKL",),
        measured_s=11.2,
    )


def make_profile() -> Profile:
    parts = {
        "input": 0.61e-3,
        "transfer": 0.0,
        "forward": 0.22e-3,
        "loss": 0.05e-3,
        "backward": 0.31e-3,
        "gradient": 0.004e-3,
        "update": 0.14e-3,
        "other": 0.02e-3,
        "evaluation": 0.11e-3,
        "checkpoint": 0.001e-3,
        "hiccups": 0.03e-3,
    }
    whole = sum(parts.values())
    return Profile(
        task="digits",
        plan=(),
        steps=812,
        step_s=interval(1.354e-3, 0.02, 30),
        samples_per_s=47_300.0,
        parts=tuple(PartTime(name=name, seconds=value, share=value / whole) for name, value in parts.items()),
        parameters=26_122,
        peak_bytes=3 << 20,
        verdict="41 % of the time goes into fetching batches: the step waits for its input.",
        batch_size=64,
    )


def make_deep_profile() -> Profile:
    """Return a profile with everything that one in depth has."""
    layers = (
        LayerCost("layers.0", "Linear", 1200, 786_432, 1_572_864, 300_000, 600_000, 1 << 18),
        LayerCost("layers.1", "ReLU", 0, 0, 0, 100_000, 200_000, 1 << 16),
        LayerCost("layers.2", "Linear", 400, 196_608, 393_216, 90_000, 180_000, 1 << 16),
        LayerCost("layers", "Sequential", 0, 0, 0, 0, 0, 0),
    )
    layer_s = {"layers.0": 120e-6, "layers.1": 30e-6, "layers.2": 50e-6}
    bound_s = {"layers.0": 30e-6, "layers.1": 2e-6, "layers.2": 8e-6}
    account = MemoryAccount(
        parameters=1 << 20,
        gradients=1 << 20,
        optimizer_state=2 << 20,
        activations=3 << 20,
        inputs=1 << 10,
        framework=200 << 20,
        predicted_peak=6 << 20,
        measured_peak=6 << 20,
        available=1 << 33,
        largest_batch=9000,
        over_step=(
            PartMemory("forward", 5 << 20, 5 << 20),
            PartMemory("backward", 6 << 20, 4 << 20),
            PartMemory("update", 5 << 20, 3 << 20),
        ),
    )
    finding = Finding(
        symptom="input_bound",
        severity=Severity.CRITICAL,
        sentence="41 % of the time is spent waiting for batches.",
        value=0.41,
        threshold=0.1,
        bound=1.69,
        techniques=("batched_gather",),
        check="hasten profile digits",
    )
    plain = make_profile()
    return msgspec.structs.replace(
        plain,
        complexity=Complexity(layers=layers, uncounted=()),
        layer_s=layer_s,
        roofline=Roofline(
            number_format="float32",
            peak_flops=2e11,
            peak_bandwidth=2e10,
            bound_s=40e-6,
            achieved=0.1,
            layers=tuple(
                LayerBound(
                    name=one.name,
                    flops=one.flops_forward + one.flops_backward,
                    bytes_moved=one.bytes_forward + one.bytes_backward,
                    seconds=bound_s.get(one.name, 0.0),
                    by="compute",
                    measured_s=layer_s.get(one.name),
                )
                for one in layers
            ),
        ),
        memory=account,
        growth=(Growth("time", "batch size", (16, 32, 64), (1e-3, 1.9e-3, 3.7e-3), interval(0.95, 0.05, 3), 1.0),),
        ablations=(
            Ablation(name="skipped_update", removes="the update", ratio=interval(0.99, 0.01)),
            Ablation(name="cached_batch", removes="the wait for data", ratio=interval(1.75, 0.05)),
            Ablation(name="doubled_batch", removes="doubled", ratio=None, failed="out of memory"),
        ),
        diagnosis=Diagnosis(verdict=plain.verdict, findings=(finding,)),
        remarks=("the distance is not known",),
    )


def make_trials() -> tuple[Trial, ...]:
    rounding, free = Guarantee.ROUNDING, Guarantee.EXACT
    gate = Gate(guarantee=rounding, passed=True, measured=1.1, bound=3.0, detail="worst gradient against float64")
    return (
        Trial(
            technique="batched_gather",
            guarantee=free,
            verdict=Verdict.KEPT,
            speedup=interval(1.62),
            reason="the interval lies above 1.02",
        ),
        Trial(technique="onednn_fp32", guarantee=rounding, verdict=Verdict.SLOWER, speedup=interval(0.83), gate=gate),
        Trial(
            technique="channels_last",
            guarantee=rounding,
            verdict=Verdict.NOT_APPLICABLE,
            reason="the model has no 2-dimensional convolution",
        ),
        Trial(technique="bf16", guarantee=Guarantee.PRECISION, verdict=Verdict.KEPT, speedup=interval(1.21)),
        Trial(
            technique="compile",
            guarantee=rounding,
            verdict=Verdict.INCONCLUSIVE,
            speedup=interval(1.1, 0.3, 6),
            reason="the budget ended before the answer was clear",
            setup_s=14.2,
        ),
        Trial(
            technique="fused_optimizer",
            guarantee=rounding,
            verdict=Verdict.NO_DIFFERENCE,
            speedup=interval(1.003, 0.01),
            base=("batched_gather",),
        ),
        Trial(
            technique="clip_adaptive",
            guarantee=Guarantee.TRAJECTORY,
            verdict=Verdict.NOT_ALLOWED,
            reason="changes the path; allow it with --allow trajectory",
            knobs={"share": 0.02},
        ),
    )


def make_run(seed: int, plan: tuple[str, ...], *, pace: float, reaches: bool = True) -> RunResult:
    """Return a training whose accuracy rises towards 99 % and stops at 97 %; `pace` is seconds per epoch."""
    evaluations: list[Evaluation] = []
    for epoch in range(1, 13):
        lag = epoch + 0.3 * (seed % 3)
        metric = 0.985 - 0.5 * math.exp(-lag / 2.2)
        evaluations.append(
            Evaluation(
                step=23 * epoch,
                epoch=epoch,
                elapsed_s=pace * epoch,
                train_loss=2.2 * math.exp(-lag / 2.5) + 0.02,
                valid_loss=2.1 * math.exp(-lag / 2.8) + 0.07,
                metric=metric if reaches else metric - 0.1,
                best=True,
            )
        )
        if reaches and metric >= 0.97:
            break
    last = evaluations[-1]
    return RunResult(
        task="digits",
        metric_name="accuracy",
        higher_is_better=True,
        target=0.97,
        plan=plan,
        seed=seed,
        reason=StopReason.TARGET if reaches else StopReason.EPOCHS,
        steps=last.step,
        elapsed_s=last.elapsed_s,
        time_to_target_s=last.elapsed_s if reaches else None,
        best_metric=last.metric,
        final_metric=last.metric,
        final_valid_loss=last.valid_loss,
        samples_per_s=1437 / pace,
        evaluations=tuple(evaluations),
    )


def make_evidence(**changes: Any) -> Evidence:
    """Return the evidence of a run in which the plan was 2.3 times as fast, with some fields changed."""
    choices = (
        Choice(technique="batched_gather", gain=interval(1.6)),
        Choice(technique="bf16", gain=interval(1.2), note="kept"),
    )
    plan = Plan(task="digits", machine="AMD EPYC", choices=choices)
    evidence = Evidence(
        hasten="0.1.0",
        made_at="2025-01-01T12:00:00+00:00",
        machine=make_machine(),
        task=TaskFacts(
            name="digits",
            train_samples=1437,
            valid_samples=360,
            sample_shape="1x8x8 -> 10 classes",
            parameters=26_122,
            batch_size=64,
            optimizer="adamw",
            learning_rate=1e-3,
            schedule="fixed",
            epochs=30,
            steps=None,
            metric="accuracy",
            target=0.97,
        ),
        profile=make_profile(),
        tuning=Tuning(
            task="digits",
            budget_s=30.0,
            spent_s=24.6,
            noise=interval(1.001, 0.01, 20),
            smallest_difference=0.02,
            trials=make_trials(),
            plan=plan,
            speedup=interval(1.94, 0.03, 30),
        ),
        plan=plan,
        plan_text=plan_text(plan),
        plan_runs=tuple(make_run(seed, CHOSEN, pace=0.013) for seed in SEEDS),
        baseline_runs=tuple(make_run(seed, (), pace=0.030) for seed in SEEDS),
        speedup=Interval(value=2.3, low=2.1, high=2.5, n=3),
    )
    return msgspec.structs.replace(evidence, **changes)


def make_outcome(expected: float, measured: float, trained: float | None = None, *, day: int = 1) -> Outcome:
    return Outcome(
        made_at=f"2025-01-{day:02}T12:00:00+00:00",
        forecast=Forecast(plan=CHOSEN, expected=interval(expected, 0.08), measured=interval(measured, 0.03)),
        trained=interval(trained, 0.1, 3) if trained is not None else None,
    )


def make_whole_evidence(**changes: Any) -> Evidence:
    """Return the evidence of a run with everything in it that a report can show."""
    plain = make_deep_profile()
    faster = {"input": 0.03e-3, "forward": 0.15e-3, "backward": 0.21e-3}
    parts = tuple(msgspec.structs.replace(one, seconds=faster.get(one.name, one.seconds)) for one in plain.parts)
    whole_s = sum(one.seconds for one in parts)
    before = StepAnatomy(
        plan=(), steps=900, step_s=plain.step_s, batch_size=64, parts=plain.parts, step_peaks=(3 << 20,) * 5
    )
    after = msgspec.structs.replace(
        before,
        plan=CHOSEN,
        step_s=interval(0.65e-3, 0.02, 30),
        parts=tuple(msgspec.structs.replace(one, share=one.seconds / whole_s) for one in parts),
        step_peaks=(2 << 20,) * 5,
    )
    evidence = make_evidence(
        profile=plain,
        in_turn=(before, after),
        level=0.97,
        memory=Interval(value=2 / 3, low=0.66, high=0.67, n=5),
        quality=Interval(value=0.001, low=-0.004, high=0.006, n=3),
        history=(
            make_outcome(1.5, 1.45, 1.4, day=1),
            make_outcome(2.6, 1.1, day=2),
            make_outcome(1.9, 1.94, 2.3, day=3),
        ),
        script='"""digits, plain."""\n\nprint("<trained>")\n',
        command="hasten run digits --seeds 3",
    )
    return msgspec.structs.replace(evidence, **changes)


def rendered(evidence: Evidence) -> str:
    """Return the page of a run."""
    return page(contents(evidence), evidence.profile)
