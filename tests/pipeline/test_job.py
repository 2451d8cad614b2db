"""The main job from end to end on a small task, and how it compares and budgets."""

from pathlib import Path

import msgspec
import pytest

import hasten
from hasten import Choice, Plan, Stop
from hasten.base.errors import BadInput
from hasten.base.records.evidence import Evidence, Reported
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.record import load
from hasten.base.records.run import RunResult, StopReason, TaskFacts
from hasten.base.records.trial import Trial, Tuning
from hasten.pipeline.budget import tuning_budget_s
from hasten.pipeline.comparing import compare, paired_speedup
from hasten.techniques.applying import make
from hasten.techniques.plan_file import read_plan
from hasten.training.recipe import baseline
from hasten.training.running import run_training

from tiny_tasks import mlp_task


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.slow
def test_run_leaves_a_folder_with_everything_in_it(tmp_path: Path) -> None:
    shown: list[object] = []
    task = mlp_task(samples=400, stop=Stop(epochs=40, target=0.95))
    job = hasten.run(task, budget="5s", seeds=2, runs=tmp_path / "runs", show=shown.append)
    names = {str(path.relative_to(job.folder)) for path in job.folder.rglob("*") if path.is_file()}
    assert names == {
        "machine.json", "plan.toml", "metrics.jsonl", "evidence.json", "report.html",
        "checkpoints/last.pt", "checkpoints/model.safetensors",
    }  # fmt: skip
    evidence = load(Evidence, job.folder / "evidence.json")
    assert evidence == job.evidence
    assert evidence.profile.diagnosis is not None
    assert evidence.profile.verdict == evidence.profile.diagnosis.verdict
    pairs = 2 if evidence.plan.choices else 1  # a plan that turned out empty is the baseline: nothing to compare
    assert len(evidence.plan_runs) == len(evidence.baseline_runs) == pairs
    assert [run.seed for run in evidence.plan_runs] == [run.seed for run in evidence.baseline_runs]
    assert read_plan(job.folder / "plan.toml").names == evidence.plan.names
    kinds = [type(record) for record in shown]
    order = [kinds.index(kind) for kind in (Machine, TaskFacts, Profile, Trial, Tuning, RunResult, Evidence, Reported)]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("text", "planned", "expected"),
    [(None, 10, 30), (None, 1000, 50), (None, 1e9, 600), (None, float("inf"), 600), ("2m", 1, 120), ("5%", 400, 20)],
)
def test_budgets(text: str | None, planned: float, expected: float) -> None:
    assert tuning_budget_s(text, planned) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "planned"), [("5 %%", 10), ("-5%", 10), ("5%", float("inf")), ("soon", 10)])
def test_budgets_that_make_no_sense(text: str, planned: float) -> None:
    with pytest.raises(BadInput, match="must"):
        tuning_budget_s(text, planned)


def test_compare_pairs_the_seeds_and_the_first_is_the_training_that_was_there() -> None:
    recipe = baseline(mlp_task())
    planned = make("clip_norm").apply(recipe)
    plan = Plan(task="tiny", choices=(Choice(technique="clip_norm"),))
    first = run_training(planned, plan, show=lambda record: None).result
    compared = compare(recipe, planned, plan, first, seeds=3, show=lambda record: None)
    pairs = compared.pairs
    assert compared.interrupted_by is None
    assert all((a.plan, b.plan) == (("clip_norm",), ()) for a, b in pairs)
    assert len(pairs) == 3
    assert pairs[0][0] == first
    assert all(a.seed == b.seed for a, b in pairs)
    assert len({a.seed for a, _ in pairs}) == 3
    speedup = paired_speedup(pairs)
    assert speedup is not None
    assert speedup.n == 3


def result(elapsed_s: float, *, target: float | None, reached: bool) -> RunResult:
    empty = RunResult(
        task="t", metric_name="accuracy", higher_is_better=True, target=target, plan=(), seed=0,
        reason=StopReason.TARGET, steps=1, elapsed_s=elapsed_s, time_to_target_s=elapsed_s if reached else None,
        best_metric=1, final_metric=1, final_valid_loss=0, samples_per_s=1, evaluations=(),
    )  # fmt: skip
    return msgspec.structs.replace(empty)


def test_only_pairs_that_both_reached_the_target_count() -> None:
    plan, plain = result(1, target=0.9, reached=True), result(2, target=0.9, reached=True)
    missed = result(9, target=0.9, reached=False)
    assert paired_speedup([(plan, plain)]) is None
    assert paired_speedup([(plan, plain), (missed, plain)]) is None
    speedup = paired_speedup([(plan, plain), (plan, plain), (plan, missed)])
    assert (speedup.value, speedup.n) == (pytest.approx(2), 2)
    open_end = [(result(1, target=None, reached=False), result(3, target=None, reached=False))] * 2
    assert paired_speedup(open_end).value == pytest.approx(3)
