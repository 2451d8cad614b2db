import msgspec
import pytest

from hasten import Data
from hasten.base.records.profile import Growth, MemoryAccount, Roofline
from hasten.base.records.record import Interval
from hasten.base.records.run import TaskFacts
from hasten.report.depths import profile_sentences
from hasten.report.peaks import MAIN_KINDS, peak_rows
from hasten.report.summary import summary_rows
from hasten.report.trials import beside, finding, kept_first
from hasten.report.wording import (
    data_line,
    faster,
    goal,
    joined,
    knobs,
    loss_value,
    metric_value,
    ratio,
    times,
    training_line,
)
from hasten.training.facts import task_facts
from hasten.training.recipe import baseline

from sample_evidence import CHOSEN, interval, make_evidence, make_machine, make_profile, make_run, make_trials, peak
from tiny_tasks import mlp_task


def test_the_fastest_stable_peak_of_each_kind_is_shown() -> None:
    rows = peak_rows(make_machine())
    found = {(row.kind, row.how): (row.rate, row.size) for row in rows}
    assert found["matmul", "float32 mkl"] == ("210 GFLOP/s", "2048x2048x2048")
    assert found["memory", "float32 copy"] == ("24.0 GB/s", "256 MiB")
    assert found["convolution", "float32 onednn channels_last"] == ("290 GFLOP/s", "32x64x28x28x64x3")
    assert [row.kind for row in rows] == sorted((row.kind for row in rows), key=[row.kind for row in rows].index)


def test_an_unstable_peak_has_no_number() -> None:
    row = next(row for row in peak_rows(make_machine()) if row.how == "int8 onednn")
    assert (row.rate, row.spread, row.size) == ("unstable", "", "")


def test_the_short_list_leaves_convolutions_out_and_a_launch_is_a_time() -> None:
    machine = msgspec.structs.replace(
        make_machine(),
        peaks=(
            *make_machine().peaks,
            peak("launch", "", "", (1,), 4.2e-6, device="cuda"),
            peak("threads", "float32", "mkl", (1,), 1e11),
            peak("threads", "float32", "mkl", (2,), 2e11),
        ),
    )
    short = peak_rows(machine, MAIN_KINDS)
    assert "convolution" not in {row.kind for row in short}
    assert next(row for row in short if row.kind == "kernel launch").rate == "4.20 µs"
    assert [row.size for row in peak_rows(machine) if row.kind == "threads"] == ["1 thread", "2 threads"]


def test_what_a_profile_found_beside_the_parts_is_told_in_sentences() -> None:
    assert profile_sentences(make_profile()) == [], "what was not looked at is not mentioned"
    account = MemoryAccount(
        parameters=4 << 20,
        gradients=4 << 20,
        optimizer_state=8 << 20,
        activations=30 << 20,
        inputs=0,
        framework=0,
        predicted_peak=45 << 20,
        measured_peak=46 << 20,
        available=1 << 30,
        largest_batch=2048,
        verified_batch=1024,
    )
    limit = Roofline(
        number_format="float32", peak_flops=4e11, peak_bandwidth=2e10, bound_s=1e-3, achieved=0.31, layers=()
    )
    growth = Growth(cost="time", over="batch size", sizes=(1, 2), costs=(1.0, 2.0), exponent=interval(0.93), theory=1.0)
    memory, distance, grows = profile_sentences(
        msgspec.structs.replace(make_profile(), memory=account, roofline=limit, growth=(growth,))
    )
    assert memory.startswith("Peak memory of a step 46.0 MiB (45.0 MiB predicted): parameters 4.00 MiB, ")
    assert memory.endswith("activations 30.0 MiB. Largest batch size that fits: 2,048 (1,024 tried).")
    assert "31 % of the roofline of this machine (float32, 400 GFLOP/s, 20.0 GB/s)" in distance
    assert grows.startswith("Step time grows with batch size to the power 0.93 [0.88, 0.98], n = 24")


def test_more_than_the_machine_can_do_is_called_a_bad_peak() -> None:
    limit = Roofline(
        number_format="float32", peak_flops=5.1e13, peak_bandwidth=4.2e12, bound_s=1e-3, achieved=4.24, layers=()
    )
    (sentence,) = profile_sentences(msgspec.structs.replace(make_profile(), roofline=limit))
    assert "424" not in sentence
    assert "hasten machine --refresh" in sentence


def test_a_growth_that_was_not_found_out_is_told_as_such() -> None:
    vague = Interval(value=1.9, low=-4.9, high=8.7, n=3)
    growth = Growth(
        cost="time", over="image size", exponent=vague, theory=2.0, sizes=(8, 12, 16), costs=(1.0, 2.0, 3.0)
    )
    (sentence,) = profile_sentences(msgspec.structs.replace(make_profile(), growth=(growth,)))
    assert "interval too wide to report, n = 3 sizes (in theory to the power 2.00)" in sentence


