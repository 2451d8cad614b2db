"""The main job from end to end on a small task, and how it compares and budgets."""

import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

import hasten
from hasten import Choice, Plan, Stop
from hasten.api import tuning as api_tuning
from hasten.base.errors import BadInput
from hasten.base.records.evidence import Evidence, Reported
from hasten.base.records.history import Forecast
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.profile import Profile, StepAnatomy
from hasten.base.records.record import Interval, load
from hasten.base.records.run import RunResult, TaskFacts
from hasten.base.records.trial import Trial, Tuning
from hasten.machine import facts
from hasten.machine.set_threads import threads_set
from hasten.pipeline import comparing
from hasten.pipeline import job as job_module
from hasten.pipeline.budget import tuning_budget_s
from hasten.pipeline.comparing import Compared
from hasten.techniques.plan_file import read_plan

from sample_evidence import make_profile, make_whole_evidence
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
        "report.html", "report.md", "report.json",
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


@pytest.mark.parametrize(("step_s", "expected"), [(0.01, 30), (0.1, 70), (0.5, 120), (100, 120)])
def test_long_steps_get_time_for_a_proof_by_default_and_no_more(step_s: float, expected: float) -> None:
    assert tuning_budget_s(None, 10, step_s) == pytest.approx(expected)
    assert tuning_budget_s("20s", 10, step_s) == 20
    assert tuning_budget_s(None, 1e9, step_s) == 600


@pytest.mark.parametrize(
    ("text", "planned"), [("5 %%", 10), ("-5%", 10), ("5%", float("inf")), ("soon", 10), ("0s", 10)]
)
def test_budgets_that_make_no_sense(text: str, planned: float) -> None:
    with pytest.raises(BadInput, match="must"):
        tuning_budget_s(text, planned)


def tuned_to(names: tuple[str, ...]) -> Tuning:
    """Return a tuning that chose a plan."""
    ratio = Interval(value=1.1, low=1.05, high=1.15, n=20)
    return Tuning(
        task="tiny",
        budget_s=1.0,
        spent_s=1.0,
        noise=None,
        smallest_difference=0.01,
        trials=(),
        plan=Plan(task="tiny", choices=tuple(Choice(technique=name, gain=ratio) for name in names)),
        speedup=ratio if names else None,
        forecast=Forecast(plan=names, expected=ratio, measured=ratio) if names else None,
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a job take no time to measure the machine, to profile and to tune."""

    def in_turn(sides: Any, **_: Any) -> tuple[StepAnatomy, ...]:
        before, after = make_whole_evidence().in_turn
        assert [plan for _, plan in sides] == [(), ("fused_optimizer",)]
        return before, msgspec.structs.replace(after, step_peaks=after.step_peaks[:4])

    monkeypatch.setattr(api_tuning, "load_cached", lambda **_: facts())
    monkeypatch.setattr(job_module, "profile", lambda *_, **__: make_profile())
    monkeypatch.setattr(job_module, "anatomies_in_turn", in_turn)
    monkeypatch.setattr(job_module, "run_tuning", lambda *_, **__: tuned_to(("fused_optimizer",)))


def small_job(tmp_path: Path, **more: Any) -> Evidence:
    task = mlp_task(samples=64, stop=Stop(epochs=3))
    job = hasten.run(task, seeds=2, runs=tmp_path / "runs", **more)
    assert job.evidence is not None
    return job.evidence


@pytest.mark.usefixtures("quick")
def test_the_evidence_has_what_a_report_needs(tmp_path: Path) -> None:
    first = small_job(tmp_path, command="hasten run mine")
    assert len(first.in_turn) == 2
    assert first.remarks == ()
    assert first.memory is not None
    assert first.memory.n == 4, "pairs of steps"
    assert first.memory.value == pytest.approx(2 / 3)
    assert first.quality is not None
    assert first.quality.n == 2
    assert (first.command, "import torch" in first.script) == ("hasten run mine", True)
    assert [one.forecast.plan for one in first.history] == [("fused_optimizer",)]
    assert first.history[0].trained == first.speedup
    second = small_job(tmp_path)
    assert second.history == (*first.history, second.history[-1])
    assert second.history[-1].made_at == second.made_at


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("still", [1, None])
def test_on_a_busy_machine_both_sides_train_on_the_threads_that_tuning_found_best(
    still: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, asked, shown = list[tuple[tuple[str, ...], int]](), list[int | None](), list[object]()

    def noted(train: Any) -> Any:
        def training(recipe: Any, plan: Plan, **more: Any) -> Any:
            seen.append((plan.names, torch.get_num_threads()))
            return train(recipe, plan, **more)

        return training

    def asked_again(recipe: Any, threads: int | None) -> int | None:
        asked.append(threads)
        return still

    in_turn = job_module.anatomies_in_turn

    def timed_in_turn(*given: Any, **more: Any) -> Any:
        seen.append((("in turn",), torch.get_num_threads()))
        return in_turn(*given, **more)

    tuning = msgspec.structs.replace(tuned_to(("fused_optimizer",)), threads=1)
    monkeypatch.setattr(job_module, "run_tuning", lambda *_, **__: tuning)
    monkeypatch.setattr(job_module, "still_best", asked_again)
    monkeypatch.setattr(job_module, "run_training", noted(job_module.run_training))
    monkeypatch.setattr(comparing, "run_training", noted(comparing.run_training))
    monkeypatch.setattr(job_module, "anatomies_in_turn", timed_in_turn)
    with threads_set(2):
        evidence = small_job(tmp_path, show=shown.append)
        assert torch.get_num_threads() == 2
    threads = still or 2
    sides = [("fused_optimizer",), (), (), ("fused_optimizer",), ("in turn",)]
    assert seen == [(side, threads) for side in sides]
    assert asked == [1]
    said = [one.text for one in shown if isinstance(one, Note) and "1 thread" in one.text]
    assert (evidence.threads, evidence.remarks) == (still, tuple(said))
    assert len(said) == (still is not None)


@pytest.mark.usefixtures("quick")
def test_a_plan_whose_step_cannot_be_timed_is_told_and_loses_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(job_module, "anatomies_in_turn", fails)
    evidence = small_job(tmp_path)
    assert len(evidence.plan_runs) == 2
    assert (evidence.in_turn, evidence.memory) == ((), None)
    assert evidence.remarks == ("the steps of baseline and plan were not timed in turn: RuntimeError: out of memory",)


@pytest.mark.usefixtures("quick")
def test_an_interruption_after_the_last_training_loses_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job_module, "anatomies_in_turn", interrupted)
    assert len(small_job(tmp_path).plan_runs) == 2


@pytest.mark.usefixtures("quick")
def test_without_a_plan_there_is_nothing_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "run_tuning", lambda *_, **__: tuned_to(()))
    evidence = small_job(tmp_path)
    assert (evidence.in_turn, evidence.memory, evidence.quality, evidence.history) == ((), None, None, ())


@pytest.mark.usefixtures("quick")
def test_an_interrupted_comparison_is_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = job_module.compare

    def interrupted(*given: Any, **more: Any) -> Compared:
        return Compared(whole(*given, **more).pairs, signal.SIGINT)

    monkeypatch.setattr(job_module, "compare", interrupted)
    evidence = small_job(tmp_path)
    assert len(evidence.plan_runs) == 2
    assert (evidence.in_turn, evidence.memory, evidence.remarks) == ((), None, ())
