"""Two plans side by side: the verdict, what is exported, and sides that another Python trains."""

import csv
import io
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from test_comparing import MISSED, result
from typer.testing import CliRunner

from hasten import Choice, Plan, Stop, api
from hasten.base.errors import BadInput, TrainingFailed
from hasten.base.records.run import RunResult
from hasten.base.records.side_by_side import Faster, SideBySide
from hasten.cli.main import app
from hasten.pipeline.other_python import elsewhere, result_of
from hasten.pipeline.side_by_side import is_slower_by, judged
from hasten.report.side_by_side import as_csv, as_markdown, sentence
from hasten.report.terminal import Screen
from hasten.tasks.loading import load_task

from tiny_tasks import mlp_task


def runs(*seconds: float) -> list[RunResult]:
    return [msgspec.structs.replace(result(one), seed=seed) for seed, one in enumerate(seconds)]


def pairs(b: list[RunResult], a: list[RunResult]) -> list[tuple[RunResult, RunResult]]:
    return list(zip(b, a, strict=True))


STEADY = runs(2.0, 2.01, 2.02, 1.99, 1.98)


@pytest.mark.parametrize(
    ("b", "verdict"),
    [
        (runs(1.0, 1.01, 1.02, 0.99, 0.98), Faster.FASTER),
        (runs(4.0, 4.01, 4.02, 3.99, 3.98), Faster.SLOWER),
        (STEADY, Faster.NO_DIFFERENCE),
        (runs(1.0, 3.0, 2.0, 1.5, 2.9), Faster.NOT_PROVEN),
        ([result(0.1, metrics=MISSED), *runs(1.0, 1.0, 1.0, 1.0)], Faster.SLOWER),
    ],
)
def test_verdicts_follow_the_time_to_equal_quality(b: list[RunResult], verdict: Faster) -> None:
    _, found, remark = judged(pairs(b, STEADY))
    assert found is verdict
    assert ("missed the target on 1 of 5 seeds" in remark) is (b[0].time_to_target_s is None)


def test_one_pair_proves_nothing() -> None:
    assert judged(pairs(runs(1.0), runs(2.0)))[1] is Faster.NOT_PROVEN
    with pytest.raises(BadInput, match="at least 2 seeds"):
        api.compare(mlp_task(), None, None, seeds=1)


def compared(b: list[RunResult]) -> SideBySide:
    speedup, verdict, remark = judged(pairs(b, STEADY))
    return SideBySide(
        task="t", a="a.toml", b="b.toml", runs_a=tuple(STEADY), runs_b=tuple(b), verdict=verdict, speedup=speedup,
        level=0.9, peak_bytes_a=1 << 20, remark=remark,
    )  # fmt: skip


def test_a_share_that_it_may_be_slower_is_held_against_the_whole_interval() -> None:
    slower = compared(runs(2.2, 2.21, 2.22, 2.19, 2.18))
    assert is_slower_by(slower, 0.03)
    assert not is_slower_by(slower, 0.2)
    assert not is_slower_by(compared(runs(1.0, 3.0, 2.0, 1.5, 2.9)), 0.0), "not proven"
    assert is_slower_by(compared([result(0.1, metrics=MISSED), *runs(1.0, 1.0, 1.0, 1.0)]), 0.5)


def test_exports_hold_the_verdict_and_every_training() -> None:
    found = compared(runs(1.0, 1.01, 1.02, 0.99, 0.98))
    assert sentence(found).startswith("b.toml is faster than a.toml (2.00x faster [")
    assert sentence(found).endswith("n = 5 seeds), in time to accuracy 90 %.")
    text = as_markdown(found)
    assert text.splitlines()[0] == "| t | a.toml | b.toml |"
    assert "| peak memory of a step | 1.00 MiB | not measured |" in text
    assert text.splitlines()[-1] == sentence(found)
    lines = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert len(lines) == 10
    assert {line["side"] for line in lines} == {"a.toml", "b.toml"}
    assert "Not every training reached" not in sentence(found)
    lower = msgspec.structs.replace(found, level=0.8)
    assert sentence(lower).endswith(
        "accuracy 80 %. Not every training reached accuracy 90 %: this is what all reached."
    )
    missed = compared([result(0.1, metrics=MISSED), *runs(1.0, 1.0, 1.0, 1.0)])
    assert "b.toml missed the target on 1 of 5 seeds, where a.toml reached it." in sentence(missed)


