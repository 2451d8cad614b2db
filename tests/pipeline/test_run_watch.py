"""A training under the doctor is the same bit for bit, shows each finding once, and keeps the record in its folder."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import hasten
from hasten import Stop, Task, Update
from hasten.base.errors import BadInput, TrainingFailed
from hasten.base.records.finding import Abstained, Diagnosis, Finding, Found, Severity
from hasten.base.records.health import Health
from hasten.base.records.plan import Plan
from hasten.pipeline import run_watch
from hasten.pipeline.diagnosing import judged
from hasten.pipeline.run_watch import RunWatch
from hasten.training import loop
from hasten.training.recipe import baseline
from hasten.training.run_folder import HEALTH, WEIGHTS, is_run_folder, read_health
from hasten.training.running import Trained, run_training

from tiny_tasks import mlp_task


def trained(task: Task, folder: Path | None = None, **options: Any) -> tuple[Trained, list[object]]:
    shown: list[object] = []
    watch = RunWatch(name=task.name, command="hasten diagnose tiny", folder=folder)
    made = run_training(baseline(task), Plan(task=task.name), show=shown.append, folder=folder, watch=watch, **options)
    return made, shown


def found(shown: list[object]) -> list[str]:
    return [one.finding.symptom for one in shown if isinstance(one, Found)]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an event of every step, and let every one be judged."""
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(run_watch, "SHARE", 1e9)


class HalfUsed(nn.Module):
    """A model with a layer that the loss does not reach."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.unused = nn.Linear(5, 2), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.unused(x)
        return self.body(x)


def test_the_parameters_are_the_same_bit_for_bit(tmp_path: Path, often: None) -> None:
    task = mlp_task(dropout=0.5, stop=Stop(epochs=2))
    run_training(baseline(task), Plan(task="tiny"), show=lambda event: None, folder=tmp_path / "plain")
    trained(task, tmp_path / "watched")
    plain, watched = load_file(tmp_path / "plain" / WEIGHTS), load_file(tmp_path / "watched" / WEIGHTS)
    assert all(torch.equal(plain[name], watched[name]) for name in plain)


def test_a_finding_is_shown_once_while_it_trains_and_kept_in_the_folder(tmp_path: Path, often: None) -> None:
    _, shown = trained(mlp_task(model=HalfUsed, stop=Stop(epochs=2)), tmp_path)
    assert found(shown).count("parameter_unreached") == 1
    first = next(one for one in shown if isinstance(one, Found))
    assert 12 <= first.step < 14
    health = read_health(tmp_path)
    assert (health.steps, health.complete, health.command) == (14, True, "hasten diagnose tiny")
    assert "parameter_unreached" in [one.symptom for one in judged(health).findings]


def test_a_finding_is_shown_at_the_end_where_nothing_could_be_judged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_watch, "SHARE", 0.0)
    _, shown = trained(mlp_task(model=HalfUsed))
    assert "parameter_unreached" in found(shown)


def test_a_healthy_training_says_so_at_the_end() -> None:
    _, shown = trained(mlp_task(samples=200))
    assert not found(shown)
    assert [one.verdict for one in shown if isinstance(one, Diagnosis)] == ["No problem found in 75 steps."]


def test_what_may_be_chance_is_shown_when_two_judgements_make_it(monkeypatch: pytest.MonkeyPatch, often: None) -> None:
    said: Iterator[tuple[str, Severity]] = iter(
        [("plateau", Severity.WARNING), ("overfit", Severity.WARNING), ("overfit", Severity.WARNING)]
        + [("nonfinite", Severity.CRITICAL)] * 99
    )

    def judge(health: Health, tiers: object = None) -> Diagnosis:
        if not health.steps or tiers is not None:
            return Diagnosis(verdict="")
        symptom, severity = next(said)
        one = Finding(symptom=symptom, severity=severity, sentence="It is so.", value=1.0, threshold=0.0, bound=None)
        return Diagnosis(verdict="", findings=(one,), abstained=(Abstained(symptom="x", reason="y"),))

    monkeypatch.setattr(run_watch, "judged_quietly", judge)
    monkeypatch.setattr(run_watch, "judged", judge)
    _, shown = trained(mlp_task())
    assert found(shown) == ["overfit", "nonfinite"]


def test_a_training_that_its_stop_rule_ends_is_no_complete_one(tmp_path: Path) -> None:
    trained(mlp_task(stop=Stop(epochs=3, target=0.3)), tmp_path)
    assert not read_health(tmp_path).complete


def test_a_training_that_fails_keeps_its_record_and_leaves_no_hook(tmp_path: Path) -> None:
    class Failing(HalfUsed):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            Failing.calls += 1
            if Failing.calls > 40:
                raise ValueError("no more")
            return super().forward(x)

    plain = nn.Module.__call__
    with pytest.raises(TrainingFailed, match="no more"):
        trained(mlp_task(model=Failing, stop=Stop(epochs=50)), tmp_path)
    assert nn.Module.__call__ is plain
    assert not read_health(tmp_path).complete


def test_a_resumed_training_counts_its_steps_from_the_start(tmp_path: Path, often: None) -> None:
    task = mlp_task(model=HalfUsed)
    run_training(baseline(task), Plan(task="tiny"), show=lambda event: None, folder=tmp_path)
    _, shown = trained(replace(task, stop=Stop(epochs=5)), tmp_path, resume=True)
    assert next(one for one in shown if isinstance(one, Found)).step >= 21 + 12


def test_a_record_that_is_missing_or_damaged_is_one_message_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no record of its health: the run was trained without --diagnose"):
        read_health(tmp_path)
    trained(mlp_task(), tmp_path)
    content = (tmp_path / HEALTH).read_bytes()
    (tmp_path / HEALTH).write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=HEALTH.name):
        read_health(tmp_path)


def test_the_folder_of_a_run_is_told_from_others(tmp_path: Path) -> None:
    made = hasten.train(mlp_task(), runs=tmp_path, diagnose=True)
    assert made.result.folder is not None
    assert is_run_folder(Path(made.result.folder))
    assert (Path(made.result.folder) / HEALTH).is_file()
    (tmp_path / "data" / "checkpoints").mkdir(parents=True)
    assert not is_run_folder(tmp_path / "data")
    assert not is_run_folder(tmp_path / "missing")


def test_a_diverging_training_names_the_cause(tmp_path: Path) -> None:
    _, shown = trained(mlp_task(update=Update(optimizer="sgd", lr=1e20), stop=Stop(epochs=50)), tmp_path)
    assert found(shown)[0] in ("nonfinite", "update_too_large")
