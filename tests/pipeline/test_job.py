"""The main job from end to end on a small task, and how it compares and budgets."""

from pathlib import Path

import pytest

import hasten
from hasten import Stop
from hasten.base.errors import BadInput
from hasten.base.records.evidence import Evidence, Reported
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.record import load
from hasten.base.records.run import RunResult, TaskFacts
from hasten.base.records.trial import Trial, Tuning
from hasten.pipeline.budget import tuning_budget_s
from hasten.techniques.plan_file import read_plan

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
        "machine.json", "plan.toml", "train.py", "metrics.jsonl", "evidence.json", "evidence.json.sha256",
        "report.html",
        "checkpoints/last.pt", "checkpoints/model.safetensors", "checkpoints/model.safetensors.sha256", ".lock",
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