def test_two_plans_are_trained_from_the_same_seeds() -> None:
    clipped = Plan(task="tiny", choices=(Choice(technique="clip_norm"),))
    found = api.compare(mlp_task(stop=Stop(steps=3)), None, clipped, names=("baseline", "clip"), seeds=2)
    assert [one.seed for one in found.runs_a] == [one.seed for one in found.runs_b]
    assert ({one.plan for one in found.runs_a}, {one.plan for one in found.runs_b}) == ({()}, {("clip_norm",)})
    assert found.peak_bytes_a is not None
    assert found.peak_bytes_a > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("baseline", "baseline"), "both sides are baseline"),
        (("baseline", "no.toml"), "no.toml"),
        (("baseline", "baseline", "--fail-if-slower", "a bit"), "must look like 3%"),
    ],
)
def test_what_cannot_be_compared_is_refused(words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["compare", "digits", *words])
    assert done.exit_code == 2
    assert said in done.output


def test_a_python_that_cannot_train_says_why_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a program"):
        elsewhere(tmp_path / "python", Plan(task="tiny"), mlp_task(), ["digits"])


def test_trainings_are_called_as_their_sides_and_equal_plans_are_told() -> None:
    clipped = [Plan(task="tiny", choices=(Choice(technique="clip_norm"),)) for _ in range(2)]
    console = Console(file=io.StringIO(), width=100)
    with Screen(console) as screen:
        api.compare(mlp_task(stop=Stop(steps=3)), *clipped, names=("a.toml", "longer.toml"), seeds=2, show=screen.show)
    text = console.file.getvalue()  # type: ignore[attr-defined]  (a StringIO)
    assert "note: a.toml and longer.toml are the same plan" in text
    assert [line.split()[0] for line in text.splitlines() if " seed " in line] == [
        "longer.toml", "a.toml", "a.toml", "longer.toml",
    ]  # fmt: skip
    assert "tiny, a.toml and longer.toml" in text


def test_an_interrupted_comparison_gives_no_verdict_and_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = SideBySide(
        task="digits", a="baseline", b="b.toml", runs_a=(), runs_b=(), verdict=Faster.NOT_PROVEN, interrupted_by=2
    )
    monkeypatch.setattr(api, "compare", lambda *args, **options: interrupted)
    done = CliRunner().invoke(app, ["compare", "digits", "baseline", "b.toml", "--fail-if-slower", "3%"])
    assert done.exit_code == 130
    assert "No verdict: interrupted" in done.output


@pytest.mark.slow
def test_another_python_trains_the_same_as_this_one(tmp_path: Path) -> None:
    task = load_task("linear")
    found, interrupted_by = elsewhere(Path(sys.executable), Plan(task="linear"), task, ["linear"])(3)
    assert interrupted_by is None
    ours = api.train(load_task("linear"), runs=tmp_path)
    assert ours.result.folder is not None
    read = result_of(Path(ours.result.folder), task, Plan(task="linear"), task.seed)
    for field in ("steps", "reason", "best_metric", "time_to_target_s", "final_metric", "higher_is_better", "target"):
        assert getattr(read, field) == getattr(ours.result, field), field
    assert found.seed == 3
    assert found.evaluations
    with pytest.raises(TrainingFailed, match="exit code 2"):
        elsewhere(Path(sys.executable), Plan(task="linear"), task, ["no_such_task"])(0)