def test_the_summary_compares_medians_with_their_range() -> None:
    rows = {row.name: row for row in summary_rows(make_evidence())}
    assert rows["time to target"].baseline.startswith("240 ms (")
    assert rows["time to target"].plan.startswith("104 ms (")
    assert rows["target reached"].plan == "3 of 3"
    assert rows["best accuracy"].plan == "97.4 % (97.2 % to 97.4 %)"
    assert "training time" not in rows, "it is the time to the target where all reached it"


def test_the_summary_of_trainings_that_missed_the_target() -> None:
    missed = (make_run(0, CHOSEN, pace=0.5, reaches=False),)
    rows = {row.name: row for row in summary_rows(make_evidence(plan_runs=missed))}
    assert rows["time to target"].plan == "not reached"
    assert rows["target reached"].plan == "0 of 1"
    assert rows["training time"].plan == "6.00 s"
    assert summary_rows(make_evidence(plan_runs=())) == []


@pytest.mark.parametrize(("value", "words"), [(2.3, "2.30x"), (0.834, "0.83x"), (12.34, "12.3x")])
def test_factors(value: float, words: str) -> None:
    assert times(value) == words


def test_a_ratio_never_stands_without_interval_and_n() -> None:
    assert ratio(interval(2.0), "pair") == "2.00x [1.90, 2.10], n = 24 pairs"
    assert ratio(interval(2.0, n=1), "pair") == "not measured (1 pair)"
    assert ratio(Interval(value=0.18, low=0.0, high=1000.0, n=2), "pair") == "interval too wide to report, n = 2 pairs"
    assert faster(interval(2.0), "seed", where=" to the end") == "2.00x faster [1.90, 2.10] to the end, n = 24 seeds"
    assert faster(Interval(value=1.02, low=0.6, high=1.6, n=3), "seed") == "1.02x as fast [0.60, 1.60], n = 3 seeds"
    assert faster(interval(0.8), "seed") == "0.80x as fast [0.76, 0.84], n = 24 seeds"
    assert faster(interval(2.0, n=1), "seed") == "not measured (1 seed)"


def test_metrics_losses_and_goals() -> None:
    assert metric_value("accuracy", 0.9731) == "97.3 %"
    assert metric_value("rmse", 1234.5) == "1234"
    assert metric_value("accuracy", None) == loss_value(None) == "not finite"
    assert goal("accuracy", 0.975) == "accuracy 97.5 %"
    assert goal("loss", 1.5) == "loss 1.5"
    assert loss_value(0.51234) == "0.5123"
    assert loss_value(1.2e-7) == "1.200e-07"


def test_a_trial_says_its_ratio_once_and_always_with_n() -> None:
    trial = make_trials()[0]
    assert finding(trial) == "1.62x [1.54, 1.70], n = 24 pairs; the interval lies above 1.02"
    told = msgspec.structs.replace(trial, reason="1.62x [1.54, 1.70] as fast beside bf16: 9 ms a step", base=("bf16",))
    assert finding(told) == "1.62x [1.54, 1.70] as fast beside bf16: 9 ms a step; n = 24 pairs"
    assert beside(told) == ""
    assert beside(msgspec.structs.replace(trial, base=("bf16", "compile"))) == "beside bf16, compile"
    assert finding(msgspec.structs.replace(trial, reason="")) == "1.62x [1.54, 1.70], n = 24 pairs"
    refused = next(trial for trial in make_trials() if trial.speedup is None)
    assert finding(refused) == refused.reason


def test_trials_that_were_kept_come_first() -> None:
    names = [trial.technique for trial in kept_first(make_trials())]
    assert "channels_last" not in names, "it was not tried"
    assert names == ["batched_gather", "bf16", "compile", "fused_optimizer", "onednn_fp32"]


def test_lists_of_names_and_knobs() -> None:
    assert joined([]) == "none"
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert knobs({"size": 16, "share": 0.5}) == "size = 16, share = 0.5"


def test_data_without_validation_samples_are_not_of_unknown_number() -> None:
    task = task_facts(
        baseline(mlp_task(data=Data(train=mlp_task().data.train), validate=lambda model: {"accuracy": 1.0}))
    )
    assert data_line(task).startswith("50 training and no validation samples, 5 -> ")


def test_how_a_task_is_trained_says_what_ends_it() -> None:
    task = make_evidence().task
    assert (
        training_line(task)
        == "batch size 64; adamw, learning rate 0.001, constant; at most 30 epochs; target: accuracy 97 %"
    )
    free = msgspec.structs.replace(task, epochs=None, steps=None, target=None, learning_rate=None)
    assert isinstance(free, TaskFacts)
    assert training_line(free) == "batch size 64; adamw, constant; target: none (accuracy is measured)"
